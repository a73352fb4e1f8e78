import { DisposedError, type DType, type Shape } from '@unravel/kernels'
import { brief, MOST } from './messages.js'

/** Shape and dtype of a tensor. */
export interface TensorType {
  readonly shape: Shape
  readonly dtype: DType
}

export const describe = (t: TensorType): string => `${t.dtype}[${t.shape.join(',')}]`

/** Shapes or dtypes that an op does not take. The message has two lines: `wants …` and `got …`. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
  constructor(
    op: { readonly name: string; readonly signature: string },
    inputs: readonly TensorType[],
    detail?: string,
  ) {
    const got = inputs.map(describe).join(', ')
    super(brief(`${op.name} wants ${op.signature}\ngot ${got}${detail === undefined ? '' : `: ${detail}`}`, MOST))
  }
}

/** The error of a tensor made by the op `origin` that was used after it was disposed. */
export const disposed = (origin: string, what: TensorType): DisposedError =>
  new DisposedError(
    `the ${describe(what)} made by ${origin} was disposed: return it from its scope(), wrap it in keep(), ` +
      'or use it before dispose()',
  )

/** Inputs of one op that live on different backends. */
export class BackendError extends Error {
  override readonly name = 'BackendError'
}

/** A derivative that does not exist for an op, or has no canonical form. */
export class RuleError extends Error {
  override readonly name = 'RuleError'
}
