import { arrayOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { apply, backendOf, commonDType } from '../../core/op.js'
import { broadcastShapes, sameShape } from '../../core/shape.js'
import { type Dense, fromData, type Op, type Tensor } from '../../core/tensor.js'
import { greater, notEqual } from '../arithmetic/compare.js'
import { matmul } from '../arithmetic/matmul.js'
import { mul } from '../arithmetic/mul.js'
import { softmax } from '../functions/softmax.js'
import { stopGradient } from '../structure/stopGradient.js'
import { sum } from '../structure/sum.js'
import { where } from '../structure/where.js'

/** Which keys a query sees: those up to its own position, where the last query meets the last key ('lowerRight') or the
 *  first the first ('upperLeft'). Both are PyTorch's words; they agree where queries and keys are equally many. */
export type Alignment = 'lowerRight' | 'upperLeft'

interface Attrs {
  readonly causal: Alignment | false
  readonly scale: number
}

export const attentionOp: Op<Attrs> = {
  name: 'scaledDotProductAttention',
  signature: '[...,m,k], [...,n,k], [...,n,v], [...,m,n] -> [...,m,v]',
  infer(inputs) {
    const [q, k, v, mask] = inputs as [Tensor, Tensor, Tensor, Tensor?]
    const last = (t: Tensor, i: number) => t.shape[t.rank - i]
    const matrices = [q, k, v].every(t => t.rank >= 2)
    if (!matrices || last(q, 1) !== last(k, 1) || last(k, 2) !== last(v, 2)) throw new ShapeError(attentionOp, inputs)
    const scores = broadcastShapes(lead(q), lead(k))
    const batch = scores && broadcastShapes(scores, lead(v))
    if (batch === null) throw new ShapeError(attentionOp, inputs, 'the batch axes do not broadcast')
    const seen = [...scores!, last(q, 2)!, last(k, 2)!]
    if (mask !== undefined && !sameShape(broadcastShapes(mask.shape, seen) ?? [], seen)) {
      throw new ShapeError(attentionOp, inputs, `the mask does not broadcast to the scores [${seen}]`)
    }
    return { shape: [...batch, last(q, 2)!, last(v, 1)!], dtype: commonDType(attentionOp, inputs) }
  },
  run: ([q, k, v, mask], attrs) => matmul(pattern(q!, k!, mask, attrs), v!) as Dense,
  // The pattern of the run is frozen: attention is linear in the values.
  gate([q, k, v, mask], attrs, at) {
    return matmul(pattern(at.value(q!), at.value(k!), mask && at.value(mask), attrs), v!)
  },
  body: ([q, k, v, mask], attrs) => matmul(pattern(q!, k!, mask, attrs), v!),
}

const lead = (t: Tensor) => t.shape.slice(0, -2)

/** softmax(scale · Q Kᵀ) over the keys that a query sees; zeros where it sees none. */
function pattern(q: Tensor, k: Tensor, mask: Tensor | undefined, { causal, scale }: Attrs): Tensor {
  const scores = mul(matmul(q, k, false, true), scale)
  const seen = visible(scores, mask, causal)
  if (seen === undefined) return softmax(scores)
  const [m, n] = scores.shape.slice(-2) as [number, number]
  const all = mask === undefined && (causal === 'upperLeft' || m <= n)
  if (all) return softmax(where(seen, scores, -Infinity))
  // A row of −Inf alone has no softmax: a row that sees nothing is one of zeros, times zero.
  const some = greater(sum(seen, -1, true), 0)
  return mul(softmax(where(seen, scores, where(some, -Infinity, 0))), some)
}

/** 1 where a query sees a key, else 0; undefined where all see all. */
function visible(scores: Tensor, mask: Tensor | undefined, causal: Alignment | false): Tensor | undefined {
  const chosen = mask && notEqual(stopGradient(mask), 0)
  if (causal === false) return chosen
  const [m, n] = scores.shape.slice(-2) as [number, number]
  const last = causal === 'lowerRight' ? n - m : 0
  const allowed = new Float64Array(m * n)
  for (let i = 0; i < m; i++) allowed.fill(1, i * n, i * n + Math.min(n, Math.max(0, last + i + 1)))
  const values = arrayOf(scores.dtype, allowed, 'scaledDotProductAttention')
  const triangle = fromData(values, [m, n], backendOf(scores), 'scaledDotProductAttention')
  return chosen === undefined ? triangle : mul(chosen, triangle)
}

/**
 * softmax(Q Kᵀ · scale) V for queries [...,m,k], keys [...,n,k] and values [...,n,v]; leading axes (batch, heads)
 * broadcast. `causal` lets a query see keys up to its own position: `true` is 'lowerRight', where the last query meets the
 * last key; 'upperLeft', PyTorch's `is_causal`, lets the first query meet the first key. A query sees the keys where
 * `mask`, of the dtype of the queries and broadcasting to [...,m,n], is not 0. The result of a query that sees no key is 0.
 * Default scale 1/√k. Series follow the pattern; paths see it frozen.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: { readonly causal?: boolean | Alignment; readonly mask?: Tensor; readonly scale?: number } = {},
): Tensor {
  const { mask, scale = 1 / Math.sqrt(q.shape[q.rank - 1] ?? 1) } = options
  const causal = options.causal === true ? 'lowerRight' : (options.causal ?? false)
  if (causal !== false && causal !== 'lowerRight' && causal !== 'upperLeft') {
    throw new RangeError(`scaledDotProductAttention: causal is true, false, 'lowerRight' or 'upperLeft', got ${causal}`)
  }
  return apply(attentionOp, mask === undefined ? [q, k, v] : [q, k, v, mask], { causal, scale })
}
