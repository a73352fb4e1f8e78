import { eye } from '../core/create.js'
import { ShapeError } from '../core/errors.js'
import { like } from '../core/op.js'
import { scope } from '../core/scope.js'
import type { Tensor } from '../core/tensor.js'
import { leaves, type Mapped, mapTree, type Tree } from '../core/tree.js'
import { concat } from '../ops/structure/concat.js'
import { reshape } from '../ops/structure/reshape.js'
import { narrow } from '../ops/structure/slice.js'
import { grad, vjp } from './reverse.js'

/**
 * A function that gives the Jacobian of `f` at a tree of inputs: for every tensor of the value, a tree like the inputs of tensors
 * [...value.shape, ...input.shape]. All rows are pulled back in one pass, as stacked cotangents. The value is a tensor, or a tree of
 * tensors of one dtype. Intermediate memory is freed before it returns.
 */
export function jacobian<T extends Tree = Tensor, V extends Tree = Tensor>(
  f: (inputs: T) => V,
): (inputs: T) => Mapped<V, Mapped<T, Tensor>> {
  return inputs =>
    scope(() => {
      let value: V | undefined
      const flat = (x: T): Tensor => {
        value = f(x)
        const parts = leaves(value)
        if (parts.length === 0) throw new TypeError('jacobian wants a function that returns tensors')
        return concat(parts.map(t => reshape(t, [t.size])))
      }
      const { value: all, pullback } = vjp(flat, inputs)
      if (all.dtype === 'i32') throw new ShapeError({ name: 'jacobian', signature: 'a function to f32 or f64' }, [all])
      const rows = pullback(eye(all.size, like(all)))
      let begin = 0
      return mapTree(t => {
        const own = begin
        begin += t.size
        return mapTree(r => reshape(narrow(r, 0, own, t.size), [...t.shape, ...r.shape.slice(1)]), rows)
      }, value as V) as Mapped<V, Mapped<T, Tensor>>
    })
}

/**
 * A function that gives the second derivatives of a scalar function at a tree of inputs: for every pair of its tensors a and b
 * a tensor [...a.shape, ...b.shape], as a tree of trees; of one tensor, one tensor.
 */
export const hessian = <T extends Tree = Tensor>(
  f: (inputs: T) => Tensor,
): ((inputs: T) => Mapped<T, Mapped<T, Tensor>>) => jacobian<T, T>(grad(f))
