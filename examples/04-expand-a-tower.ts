// The Residual Expansion Theorem on a tower of 50 blocks: h ← h + λ·tanh(W h), as a power series in λ.
import { analyse, taylor } from '@unravel/expansion'
import type { Tower } from '@unravel/resnet'
import { matmul, Random, tanh } from '@unravel/tensor'

const random = new Random(1)
const weights = Array.from({ length: 50 }, () => random.normal([8, 8], 0, 0.35, { dtype: 'f64' }))
const x = random.normal([4, 8], 0, 1, { dtype: 'f64' })
const towerWith = (scale: number): Tower => ({
  encode: h => h,
  blocks: weights.map(w => ({ branch: h => tanh(matmul(h, w)), scale })),
  decode: h => h,
})

for (const scale of [1 / 50, 1]) {
  const found = await analyse(taylor(towerWith(scale), x, 8))
  console.log(`λ = ${scale}: radius of convergence ${found.radius!.estimate!.toPrecision(2)}`)
  console.log(
    '  missing after orders 0, 2, 4, 8:',
    [0, 2, 4, 8].map(k => found.remainder[k]!.toExponential(0)).join(' '),
  )
}
//> λ = 0.02: radius of convergence 0.11
//>   missing after orders 0, 2, 4, 8: 1e-1 5e-4 4e-6 1e-9
//> λ = 1: radius of convergence 0.11
//>   missing after orders 0, 2, 4, 8: 1e+0 2e+0 3e+1 5e+4
