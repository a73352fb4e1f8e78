import { scalarLike } from '../core/create.js'
import type { Mark, OrdersContext, Stacked, Tensor } from '../core/tensor.js'
import { addAligned } from '../ops/arithmetic/addAligned.js'
import { affine } from '../ops/arithmetic/affine.js'
import { aligned, reshape } from '../ops/structure/reshape.js'

/** The common part of the interpreters that carry stacked orders on a leading axis. */
export abstract class Orders implements OrdersContext {
  constructor(
    readonly level: number,
    readonly order: number,
    private readonly marking?: Mark,
  ) {}

  abstract has(x: Tensor): x is Stacked

  stack(x: Tensor, rank = x.rank): Tensor {
    return aligned(this.has(x) ? x.stack : reshape(x, [1, ...x.shape]), rank)
  }
  addToOrder0(stack: Tensor, constant: number): Tensor {
    return addAligned(stack, reshape(scalarLike(constant, stack), new Array<number>(stack.rank).fill(1)), 0)
  }
  mark(stack: Tensor, scale: number): Tensor {
    return this.marking === undefined ? affine(stack, scale, 0) : this.marking(stack, scale, this.order)
  }
}
