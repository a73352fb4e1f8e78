import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { mul } from '../arithmetic/mul.js'
import { elementwise, within } from './elementwise.js'
import { normalCdf, normalDensity } from './normalCdf.js'

export const geluOp = elementwise({
  name: 'gelu',
  map: 'gelu',
  grad: 'gelu',
  // Φ(x) + x Φ′(x)
  derivative: x => add(normalCdf(x), mul(within(x, 40), normalDensity(x))),
  recurrence: 'gelu',
  secant: x => normalCdf(x),
})

/** GELU, x Φ(x) */
export function gelu(x: Tensor): Tensor {
  return apply(geluOp, [x], undefined)
}
