import type { Kernels, TypedArray } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { commonDType } from '../../core/op.js'
import { endsWith, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor, type Unary } from '../../core/tensor.js'

/** Rows and their length, of a tensor normalised over its last axis. */
export function rowsOf(shape: readonly number[]): [rows: number, n: number] {
  const n = shape[shape.length - 1] ?? 1
  return [sizeOf(shape.slice(0, -1)), n]
}

/** The part that softmax and logSoftmax share: one kernel over the rows of the last axis. */
export function overRows(name: 'softmax' | 'logSoftmax', kernel: RowsKernel): Core<Unary> {
  const self: Core<Unary> = {
    name,
    signature: '[...,n] -> [...,n]',
    infer(inputs) {
      if (inputs[0].rank === 0) throw new ShapeError(self, inputs)
      return { shape: inputs[0].shape, dtype: commonDType(self, inputs) }
    },
    run([x], _, type) {
      const out = allocate(x.backend, type.shape, type.dtype, name)
      kernelOf(x.backend, name, kernel)(...rowsOf(type.shape), x.buffer, out.buffer)
      return out
    },
  }
  return self
}

/** The same of their gradients, from y and cotangents ȳ with leading axes. */
export function gradOverRows(name: 'softmaxGrad' | 'logSoftmaxGrad', kernel: GradKernel): Core<Binary> {
  const self: Core<Binary> = {
    name,
    signature: '[...,n], [...,n] -> [...,n]',
    infer(inputs) {
      const [y, c] = inputs
      if (y.rank === 0 || !endsWith(c.shape, y.shape)) throw new ShapeError(self, inputs)
      return { shape: c.shape, dtype: commonDType(self, inputs) }
    },
    run([y, c], _, type) {
      const out = allocate(y.backend, type.shape, type.dtype, name)
      const lead = sizeOf(c.shape.slice(0, c.rank - y.rank))
      kernelOf(y.backend, name, kernel)(lead, ...rowsOf(y.shape), y.buffer, c.buffer, out.buffer)
      return out
    },
  }
  return self
}
type Core<I extends readonly Tensor[]> = Pick<Op<void, I>, 'name' | 'signature' | 'infer' | 'run'>
type RowsKernel = Kernels<TypedArray>['softmax']
type GradKernel = Kernels<TypedArray>['softmaxGrad']
