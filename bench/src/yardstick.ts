import { naiveMatmul } from './reference.js'
import type { Contender } from './types.js'
import { normal } from './works.js'

const n = 64

/** A fixed piece of plain JavaScript, a 64×64 product by three loops in f64, that runs in every round of every case: times
 *  in units of it can be compared between runs, times in seconds cannot. */
export function yardstick(): Contender {
  const [a, b] = [normal('f64', n * n, 1, 1), normal('f64', n * n, 1, 2)]
  const out = new Float64Array(n * n)
  return {
    name: 'yardstick',
    backend: 'js',
    run: () => naiveMatmul(n, n, n, a, b, out),
    result: () => out,
  }
}
