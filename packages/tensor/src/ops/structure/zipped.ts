import type { DType, ZipOp } from '@unravel/kernels'
import { ShapeError } from '../../core/errors.js'
import { commonDType } from '../../core/op.js'
import { broadcastShapes, broadcastStrides, sameShape } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor } from '../../core/tensor.js'

/** An argument of an op of two: a tensor, or a number of the other's dtype. */
export type Operand = Tensor | number

const ONE = [1]

/** The part that all elementwise ops of two tensors share: NumPy's broadcasting, and one kernel. */
export function zipped(
  name: string,
  zip: ZipOp,
  dtypes: readonly DType[] = ['f32', 'f64'],
): Pick<Op<void, Binary>, 'name' | 'signature' | 'infer' | 'run'> {
  const self = {
    name,
    signature: '[...], [...] -> [...]',
    infer(inputs: Binary) {
      const shape = broadcastShapes(inputs[0].shape, inputs[1].shape)
      if (shape === null) throw new ShapeError(self, inputs, 'the shapes do not broadcast')
      return { shape, dtype: commonDType(self, inputs, dtypes) }
    },
    run: (([a, b], _, type) => {
      const out = allocate(a.backend, type.shape, type.dtype, name)
      const { shape } = type
      const { kernels } = a.backend
      // Equal shapes are one run.
      if (sameShape(a.shape, b.shape)) kernels.zip(zip, [out.size], a.buffer, ONE, b.buffer, ONE, out.buffer)
      else {
        const [p, q] = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]
        kernels.zip(zip, shape, a.buffer, p, b.buffer, q, out.buffer)
      }
      return out
    }) as Op<void, Binary>['run'],
  }
  return self
}
