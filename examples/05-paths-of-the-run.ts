// Gated paths and gradient paths: exact at any λ, inside the radius of convergence or not.
import { analyse, gated, gradient } from '@unravel/expansion'
import type { Tower } from '@unravel/resnet'
import { linear, Random, relu } from '@unravel/tensor'

const random = new Random(3)
const weights = Array.from({ length: 24 }, () => random.normal([16, 16], 0, 0.35, { dtype: 'f64' }))
const tower: Tower = {
  encode: h => h,
  blocks: weights.map(w => ({ branch: h => relu(linear(h, w)), scale: 0.7 })),
  decode: h => h,
}
const x = random.normal([4, 16], 0, 1, { dtype: 'f64' })

// Order k sums the C(24, k) paths through k branches. All orders sum to the output.
const run = await analyse(gated(tower, x, 'all'))
console.log('paths of length 12:', String(run.chains[12]))
//> paths of length 12: 2704156
console.log('missing after all orders is rounding:', run.remainder.at(-1)! < 1e-12)
//> missing after all orders is rounding: true

// The gradient of output 0 by path length.
const slopes = await analyse(gradient(tower, x, 0, 'all'))
const longest = slopes.norms.indexOf(Math.max(...slopes.norms))
console.log('the largest share of the gradient runs through', longest, 'of 24 branches')
//> the largest share of the gradient runs through 8 of 24 branches
