import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { add } from './add.js'
import { elementwise } from './elementwise.js'
import { mul } from './mul.js'
import { normalCdf, normalDensity } from './normalCdf.js'

export const geluOp = elementwise({
  name: 'gelu',
  map: 'gelu',
  // Φ(x) + x Φ′(x)
  derivative: x => add(normalCdf(x), mul(x, normalDensity(x))),
  taylor: x => mul(x, normalCdf(x)),
  secant: x => normalCdf(x),
})

/** GELU, x Φ(x) */
export function gelu(x: Tensor): Tensor {
  return apply(geluOp, [x], undefined)
}
