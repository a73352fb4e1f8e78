// Beyond the radius of convergence: the series there, and resummation by Padé and by the epsilon algorithm.
import { analyse, taylor } from '@unravel/expansion'
import type { Tower } from '@unravel/resnet'
import { linear, Random, tanh } from '@unravel/tensor'

const random = new Random(5)
const weights = Array.from({ length: 6 }, () => random.normal([6, 6], 0, 0.4, { dtype: 'f64' }))
const x = random.normal([2, 6], 0, 1, { dtype: 'f64' })
const tower = (scale: number): Tower => ({
  encode: h => h,
  blocks: weights.map(w => ({ branch: h => tanh(linear(h, w)), scale })),
  decode: h => h,
})

const { radius } = await analyse(taylor(tower(0.1), x, 24))
const scale = 1.2 * radius!.estimate!
const found = await analyse(taylor(tower(scale), x, 24))
console.log('the series at order 24:', found.remainder[24]! > 0.1 ? 'diverges' : 'converges')
//> the series at order 24: diverges
console.log('resummed to 1e-5:', found.resummed!.pade.remainder < 1e-5)
//> resummed to 1e-5: true
console.log(found.warnings[0]!.includes('the series diverges'))
//> true
