import { bounded } from '@unravel/tensor/internals'

/** A network that cannot be run as it is asked to be: an operator that is not supported, an input that does not fit, a node
 *  whose inputs it does not take. One message: which node, what was found, what was expected. */
export class GraphError extends Error {
  override readonly name = 'GraphError'
  constructor(message: string, options?: ErrorOptions) {
    super(bounded(message), options)
  }
}
