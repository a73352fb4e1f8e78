import type { Shape, Strides, TypedArray } from '../contract.js'
import { broadcastCopy } from './copy.js'

export function where(
  shape: Shape,
  c: TypedArray,
  cStrides: Strides,
  a: TypedArray,
  aStrides: Strides,
  b: TypedArray,
  bStrides: Strides,
  out: TypedArray,
): void {
  const condition = broadcastCopy(shape, c, cStrides)
  const x = broadcastCopy(shape, a, aStrides)
  const y = broadcastCopy(shape, b, bStrides)
  for (let i = 0; i < out.length; i++) out[i] = condition[i] !== 0 ? x[i]! : y[i]!
}
