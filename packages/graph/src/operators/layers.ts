import * as t from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { type Call, flowOf, isFlow, type Value } from '../call.js'
import { affordable, elementsOf, isFloat, numbersOf, saturated } from '../host.js'
import { swish, truncate } from './elementwise.js'
import { attendedPattern, frozen, frozenProduct } from './frozen.js'
import { rangeOf } from './reductions.js'
import type { Compute, Rows } from './rows.js'
import { convolved, windowsOf } from './windows.js'

/** [c] beside [b,c,...]. */
const across = (p: t.Tensor, rank: number): t.Tensor => t.reshape(p, [p.size, ...new Array<number>(rank - 2).fill(1)])

const batchNorm: Compute = call => {
  const x = call.tensor(0)
  if (call.attribute('training_mode', 0) !== 0 || call.attribute('is_test', 1) === 0 || call.node.outputs[1]) {
    return trainingNorm(call, x)
  }
  const eps = call.attribute('epsilon', 1e-5)
  const [scale, bias, mean, variance] = [call.tensor(1), call.tensor(2), call.tensor(3), call.tensor(4)]
  if (x.rank < 2) throw new RangeError(`an input of rank ${x.rank} has no channels`)
  // (x − m)·s/√(v + ε) + b as one multiplication and one addition
  const factor = t.mul(scale, t.rsqrt(t.add(variance, eps)))
  const shift = t.sub(bias, t.mul(mean, factor))
  return call.out(t.add(t.mul(x, across(factor, x.rank)), across(shift, x.rank)))
}

function trainingNorm(call: Call, x: t.Tensor): readonly Value[] {
  const momentum = call.attribute('momentum', 0.9)
  const y = t.batchNorm(x, call.tensor(1), call.tensor(2), undefined, call.attribute('epsilon', 1e-5))
  const { mean, variance } = t.batchMoments(x)
  const running = (before: t.Tensor, now: t.Tensor) => t.add(t.mul(before, momentum), t.mul(now, 1 - momentum))
  return [y, running(call.tensor(3), mean), running(call.tensor(4), variance)].map(v => call.out(v))
}

/** v² + c as by²·rest, with a constant `by` of the size of v or √c, so that no square is out of range; v ≥ 0. */
function squared(v: t.Tensor, c: number): { readonly by: t.Tensor; readonly rest: t.Tensor } {
  const size = t.maximum(t.stopGradient(v), Math.sqrt(Math.abs(c)))
  const by = t.where(t.mul(t.greater(size, 0), t.less(size, Infinity)), size, 1)
  return { by, rest: t.add(t.square(t.div(v, by)), t.div(t.div(c, by), by)) }
}

/** Layer norm over the axes from `axis` on, in opset 17's operator and its simplified form without centring. */
const layerNorm =
  (centred: boolean): Compute =>
  call => {
    const x = call.tensor(0)
    const axis = call.axis(call.attribute('axis', -1), x.rank)
    const eps = call.attribute('epsilon', 1e-5)
    const n = elementsOf(x.shape.slice(axis))
    const rows = t.reshape(x, [...x.shape.slice(0, axis), n])
    const [scale, bias] = [call.optional(1), call.optional(2)]
    const simple = (p: t.Tensor | undefined) => p === undefined || p.size === n
    const flat = (p: t.Tensor | undefined) => (p === undefined ? undefined : t.reshape(p, [n]))
    let y: t.Tensor
    if (simple(scale) && simple(bias)) {
      const z = centred ? t.layerNorm(rows, flat(scale), flat(bias), eps) : t.rmsNorm(rows, flat(scale), eps)
      y = t.reshape(z, x.shape)
      if (!centred && bias !== undefined) y = t.add(y, bias)
    } else {
      const z = t.reshape(
        centred ? t.layerNorm(rows, undefined, undefined, eps) : t.rmsNorm(rows, undefined, eps),
        x.shape,
      )
      y = scale === undefined ? z : t.mul(z, scale)
      if (bias !== undefined) y = t.add(y, bias)
    }
    if (!call.node.outputs[1] && !call.node.outputs[2]) return call.out(y)
    const kept = (v: t.Tensor) => t.reshape(v, [...x.shape.slice(0, axis), ...x.shape.slice(axis).map(() => 1)])
    const mean = t.mean(rows, -1, true)
    // 1/√(σ² + ε), where σ² may be out of range; without centring the mean of x² is in the place of σ².
    const deviations = centred ? t.sub(rows, mean) : rows
    const { by, rest } = squared(t.norm(t.div(deviations, Math.sqrt(n)), -1, true), eps)
    const inverse = call.out(kept(t.div(t.rsqrt(rest), by)))
    return centred ? [call.out(y), call.out(kept(mean)), inverse] : [call.out(y), inverse]
  }

/** com.microsoft's sums before a norm: the second operand, and the bias, are added first; the last output is the sum. */
const skipNorm =
  (centred: boolean): Compute =>
  call => {
    const bias = centred ? 4 : 3
    const sum = t.add(call.tensor(0), call.tensor(1))
    const whole = call.has(bias) ? t.add(sum, call.tensor(bias)) : sum
    const eps = call.attribute('epsilon', 1e-5)
    const y = centred
      ? t.layerNorm(whole, call.tensor(2), call.optional(3), eps)
      : t.rmsNorm(whole, call.tensor(2), eps)
    return [call.out(y), undefined, undefined, call.out(whole)]
  }

const groupNorm =
  (perChannel: boolean): Compute =>
  call => {
    const [x, scale, bias] = [call.tensor(0), call.tensor(1), call.tensor(2)]
    const groups = call.attribute('num_groups')
    const eps = call.attribute('epsilon', 1e-5)
    if (perChannel) return call.out(t.groupNorm(x, groups, scale, bias, eps))
    // Before version 21 scales and biases were of groups.
    const each = x.shape[1]! / groups
    return call.out(t.groupNorm(x, groups, t.repeat(scale, each), t.repeat(bias, each), eps))
  }

/** x / (bias + α/size · Σ x²)^β, over `size` channels around each. */
const localResponse: Compute = call => {
  const x = call.tensor(0)
  const size = call.attribute('size')
  const [alpha, beta, bias] = [call.attribute('alpha', 1e-4), call.attribute('beta', 0.75), call.attribute('bias', 1)]
  const before = Math.floor((size - 1) / 2)
  if (!(Number.isSafeInteger(size) && size >= 1)) throw new RangeError(`size is an integer of at least 1, got ${size}`)
  affordable([size, ...x.shape])
  const wide = t.pad(x, x.shape.map((_, d): [number, number] => (d === 1 ? [before, size - 1 - before] : [0, 0]))) // biome-ignore format: short
  const near = Array.from({ length: size }, (_, i) => t.narrow(wide, 1, i, x.shape[1]!))
  const norm = t.norm(t.stack(near, 0), 0)
  if (alpha < 0) return call.out(t.mul(x, t.pow(t.affine(t.square(norm), alpha / size, bias), -beta)))
  // x·by^(−2β)·rest^(−β), where x·by^(−β) is in the range if the result is.
  const { by, rest } = squared(t.mul(norm, Math.sqrt(alpha / size)), bias)
  const half = t.pow(by, -beta)
  return call.out(t.mul(t.mul(t.mul(x, half), t.pow(rest, -beta)), half))
}

/** x normalised over any axes, centred first or not. */
function normalised(x: t.Tensor, over: readonly number[], eps: number, centred = true): t.Tensor {
  const axes = over.map(a => (a < 0 ? a + x.rank : a))
  const rest = x.shape.map((_, d) => d).filter(d => !axes.includes(d))
  const order = [...rest, ...axes]
  const turned = t.transpose(x, order)
  const rows = t.reshape(turned, [...rest.map(d => x.shape[d]!), elementsOf(axes.map(d => x.shape[d]!))])
  const y = centred ? t.layerNorm(rows, undefined, undefined, eps) : t.rmsNorm(rows, undefined, eps)
  return t.transpose(t.reshape(y, turned.shape), order.map((_, d) => order.indexOf(d))) // biome-ignore format: short
}

const meanVariance: Compute = call => {
  const x = call.tensor(0)
  const axes = (call.list('axes') ?? [0, 2, 3]).map(a => call.axis(a, x.rank))
  return call.out(normalised(x, axes, 1e-9))
}

/** α A B + β C; of integers cut off towards 0, where α or β make fractions. */
const gemm: Compute = call => {
  if (call.values.every(v => !isFlow(v) && !isFloat(v.type))) {
    const [alpha, beta] = [call.attribute('alpha', 1), call.attribute('beta', 1)]
    const [transA, transB] = [call.attribute('transA', 0) !== 0, call.attribute('transB', 0) !== 0]
    return call.computed(call.values, (a, b, c) => {
      const product = t.mul(t.matmul(a!, b!, transA, transB), alpha)
      return truncate(c === undefined ? product : t.add(product, t.mul(c, beta)))
    })
  }
  const [a, b] = [call.tensor(0), call.tensor(1)]
  const [alpha, beta] = [call.attribute('alpha', 1), call.attribute('beta', 1)]
  const [transA, transB] = [call.attribute('transA', 0) !== 0, call.attribute('transB', 0) !== 0]
  const c = call.optional(2)
  if (alpha === 1 && beta === 1 && !transA && transB && c?.rank === 1 && c.size === b.shape[0]) {
    return call.out(t.linear(a, b, c))
  }
  const product = t.matmul(a, b, transA, transB)
  const scaled = alpha === 1 ? product : t.mul(product, alpha)
  if (c === undefined || beta === 0) return call.out(scaled)
  return call.out(t.add(scaled, beta === 1 ? c : t.mul(c, beta)))
}

const minusZero = (call: Call, v: number, zero: number): Value => {
  if (!call.has(zero)) return call.value(v)
  const x = call.shape(v).length
  return call.computed(
    [call.value(v), call.value(zero)],
    // Zero points of rows are a column beside the matrix.
    (a, z) => t.sub(a, z.rank === 1 && z.size > 1 && v === 0 && x > 1 ? t.expandDims(z, -1) : z),
    'i32',
  )
}

/** Numbers per axis of a quantised tensor: scales and zero points beside it. */
function beside(p: t.Tensor, shape: readonly number[], axis: number, block: number): t.Tensor {
  if (block > 0) {
    const long = t.repeat(p, block, axis)
    return long.shape[axis] === shape[axis] ? long : t.narrow(long, axis, 0, shape[axis]!)
  }
  return p.rank === 0 || p.size === 1
    ? t.reshape(p, [])
    : t.reshape(p, [p.size, ...new Array<number>(shape.length - axis - 1).fill(1)])
}

const dequantize: Compute = call => {
  const shape = call.shape(0)
  const axis = shape.length === 0 ? 0 : call.axis(call.attribute('axis', 1), Math.max(shape.length, 2))
  const block = call.attribute('block_size', 0)
  const at = (p: t.Tensor) => beside(p, shape, axis, block)
  const less = (x: t.Tensor, zero?: t.Tensor) => (zero === undefined ? x : t.sub(x, at(zero)))
  // Differences of 8 and 16 bits are exact in the run's dtype. Those of 32 bits are made in f64 and rounded once.
  const short = ['i8', 'u8', 'i16', 'u16'].includes(call.type(0))
  const operands = call.has(2) ? [call.value(0), call.value(2)] : [call.value(0)]
  const x = short
    ? less(call.tensor(0), call.optional(2))
    : call.tensorOf(call.computed(operands, (v, zero) => less(v!, zero), 'f64'))
  return call.out(t.mul(x, at(call.tensor(1))), call.type(1))
}

const quantize: Compute = call => {
  const shape = call.shape(0)
  const axis = shape.length === 0 ? 0 : call.axis(call.attribute('axis', 1), Math.max(shape.length, 2))
  const x = call.exact(0)
  const at = (p: t.Tensor) => beside(p.to(x.dtype), shape, axis, call.attribute('block_size', 0))
  const type = call.has(2) ? call.type(2) : 'u8'
  const scaled = t.round(t.div(x, at(call.tensor(1))))
  const shifted = call.has(2) ? t.add(scaled, at(call.tensor(2))) : scaled
  return saturated(type, shape, shifted.dataSync())
}

/** 8 bits from 0 to 255 over the range of x, which is made to hold 0. */
const dynamicQuantize: Compute = call => {
  const x = numbersOf(call.host(0))
  const low = x.reduce((a, b) => Math.min(a, b), 0)
  const high = x.reduce((a, b) => Math.max(a, b), 0)
  const scale = Math.fround(Math.fround(high - low) / 255)
  const zero = saturated('u8', [], [-low / scale])
  const [point] = numbersOf(zero)
  const even = (v: number) => Number(saturated('i32', [], [v]).data[0])
  const y = saturated('u8', call.shape(0), x.map(v => even(Math.fround(v / scale)) + point!)) // biome-ignore format: short
  return [y, call.out(t.tensor(scale, like(call.run))), zero]
}

/** round(product·factor) + zero point. Sums of products are integers of 32 bits, and scaled in f64: f32 would round them. */
const requantized = (call: Call, product: Value, factor: t.Tensor, zero: number): Value => {
  const exact = call.computed([product], x => x, 'f64')
  const sums = isFlow(exact) ? exact.tensor : flowOf(exact, { dtype: 'f64', backend: call.run.backend }).tensor
  const scaled = t.round(t.mul(sums, factor.to(sums.dtype)))
  return saturated(call.type(zero), sums.shape, t.add(scaled, call.tensor(zero).to(sums.dtype)).dataSync())
}

const quantizedMatmul: Compute = call => {
  const column = (p: t.Tensor) => (p.rank === 1 && p.size > 1 ? t.expandDims(p, -1) : p)
  const product = call.computed([minusZero(call, 0, 2), minusZero(call, 3, 5)], (a, b) => t.matmul(a!, b!), 'i32')
  const [left, right, out] = [1, 4, 6].map(i => call.tensor(i).to('f64')) as [t.Tensor, t.Tensor, t.Tensor]
  return requantized(call, product, t.div(t.mul(column(left), right), out), 7)
}

const quantizedConv: Compute = call => {
  const rank = call.shape(0).length
  const each = (p: t.Tensor) =>
    p.size > 1 ? t.reshape(p, [p.size, ...new Array<number>(rank - 1).fill(1)]) : t.reshape(p, [])
  const x = call.computed([call.value(0), call.value(2)], (v, zero) => t.sub(v!, each(zero!)), 'i32')
  const w = call.computed([call.value(3), call.value(5)], (v, zero) => t.sub(v!, each(zero!)), 'i32')
  const at = windowsOf(call, call.shape(0).slice(2), call.shape(3).slice(2))
  const group = call.attribute('group', 1)
  const operands = call.has(8) ? [x, w, call.value(8)] : [x, w]
  const y = call.computed(operands, (v, kernel, bias) => convolved(v!, kernel!, bias, at, group), 'i32')
  const [left, scale, out] = [1, 4, 6].map(i => call.tensor(i).to('f64')) as [t.Tensor, t.Tensor, t.Tensor]
  const perChannel = scale.size > 1 ? across(scale, rank) : t.reshape(scale, [])
  return requantized(call, y, t.div(t.mul(t.reshape(left, []), perChannel), t.reshape(out, [])), 7)
}

/** [b, n, heads·size] as [b, heads, n, size]. */
const heads = (x: t.Tensor, count: number): t.Tensor => {
  const [b, n, width] = x.shape as [number, number, number]
  return t.transpose(t.reshape(x, [b, n, count, width / count]), [0, 2, 1, 3])
}
const merged = (x: t.Tensor): t.Tensor => {
  const [b, h, n, size] = x.shape as [number, number, number, number]
  return t.reshape(t.transpose(x, [0, 2, 1, 3]), [b, n, h * size])
}

/** Opset 23: queries, keys and values [b, heads, n, size], or [b, n, heads·size] with `q_num_heads`. */
const attention: Compute = call => {
  if (call.has(4) || call.has(5)) throw new RangeError('past keys and values are not supported')
  const flat = call.shape(0).length === 3
  const [qHeads, kvHeads] = [call.attribute('q_num_heads', 0), call.attribute('kv_num_heads', 0)]
  const part = (i: number, count: number) => (flat ? heads(call.tensor(i), count) : call.tensor(i))
  const q = part(0, qHeads)
  // Fewer heads of keys and values serve groups of queries.
  const grouped = (x: t.Tensor) => (x.shape[1] === q.shape[1] ? x : t.repeat(x, q.shape[1]! / x.shape[1]!, 1))
  const [k, v] = [grouped(part(1, kvHeads)), grouped(part(2, kvHeads))]
  const scale = call.attribute('scale', 1 / Math.sqrt(q.shape[3]!))
  const cap = call.attribute('softcap', 0)
  const raw = t.mul(t.matmul(q, k, false, true), scale)
  const capped = cap > 0 ? t.mul(t.tanh(t.mul(raw, 1 / cap)), cap) : raw
  const scores = call.attribute('is_causal', 0) !== 0 ? causal(capped) : capped
  const y = attended(call, q, k, v, masked(call, scores, 3), scale, scores === raw && !call.has(3))
  return call.out(flat ? merged(y) : y)
}

/** softmax(scores) V with the pattern as a gate; without masks as the composite that it is. */
function attended(
  call: Call,
  q: t.Tensor,
  k: t.Tensor,
  v: t.Tensor,
  scores: t.Tensor,
  scale: number,
  plain: boolean,
): t.Tensor {
  void call
  if (plain) return t.scaledDotProductAttention(q, k, v, { scale })
  return frozenProduct('matmul', attendedPattern(scores, -1), v)
}

/** A mask of booleans chooses keys; one of numbers is added. */
function masked(call: Call, scores: t.Tensor, i: number): t.Tensor {
  if (!call.has(i)) return scores
  const mask = call.tensor(i)
  return call.type(i) === 'bool' ? t.where(mask, scores, -Infinity) : t.add(scores, mask)
}

function causal(scores: t.Tensor): t.Tensor {
  const [m, n] = scores.shape.slice(-2) as [number, number]
  const mask = t.tril(t.ones([m, n], like(scores)))
  return t.where(mask, scores, -Infinity)
}

/** com.microsoft: x W + b are the queries, keys and values of all heads. */
const packedAttention: Compute = call => {
  if (call.has(4)) throw new RangeError('past keys and values are not supported')
  const x = call.tensor(0)
  const count = call.attribute('num_heads')
  const product = t.matmul(x, call.tensor(1))
  const all = call.has(2) ? t.add(product, call.tensor(2)) : product
  const width = all.shape[2]!
  const sizes = call.list('qkv_hidden_sizes') ?? [width / 3, width / 3, width / 3]
  const [q, k, v] = t.split(all, sizes, 2).map(part => heads(part, count)) as [t.Tensor, t.Tensor, t.Tensor]
  const scale = call.attribute('scale', 0) || 1 / Math.sqrt(q.shape[3]!)
  const raw = t.mul(t.matmul(q, k, false, true), scale)
  const bias = call.has(5) ? t.add(raw, call.tensor(5)) : raw
  const directed = call.attribute('unidirectional', 0) !== 0 ? causal(bias) : bias
  // A mask of keys [b, n] of 0 and 1.
  const keys = call.has(3) ? call.tensor(3) : undefined
  if (keys !== undefined && keys.rank !== 2)
    throw new RangeError(`a mask of shape [${keys.shape}]; expected [batch, keys]`)
  const scores = keys === undefined ? directed : t.where(t.expandDims(t.expandDims(keys, 1), 1), directed, -10000)
  return call.out(merged(attended(call, q, k, v, scores, scale, scores === raw)))
}

/** com.microsoft: queries, keys and values [b, n, heads·size]. */
const multiHeadAttention: Compute = call => {
  if (call.has(6) || call.has(7) || !call.has(1) || !call.has(2)) {
    throw new RangeError('packed or past keys and values are not supported')
  }
  const count = call.attribute('num_heads')
  const biases = call.has(3) ? t.split(call.tensor(3), 3, 0) : undefined
  const part = (i: number) => heads(biases ? t.add(call.tensor(i), biases[i]!) : call.tensor(i), count)
  const [q, k, v] = [part(0), part(1), part(2)]
  const scale = call.attribute('scale', 0) || 1 / Math.sqrt(q.shape[3]!)
  if (call.has(4)) throw new RangeError('a mask of keys is not supported')
  const raw = t.mul(t.matmul(q, k, false, true), scale)
  const bias = call.has(5) ? t.add(raw, call.tensor(5)) : raw
  const scores = call.attribute('unidirectional', 0) !== 0 ? causal(bias) : bias
  return call.out(merged(attended(call, q, k, v, scores, scale, scores === raw)))
}

/** Pairs of numbers turned by angles whose cosines and sines are in tables, by position. */
function rotated(x: t.Tensor, cos: t.Tensor, sin: t.Tensor, interleaved: boolean): t.Tensor {
  const half = cos.shape.at(-1)!
  const size = x.shape.at(-1)!
  const turned = t.narrow(x, -1, 0, 2 * half)
  const even = (first: number) => t.pick(turned, Array.from({ length: half }, (_, i) => 2 * i + first), -1) // biome-ignore format: short
  const [a, b] = interleaved ? [even(0), even(1)] : [t.narrow(turned, -1, 0, half), t.narrow(turned, -1, half, half)]
  const real = t.sub(t.mul(a, cos), t.mul(b, sin))
  const imaginary = t.add(t.mul(a, sin), t.mul(b, cos))
  const y = interleaved ? t.reshape(t.stack([real, imaginary], -1), turned.shape) : t.concat([real, imaginary], -1)
  return size === 2 * half ? y : t.concat([y, t.narrow(x, -1, 2 * half, size - 2 * half)], -1)
}

/** [b, heads, n, size], or [b, n, heads·size] with `num_heads`. */
const rotary =
  (x: number, cos: number, sin: number, positions: number): Compute =>
  call => {
    const flat = call.shape(x).length === 3
    const whole = call.tensor(x)
    const size = call.attribute('rotary_embedding_dim', 0)
    const table = (i: number) => {
      const all = call.tensor(i)
      return size > 0 ? t.narrow(all, -1, 0, Math.min(all.shape.at(-1)!, size / 2)) : all
    }
    const half = call.shape(cos).at(-1)!
    const count = flat ? call.attribute('num_heads', 0) || whole.shape[2]! / (2 * half) : 0
    const split = flat ? heads(whole, count) : whole
    const [batch, n] = [split.shape[0]!, split.shape[2]!]
    const at = (i: number) => {
      if (!call.has(positions)) return t.expandDims(table(i), 1)
      const ids = call.numbers(positions)
      // One number is the first position of every example.
      const all = ids.length === 1 ? Array.from({ length: batch * n }, (_, j) => ids[0]! + (j % n)) : ids
      const rows = t.gather(table(i), t.tensor(Int32Array.from(all), { backend: call.run.backend }), 0)
      return t.reshape(rows, [batch, 1, n, rows.shape[1]!])
    }
    const y = rotated(split, at(cos), at(sin), call.attribute('interleaved', 0) !== 0)
    return call.out(flat ? merged(y) : y, call.type(x))
  }

/** Losses: classes on axis 1. */
function negativeLogLikelihood(call: Call, logs: t.Tensor): t.Tensor {
  const [batch, classes, ...rest] = logs.shape as [number, number, ...number[]]
  const labels = call.numbers(1)
  const ignored = call.node.attributes.ignore_index === undefined ? undefined : call.attribute('ignore_index')
  const inner = elementsOf(rest)
  const counted = labels.map(l => (l === ignored ? 0 : 1))
  const at = labels.map((l, i) => {
    if (counted[i] === 0) return Math.floor(i / inner) * classes * inner + (i % inner)
    if (!(l >= 0 && l < classes)) throw new RangeError(`label ${l} is none of ${classes} classes`)
    return (Math.floor(i / inner) * classes + l) * inner + (i % inner)
  })
  const shape = [batch, ...rest]
  const weights = call.has(2) ? call.numbers(2) : undefined
  const w = labels.map((l, i) => (counted[i] === 0 ? 0 : (weights?.[l] ?? 1)))
  const weight = t.tensor(Float64Array.from(w), { shape, ...like(logs) })
  const losses = t.mul(t.neg(t.reshape(t.pick(t.reshape(logs, [logs.size]), at, 0), shape)), weight)
  const how = call.choice('reduction', 'mean', { none: 'none', mean: 'mean', sum: 'sum' })
  if (how === 'none') return losses
  return how === 'sum' ? t.sum(losses) : t.div(t.sum(losses), t.sum(weight))
}

const crossEntropy: Compute = call => {
  const logs = t.logSoftmax(call.tensor(0), 1)
  return [call.out(negativeLogLikelihood(call, logs)), call.out(logs)]
}

/** A product of two values that both come from the input, of which the pass over the graph names the one that is frozen. */
const product =
  (kind: 'mul' | 'matmul'): Compute =>
  call => {
    const factor = call.attribute('frozen') as 0 | 1
    return call.computed([call.value(0), call.value(1)], (a, b) => frozenProduct(kind, a!, b!, factor))
  }

const matmul: Compute = call => call.computed([call.value(0), call.value(1)], (a, b) => t.matmul(a, b))

export const layers: Rows = {
  BatchNormalization: batchNorm,
  InstanceNormalization: call =>
    call.out(t.instanceNorm(call.tensor(0), call.tensor(1), call.tensor(2), call.attribute('epsilon', 1e-5))),
  GroupNormalization: { 18: groupNorm(false), 21: groupNorm(true) },
  LayerNormalization: layerNorm(true),
  RMSNormalization: layerNorm(false),
  SimplifiedLayerNormalization: layerNorm(false),
  LRN: localResponse,
  MeanVarianceNormalization: meanVariance,
  LpNormalization: call => {
    const axis = call.attribute('axis', -1)
    const given = call.tensor(0)
    // The norm of the largest numbers may overflow.
    const x = given.size === 0 ? given : t.div(given, rangeOf(given, axis))
    const norm = t.norm(x, axis, true, call.attribute('p', 2))
    // Zeros stay zeros.
    return call.out(t.div(x, t.where(t.equal(norm, 0), 1, norm)))
  },
  Gemm: gemm,
  MatMul: matmul,
  MatMulInteger: call => call.computed([minusZero(call, 0, 2), minusZero(call, 1, 3)], (a, b) => t.matmul(a, b), 'i32'),
  Einsum: call => call.computed(call.values, (...xs) => t.einsum(call.text('equation', ''), ...xs)),
  Attention: attention,
  RotaryEmbedding: rotary(0, 1, 2, 3),
  DequantizeLinear: dequantize,
  QuantizeLinear: quantize,
  DynamicQuantizeLinear: dynamicQuantize,
  QLinearMatMul: quantizedMatmul,
  QLinearConv: quantizedConv,
  NegativeLogLikelihoodLoss: call => call.out(negativeLogLikelihood(call, call.tensor(0))),
  SoftmaxCrossEntropyLoss: crossEntropy,
}

/** Operators of onnxruntime's own vocabulary, com.microsoft. */
export const microsoft: Rows = {
  Attention: packedAttention,
  MultiHeadAttention: multiHeadAttention,
  RotaryEmbedding: rotary(0, 2, 3, 1),
  SkipLayerNormalization: skipNorm(true),
  SkipSimplifiedLayerNormalization: skipNorm(false),
  LayerNormalization: layerNorm(true),
  SimplifiedLayerNormalization: layerNorm(false),
  Gelu: call => call.out(t.gelu(call.tensor(0))),
  FastGelu: call => call.out(t.geluTanh(call.has(1) ? t.add(call.tensor(0), call.tensor(1)) : call.tensor(0))),
  BiasGelu: call => call.out(t.gelu(t.add(call.tensor(0), call.tensor(1)))),
  QuickGelu: call => {
    return call.out(swish(call.tensor(0), call.attribute('alpha', 1.702)))
  },
  FusedMatMul: call => {
    const [alpha, a, b] = [call.attribute('alpha', 1), call.attribute('transA', 0), call.attribute('transB', 0)]
    const y = t.matmul(call.tensor(0), call.tensor(1), a !== 0, b !== 0)
    return call.out(alpha === 1 ? y : t.mul(y, alpha))
  },
  DequantizeLinear: dequantize,
  QuantizeLinear: quantize,
}

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-15 * Math.abs(b)

/** outer·x·(1 + erf(inner·x)), which is GELU for ½ and 1/√2; files have these rounded. */
const spelledGelu: Compute = call => {
  const [x, inner, outer] = [call.tensor(0), call.attribute('inner'), call.attribute('outer')]
  const k = inner * Math.SQRT2
  const by = (v: t.Tensor, factor: number) => (near(factor, 1) ? v : t.mul(v, factor))
  return call.out(by(t.gelu(by(x, k)), (2 * outer) / k))
}

/** outer·x·(1 + tanh(inner·(x + cubic·x³))), the gate of which is all but x. */
const spelledGeluTanh: Compute = call => {
  const x = call.tensor(0)
  const [inner, outer, cubic] = [call.attribute('inner'), call.attribute('outer'), call.attribute('cubic')]
  if (near(inner, Math.sqrt(2 / Math.PI)) && near(cubic, 0.044715) && outer === 0.5) return call.out(t.geluTanh(x))
  const argument = t.mul(t.add(x, t.mul(t.pow(x, 3), cubic)), inner)
  return call.out(frozenProduct('mul', x, t.mul(t.add(t.tanh(argument), 1), outer), 1))
}

/** The operators that the pass over a graph writes in place of products, attention patterns and composites spelled out. */
export const own: Rows = {
  Mul: product('mul'),
  MatMul: product('matmul'),
  Linear: call => call.computed(call.values, (x, w, bias) => t.linear(x!, w!, bias)),
  LayerNorm: call => call.out(normalised(call.tensor(0), call.list('axes') ?? [-1], call.attribute('epsilon'))),
  RMSNorm: call => call.out(normalised(call.tensor(0), call.list('axes') ?? [-1], call.attribute('epsilon'), false)),
  Expm1: call => call.out(t.expm1(call.tensor(0))),
  Log1p: call => call.out(t.log1p(call.tensor(0))),
  Gelu: spelledGelu,
  GeluTanh: spelledGeluTanh,
  // Integers carry no paths.
  Frozen: call => {
    const x = call.value(0)
    return isFlow(x) && x.tensor.level > 0 ? call.out(frozen(x.tensor)) : x
  },
  Softmax: call => call.out(attendedPattern(call.tensor(0), call.attribute('axis', -1))),
  Branch: call => call.out(t.branch(call.tensor(0), call.attribute('scale'))),
}
