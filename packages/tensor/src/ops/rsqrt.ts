import { apply } from '../op.js'
import type { Tensor } from '../tensor.js'
import { div } from './div.js'
import { elementwise } from './elementwise.js'
import { mul } from './mul.js'

export const rsqrtOp = elementwise({
  name: 'rsqrt',
  map: 'rsqrt',
  derivative: (x, y) => mul(div(y, x), -0.5),
  recurrence: 'rsqrt',
  secant: '1/√x is infinite at 0; layerNorm and rmsNorm freeze their scale',
})

/** 1/√x */
export function rsqrt(x: Tensor): Tensor {
  return apply(rsqrtOp, [x], undefined)
}
