import type { Shape } from '@unravel/kernels'
import type { Tensor } from '../tensor.js'
import { reshapeLast } from './reshape.js'
import { sum } from './sum.js'

/** The adjoint of broadcasting `shape` to the last `rank` axes of `c`, `[lead..., ...broadcast]`: sums them back. */
export function unbroadcast(c: Tensor, rank: number, shape: Shape): Tensor {
  const axes: number[] = []
  for (let i = rank; i >= 1; i--) {
    const n = i <= shape.length ? shape[shape.length - i]! : 1
    if (n !== c.shape[c.rank - i]!) axes.push(-i)
  }
  const summed = axes.length === 0 ? c : sum(c, axes, true)
  return reshapeLast(summed, rank, shape)
}
