import { apply } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { div } from '../arithmetic/div.js'
import { mul } from '../arithmetic/mul.js'
import { elementwise } from './elementwise.js'

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
