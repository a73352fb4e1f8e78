import { arrayOf, scalarLike } from '../../core/create.js'
import { ShapeError } from '../../core/errors.js'
import { apply, backendOf, commonDType } from '../../core/op.js'
import { broadcastShapes } from '../../core/shape.js'
import { type Dense, fromData, type Op, type Tensor } from '../../core/tensor.js'
import { matmul } from '../arithmetic/matmul.js'
import { mul } from '../arithmetic/mul.js'
import { softmax } from '../functions/softmax.js'
import { where } from '../structure/where.js'

interface Attrs {
  readonly causal: boolean
  readonly scale: number
}

export const attentionOp: Op<Attrs> = {
  name: 'scaledDotProductAttention',
  signature: '[...,m,k], [...,n,k], [...,n,v] -> [...,m,v]',
  infer(inputs) {
    const [q, k, v] = inputs as [Tensor, Tensor, Tensor]
    const last = (t: Tensor, i: number) => t.shape[t.rank - i]
    const fits = inputs.every(t => t.rank >= 2) && last(q, 1) === last(k, 1) && last(k, 2) === last(v, 2)
    const batch = fits ? broadcastShapes(broadcastShapes(lead(q), lead(k)) ?? [-1], lead(v)) : null
    if (batch === null || batch.includes(-1)) throw new ShapeError(attentionOp, inputs)
    return { shape: [...batch, last(q, 2)!, last(v, 1)!], dtype: commonDType(attentionOp, inputs) }
  },
  run: ([q, k, v], attrs) => matmul(pattern(q!, k!, attrs), v!) as Dense,
  // The pattern of the run is frozen: attention is linear in the values.
  gate: ([q, k, v], attrs, at) => matmul(pattern(at.value(q!), at.value(k!), attrs), v!),
  body: ([q, k, v], attrs) => matmul(pattern(q!, k!, attrs), v!),
}

const lead = (t: Tensor) => t.shape.slice(0, -2)

/** softmax(scale · Q Kᵀ), with −Inf above the diagonal when causal. */
function pattern(q: Tensor, k: Tensor, { causal, scale }: Attrs): Tensor {
  const scores = mul(matmul(q, k, false, true), scale)
  if (!causal) return softmax(scores)
  const [m, n] = scores.shape.slice(-2) as [number, number]
  const allowed = new Float64Array(m * n)
  // Queries are the last m of the n positions.
  for (let i = 0; i < m; i++) allowed.fill(1, i * n, i * n + Math.max(0, n - m + i + 1))
  const mask = fromData(arrayOf(scores.dtype, allowed), [m, n], backendOf(scores), 'scaledDotProductAttention')
  return softmax(where(mask, scores, scalarLike(-Infinity, scores)))
}

/**
 * softmax(Q Kᵀ · scale) V for queries [...,m,k], keys [...,n,k] and values [...,n,v]; leading axes (batch, heads)
 * broadcast. `causal` lets query i (counted so that the last query meets the last key) see keys up to itself.
 * Default scale 1/√k. Series follow the pattern; paths see it frozen.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: { readonly causal?: boolean; readonly scale?: number } = {},
): Tensor {
  const scale = options.scale ?? 1 / Math.sqrt(q.shape[q.rank - 1] ?? 1)
  return apply(attentionOp, [q, k, v], { causal: options.causal ?? false, scale })
}
