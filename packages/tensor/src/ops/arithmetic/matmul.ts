import * as reference from '@unravel/kernels/reference'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, checkFlag, checkTensors, commonDType } from '../../core/op.js'
import { broadcastShapes, broadcastStrides, sizeOf } from '../../core/shape.js'
import { allocate, type Binary, type Op, type Tensor } from '../../core/tensor.js'
import { bilinear } from '../structure/builders.js'
import { reshape, reshapeLast } from '../structure/reshape.js'
import { unbroadcast } from '../structure/sum.js'

interface Attrs {
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** Rows and columns of an operand after its transposition. */
function matrix(t: Tensor, transposed: boolean): [rows: number, columns: number] {
  const p = t.shape[t.rank - 2]!
  const q = t.shape[t.rank - 1]!
  return transposed ? [q, p] : [p, q]
}

export const matmulOp: Op<Attrs, Binary> = bilinear<Attrs>({
  name: 'matmul',
  signature: '[...,m,k], [...,k,n] -> [...,m,n]',
  infer(inputs, { transposeA, transposeB }) {
    const [a, b] = inputs
    if (a.rank < 2 || b.rank < 2) throw new ShapeError(matmulOp, inputs)
    const [m, k] = matrix(a, transposeA)
    const [k2, n] = matrix(b, transposeB)
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2))
    if (k !== k2 || batch === null) {
      const flags = transposeA || transposeB ? ` (transposed: ${transposeA}, ${transposeB})` : ''
      throw new ShapeError(matmulOp, inputs, `${k !== k2 ? `${k} ≠ ${k2}` : 'the batch axes do not broadcast'}${flags}`)
    }
    return { shape: [...batch, m, n], dtype: commonDType(matmulOp, inputs) }
  },
  run([a, b], { transposeA, transposeB }, type) {
    const out = allocate(a.backend, type.shape, type.dtype, 'matmul')
    let [m, k] = matrix(a, transposeA)
    const n = type.shape[type.shape.length - 1]!
    let batch = type.shape.slice(0, -2)
    // One matrix for the whole batch: the batch is more rows.
    if (!transposeA && sizeOf(b.shape) === k * n && batch.length > 0) {
      m *= sizeOf(batch)
      batch = []
    }
    const strides = (t: Tensor, matrixSize: number) =>
      broadcastStrides(t.shape.slice(0, -2), batch).map(s => s * matrixSize)
    const [aStrides, bStrides] =
      batch.length === 0 ? [[], []] : [strides(a, sizeOf(a.shape.slice(-2))), strides(b, k * n)]
    kernelOf(a.backend, 'matmul', reference.matmul)(
      batch,
      m,
      k,
      n,
      a.buffer,
      aStrides,
      transposeA,
      b.buffer,
      bStrides,
      transposeB,
      out.buffer,
    )
    return out
  },
  // C = AB: Ā = C̄ Bᵀ, B̄ = Aᵀ C̄, each transposed where the operand is stored transposed.
  vjp({ inputs: [a, b], output, attrs: { transposeA, transposeB }, wants }, c) {
    const rank = output.rank
    const grad = (t: Tensor, make: () => Tensor) => unbroadcast(make(), rank, t.shape)
    return [
      wants[0] ? grad(a, () => (transposeA ? matmul(b, c, transposeB, true) : matmul(c, b, false, !transposeB))) : null,
      wants[1]
        ? b.rank === 2 && a.rank > 2 && !transposeA
          ? weightGradient(a, c, transposeB)
          : grad(b, () => (transposeB ? matmul(c, a, true, transposeA) : matmul(a, c, !transposeA, false)))
        : null,
    ]
  },
  instead: 'scaledDotProductAttention (frozen pattern)',
})

/** B̄ for one B under a batch of A: the batch is more rows of one product. */
function weightGradient(a: Tensor, c: Tensor, transposeB: boolean): Tensor {
  const rows = (t: Tensor) => reshapeLast(t, a.rank, [sizeOf(a.shape.slice(0, -1)), t.shape[t.rank - 1]!])
  return transposeB ? matmul(rows(c), rows(a), true, false) : matmul(rows(a), rows(c), true, false)
}

/**
 * Matrix product over the last two axes, other axes broadcasting as in NumPy. `transposeA` and `transposeB` read an
 * operand with its last two axes exchanged, at no extra cost. Vectors are rows of A and columns of B.
 */
export function matmul(a: Tensor, b: Tensor, transposeA = false, transposeB = false): Tensor {
  checkTensors('matmul', [a, b])
  checkFlag('matmul', 'transposeA', transposeA)
  checkFlag('matmul', 'transposeB', transposeB)
  if (a.rank === 1 || b.rank === 1) {
    const left = a.rank === 1 ? reshape(a, [1, a.size]) : a
    const right = b.rank === 1 ? reshape(b, [b.size, 1]) : b
    const c = matmul(left, right, a.rank > 1 && transposeA, b.rank > 1 && transposeB)
    const [m, n] = c.shape.slice(-2)
    return reshape(c, [...c.shape.slice(0, -2), ...(a.rank === 1 ? [] : [m!]), ...(b.rank === 1 ? [] : [n!])])
  }
  return apply(matmulOp, [a, b], { transposeA, transposeB })
}
