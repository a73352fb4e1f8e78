import type { Buffer } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import type { Deferred } from '../../core/deferred.js'
import { ShapeError } from '../../core/errors.js'
import { kernelOf } from '../../core/kernels.js'
import { apply, commonDType } from '../../core/op.js'
import { sizeOf } from '../../core/shape.js'
import { Dense, type Op, type Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
import { addAlignedOp } from '../arithmetic/addAligned.js'
import { matmul } from '../arithmetic/matmul.js'
import { reshape, reshapeLast } from '../structure/reshape.js'
import { narrow } from '../structure/slice.js'
import { unbroadcast } from '../structure/sum.js'

type Inputs = readonly [x: Tensor, weight: Tensor, ...bias: Tensor[]]

interface Attrs {
  /** Rank of an item of a stack `[..., orders, ...item]`, whose order 0 alone gets the bias; absent: all rows do. */
  readonly stackOf?: number
}

export const linearOp: Op<Attrs, Inputs> = {
  name: 'linear',
  signature: '[...,in], [out,in], [out] -> [...,out]',
  infer(inputs, { stackOf = -1 }) {
    const [x, w, b] = inputs
    const n = w.shape[0]!
    const fits = w.rank === 2 && x.rank > Math.max(0, stackOf) && x.shape[x.rank - 1] === w.shape[1]
    if (!fits || (b !== undefined && (b.rank !== 1 || b.shape[0] !== n))) throw new ShapeError(linearOp, inputs)
    if (x.shape[x.rank - stackOf - 1] === 0) throw new ShapeError(linearOp, inputs, 'a stack of no orders')
    return { shape: [...x.shape.slice(0, -1), n], dtype: commonDType(linearOp, inputs) }
  },
  run([x, w, b], attrs, type) {
    const pending = product([x, w, b], attrs)
    return new Dense(type.shape, type.dtype, x.backend, pending, 'linear')
  },
  vjp({ inputs: [x, w, b], output, attrs: { stackOf }, wants }, c) {
    const rank = output.rank
    const rows = (t: Tensor) => reshapeLast(t, rank, [sizeOf(x.shape.slice(0, -1)), t.shape[t.rank - 1]!])
    const biased = () => (stackOf === undefined ? c : narrow(c, -stackOf - 1, 0, 1))
    return [
      wants[0] ? matmul(c, w) : null,
      wants[1] ? matmul(rows(c), rows(x), true, false) : null,
      b === undefined ? null : wants[2] ? unbroadcast(biased(), rank, b.shape) : null,
    ]
  },
  // The op of a stack, where only x is one.
  series([x, w, b], attrs, at) {
    if (at.has(w) || (b !== undefined && at.has(b)) || attrs.stackOf !== undefined) {
      return body(inputsOf(x, w, b), attrs)
    }
    return at.series(apply(linearOp, inputsOf(at.stack(x), w, b), { stackOf: x.rank }))
  },
  gate([x, w, b], attrs, at) {
    if (at.has(w) || (b !== undefined && at.has(b)) || attrs.stackOf !== undefined) {
      return body(inputsOf(x, w, b), attrs)
    }
    const value = apply(linearOp, inputsOf(at.value(x), w, b), attrs)
    return at.paths(value, apply(linearOp, inputsOf(at.stack(x), w, b), { stackOf: x.rank }))
  },
}

/** The rows of x Wᵀ + b, computed where they are needed: a residual step adds them to its skip as they are
 *  made, an activation takes them while they are near. */
function product([x, w, b]: readonly [Dense, Dense, Dense | undefined], { stackOf }: Attrs): Deferred {
  const { backend } = x
  const [n, k] = w.shape as [number, number]
  const rows = sizeOf(x.shape.slice(0, -1))
  const [from, weight, bias] = [x.buffer, w.buffer, b?.buffer ?? null]
  const holds = [x, w, b].map(t => t?.hold())
  // Where the rows with a bias end, and the stacks begin again.
  const order = stackOf === undefined ? 0 : x.rank - stackOf - 1
  const biased = stackOf === undefined || bias === null ? rows : sizeOf(x.shape.slice(order + 1, -1))
  const period = stackOf === undefined || bias === null ? rows : biased * x.shape[order]!
  return {
    into(out, phi, scale, add) {
      const added = add === null ? 0 : add.length / n
      for (let first = 0; first < rows; ) {
        const within = first % period
        const last = Math.min(first - within + (within < biased ? biased : period), first < added ? added : rows)
        const part = (t: Buffer, columns: number) =>
          first === 0 && last * columns === t.length ? t : backend.view(t, first * columns, (last - first) * columns)
        kernelOf(
          backend,
          'linear',
          reference.linear,
        )(
          ...([last - first, k, n, part(from, k), false, weight, true] as const),
          ...([within < biased ? bias : null, phi, scale, first < added ? part(add!, n) : null, part(out, n)] as const),
        )
        first = last
      }
    },
    free() {
      for (const release of holds) release?.()
    },
  }
}

const inputsOf = (x: Tensor, w: Tensor, b: Tensor | undefined): Inputs => (b === undefined ? [x, w] : [x, w, b])

function body([x, w, b]: Inputs, { stackOf }: Attrs): Tensor {
  const y = x.rank === 1 ? matmul(w, x) : matmul(x, w, false, true)
  if (b === undefined) return y
  if (stackOf === undefined) return add(y, b)
  const bias = reshape(b, [...new Array<number>(stackOf).fill(1), b.shape[0]!])
  return apply(addAlignedOp, [y, bias], { offset: 0, scale: 1, rank: stackOf })
}

/** x Wᵀ + b, with W [out,in] and b [out] as PyTorch lays them out; b may be absent. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return apply(linearOp, inputsOf(x, weight, bias), {})
}
