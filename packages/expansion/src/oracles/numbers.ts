import type { Tensor } from '@unravel/tensor'
import { norm } from '../spectrum.js'

/** The numbers of a tensor, or the run's own of a tracer. */
export const values = (t: Tensor): Float64Array => Float64Array.from(t.dense()[0]!.dataSync())

/** The numbers of each entry along the first axis. */
export function rows(t: Tensor): Float64Array[] {
  const count = t.shape[0]!
  const all = values(t)
  return Array.from({ length: count }, (_, i) => all.slice((i * all.length) / count, ((i + 1) * all.length) / count))
}

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0)

/** ‖got − want‖ in units of the larger of ‖want‖ and `size`. */
export const gap = (got: ArrayLike<number>, want: ArrayLike<number>, size = 1e-300): number =>
  norm(Array.from(got, (v, i) => v - want[i]!)) / Math.max(norm(want), size)
