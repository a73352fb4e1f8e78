import { arrayOf } from '../../core/dtype.js'
import { ShapeError } from '../../core/errors.js'
import { shown } from '../../core/messages.js'
import { apply, backendOf, checkTensors, commonDType } from '../../core/op.js'
import { broadcastShapes, sameShape } from '../../core/shape.js'
import { type Dense, fromData, type Op, type Tensor } from '../../core/tensor.js'
import { add } from '../arithmetic/add.js'
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
  /** The last input is added to the scores; another fourth one is a mask. */
  readonly biased?: boolean
}

type Inputs = readonly [q: Tensor, k: Tensor, v: Tensor, ...rest: Tensor[]]

/** The inputs that may be absent. */
function optional(
  [, , , ...rest]: Inputs,
  { biased }: Attrs,
): { mask?: Tensor | undefined; bias?: Tensor | undefined } {
  return biased ? { mask: rest[rest.length - 2], bias: rest[rest.length - 1] } : { mask: rest[0] }
}

export const attentionOp: Op<Attrs, Inputs> = {
  name: 'scaledDotProductAttention',
  signature: '[...,m,k], [...,n,k], [...,n,v], [...,m,n], [...,m,n] -> [...,m,v]',
  infer(inputs, attrs) {
    const [q, k, v] = inputs
    const last = (t: Tensor, i: number) => t.shape[t.rank - i]
    const matrices = [q, k, v].every(t => t.rank >= 2)
    if (!matrices || last(q, 1) !== last(k, 1) || last(k, 2) !== last(v, 2)) throw new ShapeError(attentionOp, inputs)
    const scores = broadcastShapes(lead(q), lead(k))
    const batch = scores && broadcastShapes(scores, lead(v))
    if (batch === null) throw new ShapeError(attentionOp, inputs, 'the batch axes do not broadcast')
    const seen = [...scores!, last(q, 2)!, last(k, 2)!]
    for (const [name, t] of Object.entries(optional(inputs, attrs))) {
      if (t !== undefined && !sameShape(broadcastShapes(t.shape, seen) ?? [], seen)) {
        throw new ShapeError(attentionOp, inputs, `the ${name} does not broadcast to the scores [${seen}]`)
      }
    }
    return { shape: [...batch, last(q, 2)!, last(v, 1)!], dtype: commonDType(attentionOp, inputs) }
  },
  run: ([q, k, v, ...rest], attrs) => attend([q, k, v, ...rest], attrs) as Dense,
  // The pattern of the run is frozen: attention is linear in the values.
  gate: ([q, k, v, ...rest], attrs, at) => attend([at.value(q), at.value(k), v, ...rest.map(t => at.value(t))], attrs),
  body: (inputs, attrs) => attend(inputs, attrs),
}

const lead = (t: Tensor) => t.shape.slice(0, -2)

const attend = (inputs: Inputs, attrs: Attrs): Tensor => matmul(pattern(inputs, attrs), inputs[2])

/** softmax(scale · Q Kᵀ + bias) over the keys that a query sees; zeros where it sees none. */
function pattern(inputs: Inputs, attrs: Attrs): Tensor {
  const [q, k] = inputs
  const { causal, scale } = attrs
  const { mask, bias } = optional(inputs, attrs)
  const products = mul(matmul(q, k, false, true), scale)
  const scores = bias === undefined ? products : add(products, bias)
  // −Inf in the bias hides a key; NaN does not, and shows in the result.
  const shown = [mask && notEqual(stopGradient(mask), 0), bias && notEqual(stopGradient(bias), -Infinity)]
  const seen = visible(scores, shown, causal)
  if (seen === undefined) return softmax(scores)
  const [m, n] = scores.shape.slice(-2) as [number, number]
  const all = mask === undefined && bias === undefined && (causal === 'upperLeft' || m <= n)
  if (all) return softmax(where(seen, scores, -Infinity))
  // A row of −Inf alone has no softmax: a row that sees nothing is one of zeros, times zero.
  const some = greater(sum(seen, -1, true), 0)
  return mul(softmax(where(seen, scores, where(some, -Infinity, 0))), some)
}

/** 1 where a query sees a key, else 0; undefined where all see all. `shown` are 1 where a mask and a bias let it. */
function visible(
  scores: Tensor,
  shown: readonly (Tensor | undefined)[],
  causal: Alignment | false,
): Tensor | undefined {
  const given = shown.filter(t => t !== undefined)
  const chosen = given.length === 2 ? mul(given[0]!, given[1]!) : given[0]
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
 * softmax(Q Kᵀ · scale + bias) V for queries [...,m,k], keys [...,n,k] and values [...,n,v]; leading axes (batch, heads)
 * broadcast. `causal` lets a query see keys up to its own position: `true` is 'lowerRight', where the last query meets the
 * last key; 'upperLeft', PyTorch's `is_causal`, lets the first query meet the first key. A query sees the keys where
 * `mask`, of the dtype of the queries and broadcasting to [...,m,n], is not 0. `bias`, of the same dtype and shapes, is added to
 * the scores and differentiated, as PyTorch's `attn_mask` of floats; −Infinity in it hides a key. The result of a query that sees
 * no key is 0. Default scale 1/√k. Series follow the pattern; paths see it frozen.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: {
    readonly causal?: boolean | Alignment
    readonly mask?: Tensor
    readonly bias?: Tensor
    readonly scale?: number
  } = {},
): Tensor {
  checkTensors('scaledDotProductAttention', [q, k, v])
  const { mask, bias, scale = 1 / Math.sqrt(q.shape[q.rank - 1] ?? 1) } = options
  const causal = options.causal === true ? 'lowerRight' : (options.causal ?? false)
  if (causal !== false && causal !== 'lowerRight' && causal !== 'upperLeft') {
    throw new RangeError(
      `scaledDotProductAttention: causal is true, false, 'lowerRight' or 'upperLeft', got ${shown(causal)}`,
    )
  }
  const rest = [mask, bias].filter(t => t !== undefined)
  return apply(attentionOp, [q, k, v, ...rest], { causal, scale, ...(bias !== undefined && { biased: true }) })
}
