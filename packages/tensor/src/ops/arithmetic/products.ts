import { onesLike } from '../../core/create.js'
import { alias, checkFlag, checkTensors } from '../../core/op.js'
import { axesFromEnd, fromEnd, sizeOf } from '../../core/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { concat } from '../structure/concat.js'
import { reshape } from '../structure/reshape.js'
import { narrow } from '../structure/slice.js'
import { sum } from '../structure/sum.js'
import { transpose } from '../structure/transpose.js'
import { add } from './add.js'
import { mul } from './mul.js'

/**
 * Product over `axis` (one, several, or by default all); of nothing 1. Halves are multiplied by each other, so that the
 * derivative is right, of every order, where elements are 0. The relative error of n factors is at most (n − 1)·ε/2. Paths have no canonical gate through it.
 */
export function prod(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('prod', [x])
  checkFlag('prod', 'keepdims', keepdims)
  const axes = axesFromEnd(axis, x.rank, 'prod').map(a => a + x.rank)
  const kept = x.shape.map((_, d) => d).filter(d => !axes.includes(d))
  const outer = kept.map(d => x.shape[d]!)
  const n = sizeOf(axes.map(d => x.shape[d]!))
  let factors = reshape(transpose(x, [...axes, ...kept]), [n, ...outer])
  while (factors.shape[0]! > 1) {
    const length = factors.shape[0]!
    const half = Math.floor(length / 2)
    const products = mul(narrow(factors, 0, 0, half), narrow(factors, 0, half, half))
    factors = length % 2 === 0 ? products : concat([products, narrow(factors, 0, length - 1, 1)], 0)
  }
  const shape = keepdims ? x.shape.map((length, d) => (axes.includes(d) ? 1 : length)) : outer
  return n === 0 ? onesLike(sum(x, axis, keepdims)) : reshape(factors, shape)
}

/** y_i = x_0 ∘ … ∘ x_i along an axis, in ⌈log₂ n⌉ steps: after each, y_i is of twice as many elements up to i. */
function scan(name: string, x: Tensor, along: number, combine: (a: Tensor, b: Tensor) => Tensor): Tensor {
  checkTensors(name, [x])
  const axis = fromEnd(along, x.rank, name)
  const n = x.shape[x.rank + axis]!
  let y = x
  for (let shift = 1; shift < n; shift *= 2) {
    const both = combine(narrow(y, axis, 0, n - shift), narrow(y, axis, shift, n - shift))
    y = concat([narrow(y, axis, 0, shift), both], axis)
  }
  return y === x ? alias(name, x) : y
}

/** Sums of the first 1, 2, … elements along an axis. */
export const cumsum = (x: Tensor, axis: number): Tensor => scan('cumsum', x, axis, add)
/** Products of the first 1, 2, … elements along an axis, each within (n − 1)·ε/2 of n factors; derivatives are right where elements
 *  are 0. */
export const cumprod = (x: Tensor, axis: number): Tensor => scan('cumprod', x, axis, mul)
