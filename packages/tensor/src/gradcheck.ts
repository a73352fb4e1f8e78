import { vjp } from './autodiff/reverse.js'
import { jvp } from './autodiff/series.js'
import { tensor } from './core/create.js'
import { describe } from './core/errors.js'
import { backendOf } from './core/op.js'
import { scope } from './core/scope.js'
import type { Tensor } from './core/tensor.js'
import { Random } from './random.js'

export interface GradcheckOptions {
  /** How many directions are tried (default 3). */
  readonly directions?: number
  readonly seed?: number
}

/**
 * Checks the derivatives of `f` at `inputs` (f64): along random directions v, and for random cotangents u, that
 * ⟨u, (f(x + hv) − f(x − hv))/2h⟩, ⟨u, jvp v⟩ and ⟨vjp u, v⟩ agree. The step is extrapolated (Richardson), so that
 * the difference has an error of about eps^(4/5) relative to the size of f and of its derivatives.
 * Returns the largest disagreement relative to the magnitudes that entered it; throws an Error when it is above 1e-7.
 */
export function gradcheck(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): number {
  const { directions = 3, seed = 0 } = options
  if (inputs.length === 0) throw new TypeError('gradcheck wants at least one input, got none')
  for (const x of inputs) if (x.dtype !== 'f64') throw new TypeError(`gradcheck wants f64 inputs, got ${describe(x)}`)
  const random = new Random(seed)
  let worst = 0
  for (let d = 0; d < directions; d++) {
    scope(() => {
      const backend = backendOf(inputs[0]!)
      const v = inputs.map(x => random.normal(x.shape, 0, 1, { dtype: 'f64', backend }))
      const { value, pullback } = vjp<readonly Tensor[]>(xs => f(...xs), inputs)
      const u = random.normal(value.shape, 0, 1, { dtype: 'f64', backend })
      const uData = u.dataSync()
      const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
        let s = 0
        let size = 0
        for (let i = 0; i < a.length; i++) {
          s += a[i]! * b[i]!
          size += Math.abs(a[i]! * b[i]!)
        }
        return { s, size }
      }
      const at = (h: number) =>
        f(
          ...inputs.map((x, i) => {
            const [p, q] = [x.dataSync(), v[i]!.dataSync()]
            return tensor(
              Float64Array.from(p, (a, j) => a + h * q[j]!),
              { shape: x.shape, backend },
            )
          }),
        ).dataSync()
      const slope = (h: number) => {
        const [p, q] = [at(h), at(-h)]
        return Float64Array.from(p, (a, i) => (a - q[i]!) / (2 * h))
      }
      // (4 D(h/2) − D(h))/3 has an error of order h⁴.
      const h = 2 ** -9
      const [wide, narrow] = [slope(h), slope(h / 2)]
      const difference = dot(
        uData,
        narrow.map((a, i) => (4 * a - wide[i]!) / 3),
      )
      const forward = dot(uData, jvp<readonly Tensor[]>(xs => f(...xs), inputs, v)[1].dataSync())
      const reverse = { s: 0, size: 0 }
      pullback(u).forEach((g, i) => {
        const { s, size } = dot(g.dataSync(), v[i]!.dataSync())
        reverse.s += s
        reverse.size += size
      })
      const size = Math.max(difference.size, forward.size, reverse.size, dot(uData, value.dataSync()).size, 1e-300)
      const gap = Math.max(Math.abs(difference.s - forward.s), Math.abs(difference.s - reverse.s)) / size
      if (!(gap <= 1e-7)) {
        throw new Error(
          `derivatives disagree by ${gap.toExponential(1)} of their size: central difference ${difference.s}, ` +
            `jvp ${forward.s}, vjp ${reverse.s}`,
        )
      }
      worst = Math.max(worst, gap)
    })
  }
  return worst
}
