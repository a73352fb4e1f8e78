import * as reference from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, checkTensors } from '../../core/op.js'
import { axesFromEnd, fromEnd, sizeOf } from '../../core/shape.js'
import { allocate, type Op, type Tensor, type Unary } from '../../core/tensor.js'
import { order0Of, withOrder0 } from '../structure/concat.js'
import { type Axes, reducedShape, runReduce, sum, sumOp, unreduced } from '../structure/sum.js'
import { where } from '../structure/where.js'
import { affine } from './affine.js'
import { equal } from './compare.js'
import { div } from './div.js'
import { mul } from './mul.js'
import { neg } from './neg.js'

/** The extreme element; ties share its weight equally, and NaN makes it NaN. Series and paths select by the run. */
function extreme(name: 'max' | 'min'): Op<Axes, Unary> {
  const tiesOf = (run: Tensor, attrs: Axes) => equal(run, apply(self, [run], { ...attrs, keepdims: true }))
  const selected = (run: Tensor, stack: Tensor, attrs: Axes) => {
    const ties = tiesOf(run, attrs)
    // Elements that are not chosen may be infinite: they are left out, not multiplied by 0.
    const chosen = apply(sumOp, [where(ties, stack, 0)], attrs)
    return div(chosen, apply(sumOp, [ties], attrs))
  }
  const self: Op<Axes, Unary> = {
    name,
    signature: '[...] -> [...]',
    infer(inputs, attrs) {
      const x = inputs[0]
      const shape = reducedShape(self, inputs, attrs)
      if (attrs.axes.some(a => x.shape[x.rank + a] === 0)) throw new ShapeError(self, inputs, `no ${name} of nothing`)
      return { shape, dtype: x.dtype }
    },
    run: ([x], attrs, type) => runReduce(name, x, attrs, type.shape),
    vjp({ inputs: [x], attrs }, c) {
      const ties = tiesOf(x, attrs)
      return [mul(unreduced(c, x, attrs), div(ties, sum(ties, attrs.axes, true)))]
    },
    series([x], attrs, at) {
      const run = order0Of(at.stack(x))
      return at.series(withOrder0(selected(run, at.stack(x), attrs), apply(self, [run], attrs)))
    },
    gate([x], attrs, at) {
      const run = at.value(x)
      return at.paths(apply(self, [run], attrs), selected(run, at.stack(x), attrs))
    },
  }
  return self
}

export const maxOp = extreme('max')
export const minOp = extreme('min')

/** Largest element over `axis` (one, several, or by default all); NaN if any is NaN. Throws on empty axes. */
export function max(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('max', [x])
  return apply(maxOp, [x], { axes: axesFromEnd(axis, x.rank, 'max'), keepdims })
}

/** Smallest element over `axis` (one, several, or by default all); NaN if any is NaN. Throws on empty axes. */
export function min(x: Tensor, axis?: number | readonly number[], keepdims = false): Tensor {
  checkTensors('min', [x])
  return apply(minOp, [x], { axes: axesFromEnd(axis, x.rank, 'min'), keepdims })
}

export const argmaxOp: Op<{ axis: number }, Unary> = {
  name: 'argmax',
  signature: '[...] -> i32[...]',
  infer(inputs, { axis }) {
    const x = inputs[0]
    if (x.rank + axis < 0) throw new ShapeError(argmaxOp, inputs, `axis ${axis} is out of range`)
    if (x.shape[x.rank + axis] === 0) throw new ShapeError(argmaxOp, inputs, 'no argmax of nothing')
    return { shape: x.shape.filter((_, i) => i !== x.rank + axis), dtype: 'i32' }
  },
  run([x], { axis }, type) {
    const out = allocate(x.backend, type.shape, 'i32', 'argmax')
    const at = x.rank + axis
    const outer = sizeOf(x.shape.slice(0, at))
    kernelOf(x.backend, 'argmax', reference.argmax)(
      outer,
      x.shape[at]!,
      sizeOf(x.shape.slice(at + 1)),
      x.buffer,
      out.buffer,
    )
    return out
  },
}

/** Index (i32) of the first largest element along `axis`; the first NaN wins. Constant to derivatives. */
export function argmax(x: Tensor, axis = -1): Tensor {
  checkTensors('argmax', [x])
  return apply(argmaxOp, [x], { axis: fromEnd(axis, x.rank, 'argmax') })
}

/** Index (i32) of the first smallest element along `axis`; the first NaN wins. Constant to derivatives. */
export function argmin(x: Tensor, axis = -1): Tensor {
  checkTensors('argmin', [x])
  // −x − 1 turns the order of i32 around too, where −(−2^31) is no i32.
  return argmax(x.dtype === 'i32' ? affine(x, -1, -1) : neg(x), axis)
}
