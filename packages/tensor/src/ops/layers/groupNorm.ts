import { ShapeError } from '../../core/errors.js'
import { checkReals } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { reshape } from '../structure/reshape.js'
import { layerNorm } from './norm.js'

const signature = '[b,c,...], [c], [c] -> [b,c,...]'

/**
 * Group normalisation (Wu 2018) of x [b,c,...]: layer norm over each of `groups` equal groups of channels of an example,
 * then weight [c] (default ones) and bias [c] (default zeros) of the channels. Paths see the scale of the run, frozen.
 */
export function groupNorm(x: Tensor, groups: number, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  return normalised('groupNorm', x, groups, weight, bias, eps)
}

/** Instance normalisation (Ulyanov 2016) of x [b,c,...]: of every channel of every example, a group norm of c groups. */
export function instanceNorm(x: Tensor, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  checkReals('instanceNorm', [x])
  return normalised('instanceNorm', x, x.shape[1] ?? 1, weight, bias, eps)
}

function normalised(name: string, x: Tensor, groups: number, weight?: Tensor, bias?: Tensor, eps?: number): Tensor {
  const parameters = [weight, bias].filter(p => p !== undefined)
  checkReals(name, [x, ...parameters])
  const refuse = (detail?: string) => new ShapeError({ name, signature }, [x, ...parameters], detail)
  const [batch, channels] = x.shape as [number, number]
  if (x.rank < 2 || parameters.some(p => p.rank !== 1 || p.shape[0] !== channels)) throw refuse()
  if (!Number.isSafeInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw refuse(`${channels} channels are not ${groups} equal groups`)
  }
  const length = x.shape.slice(2).reduce((n, d) => n * d, channels / groups)
  const y = reshape(layerNorm(reshape(x, [batch, groups, length]), undefined, undefined, eps), x.shape)
  const across = (p: Tensor) => reshape(p, [channels, ...new Array<number>(x.rank - 2).fill(1)])
  const scaled = weight === undefined ? y : mul(y, across(weight))
  return bias === undefined ? scaled : add(scaled, across(bias))
}
