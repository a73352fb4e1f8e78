import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { checkReals } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { step } from '../arithmetic/sign.js'
import { reshape } from '../structure/reshape.js'
import { where } from '../structure/where.js'
import { expm1 } from './exp.js'

// Units that are x above 0. `where` and `expm1` freeze to the secant gate of the whole: paths need no gate of its own.

/** x above 0, else slope·x */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  checkReals('leakyRelu', [x])
  return where(step(x), x, mul(x, slope))
}

/** x above 0, else weight·x, with one weight [1] or [], or one [c] for each channel of x [b,c,...]. */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  checkReals('prelu', [x, weight])
  const channels = x.shape[x.rank < 2 ? 0 : 1] ?? 1
  if (weight.rank > 1 || (weight.size !== 1 && weight.size !== channels)) {
    throw new ShapeError({ name: 'prelu', signature: '[b,c,...], [c] or [1] -> [b,c,...]' }, [x, weight])
  }
  return where(
    step(x),
    x,
    mul(x, reshape(weight, [weight.size, ...new Array<number>(Math.max(0, x.rank - 2)).fill(1)])),
  )
}

/** x above 0, else α (e^(x/β) − 1). The exponential is never taken of what is above 0: it could overflow. */
function exponentialUnit(x: Tensor, alpha: number, beta: number): Tensor {
  const above = step(x)
  return where(above, x, mul(expm1(mul(where(above, 0, x), 1 / beta)), alpha))
}

/** x above 0, else α (eˣ − 1) */
export function elu(x: Tensor, alpha = 1): Tensor {
  checkReals('elu', [x])
  return exponentialUnit(x, alpha, 1)
}

/** x above 0, else α (e^(x/α) − 1) */
export function celu(x: Tensor, alpha = 1): Tensor {
  checkReals('celu', [x])
  if (!(alpha > 0)) throw new RangeError(`celu: alpha is above 0, got ${shown(alpha)}`)
  return exponentialUnit(x, alpha, alpha)
}

/** The self-normalising unit of Klambauer 2017: λ·elu(x, α). */
export function selu(x: Tensor): Tensor {
  checkReals('selu', [x])
  return mul(elu(x, 1.6732632423543772), 1.0507009873554805)
}
