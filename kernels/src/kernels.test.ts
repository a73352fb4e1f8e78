import fc, { type Arbitrary } from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import {
  type Backend,
  type Buffer,
  type Conv2dGeometry,
  contract,
  type DType,
  type KernelName,
  MAP_GRAD_OPS,
  type Pool2dGeometry,
  REDUCE_OPS,
  SERIES_OPS,
  type Strides,
  ZIP_OPS,
} from './contract.js'
import { js } from './js/index.js'
import { definitions } from './oracles/definitions.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'
import { Heap } from './wasm/memory.js'

// Every kernel of the table, on every backend, against its definition, over random shapes: sizes 0 and 1, sizes beside the
// tiles', long and thin, views that begin anywhere.

const backends: [string, Backend][] = [
  ['js', js()],
  ['wasm, plain', createBackend(load('plain'))],
  ['wasm, relaxed', createBackend(load('relaxed'))],
]

const EPS: Record<DType, number> = { f32: 2 ** -23, f64: 2 ** -52, i32: 0 }

/** An argument: numbers to read, numbers to read as indices, room to write, room for indices, or itself. */
type Argument =
  | { readonly read: readonly number[] }
  | { readonly ids: readonly number[] }
  | { readonly write: number; readonly as?: 'i32'; readonly before?: number }
  | { readonly is: unknown }

/**
 * One call of a kernel. `error`: `exact`; or how many roundings of the accumulator, at the scale of the sum of the
 * absolute values of its terms (`sums`), at the scale of the largest result (`scale`), or of the largest number that is read
 * or written (`steps`), for a parameter and its step may cancel, may go by.
 */
interface Call {
  readonly args: readonly Argument[]
  readonly error: 'exact' | { readonly sums: number } | { readonly scale: number } | { readonly steps: number }
}

const is = (value: unknown): Argument => ({ is: value })
const size = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }) }, fc.integer({ min: 0, max: 40 }))
const small = fc.integer({ min: 1, max: 4 })
const orders = fc.integer({ min: 1, max: 12 })
const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const value = fc.integer({ min: -64, max: 64 }).map(i => i / 32)
const numbers = (n: number, of = value) => fc.array(of, { minLength: n, maxLength: n })
const read = (n: number, of = value): Arbitrary<Argument> => numbers(n, of).map(read => ({ read }))
const ids = (n: number, below: number): Arbitrary<Argument> =>
  fc.array(fc.integer({ min: 0, max: Math.max(0, below - 1) }), { minLength: n, maxLength: n }).map(ids => ({ ids }))
const write = (n: number): Argument => ({ write: n })

/** A call, from arguments that are drawn and arguments that are given. */
const call = (error: Call['error'], ...args: (Arbitrary<Argument> | Argument)[]): Arbitrary<Call> =>
  fc.tuple(...args.map(a => ('generate' in a ? a : fc.constant(a)))).map(args => ({ args, error }))

const contiguous = (shape: readonly number[]): number[] => shape.map((_, d) => product(shape.slice(d + 1)))
const shape = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 4 })
/** Strides of an operand that is broadcast along some axes of the shape; its size. */
const broadcast = (shape: readonly number[]) =>
  fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }).map(stretched => {
    const own = shape.map((n, d) => (stretched[d] ? 1 : n))
    const strides = contiguous(own).map((s, d) => (own[d] === 1 ? 0 : s))
    return { strides, count: product(own) }
  })

const conv = (draw: (g: Conv2dGeometry, terms: number) => Arbitrary<Call>): Arbitrary<Call> =>
  fc
    .record({
      groups: fc.integer({ min: 1, max: 2 }),
      inPer: fc.integer({ min: 0, max: 4 }),
      outPer: fc.integer({ min: 0, max: 9 }),
      batch: fc.integer({ min: 0, max: 3 }),
      height: fc.integer({ min: 3, max: 9 }),
      width: fc.integer({ min: 3, max: 9 }),
      kernelH: fc.integer({ min: 1, max: 3 }),
      kernelW: fc.integer({ min: 1, max: 3 }),
      strideH: fc.integer({ min: 1, max: 3 }),
      strideW: fc.integer({ min: 1, max: 3 }),
      padH: fc.integer({ min: 0, max: 2 }),
      padW: fc.integer({ min: 0, max: 2 }),
      dilationH: fc.integer({ min: 1, max: 2 }),
      dilationW: fc.integer({ min: 1, max: 2 }),
      // Windows beyond the padding of the other side, or fewer than it has room for.
      more: fc.integer({ min: -1, max: 2 }),
    })
    .map(({ inPer, outPer, more, ...g }) => {
      const out = (n: number, pad: number, dilation: number, k: number, stride: number) =>
        Math.floor((n + 2 * pad - dilation * (k - 1) - 1) / stride) + 1 + more
      return {
        ...g,
        inChannels: g.groups * inPer,
        outChannels: g.groups * outPer,
        outH: out(g.height, g.padH, g.dilationH, g.kernelH, g.strideH),
        outW: out(g.width, g.padW, g.dilationW, g.kernelW, g.strideW),
      }
    })
    .filter(g => g.outH > 0 && g.outW > 0)
    .chain(g => draw(g, 1000))

const pool = (draw: (g: Pool2dGeometry) => Arbitrary<Call>): Arbitrary<Call> =>
  fc
    .record({
      planes: fc.integer({ min: 0, max: 4 }),
      height: fc.integer({ min: 2, max: 8 }),
      width: fc.integer({ min: 2, max: 8 }),
      kernelH: fc.integer({ min: 1, max: 3 }),
      kernelW: fc.integer({ min: 1, max: 3 }),
      strideH: small,
      strideW: small,
    })
    .chain(g =>
      fc
        .record({
          padH: fc.integer({ min: 0, max: g.kernelH >> 1 }),
          padW: fc.integer({ min: 0, max: g.kernelW >> 1 }),
        })
        .map(p => ({ ...g, ...p })),
    )
    .map(g => ({
      ...g,
      outH: Math.floor((g.height + 2 * g.padH - g.kernelH) / g.strideH) + 1,
      outW: Math.floor((g.width + 2 * g.padW - g.kernelW) / g.strideW) + 1,
    }))
    .filter(g => g.outH > 0 && g.outW > 0)
    .chain(draw)

const image = (g: Conv2dGeometry) => g.batch * g.inChannels * g.height * g.width
const weights = (g: Conv2dGeometry) => (g.outChannels * g.inChannels * g.kernelH * g.kernelW) / g.groups
const result = (g: Conv2dGeometry) => g.batch * g.outChannels * g.outH * g.outW

const positive = fc.integer({ min: 8, max: 64 }).map(i => i / 32)
/** A series: a leading coefficient, and smaller ones after it; possibly fewer than are asked for. */
const stack = (orders: number, n: number, first = value): Arbitrary<Argument> =>
  fc.integer({ min: 1, max: orders }).chain(stored =>
    fc
      .tuple(
        numbers(n, first),
        numbers(
          (stored - 1) * n,
          value.map(v => v / 8),
        ),
      )
      .map(([head, tail]) => ({ read: [...head, ...tail] })),
  )
const channels = (f: (b: number, c: number, n: number) => Arbitrary<Call>) =>
  fc.tuple(small, size, size).chain(([b, c, n]) => f(b, c, n))
const rowsOf = (f: (rows: number, n: number) => Arbitrary<Call>) =>
  fc.tuple(size, fc.integer({ min: 1, max: 40 })).chain(([r, n]) => f(r, n))

/** Rows of a softmax, or of a function of it; in every other row one probability is above ½. */
const probabilities = (rows: number, n: number, as = (p: number) => p): Arbitrary<Argument> =>
  numbers(rows * n, positive).map(drawn => ({
    read: drawn.map((_, i) => {
      const from = i - (i % n)
      const weight = (j: number) => (((from / n) & 1) === 1 && j === from + ((from / n) % n) ? 4 * n : drawn[j]!)
      let total = 0
      for (let j = from; j < from + n; j++) total += weight(j)
      return as(weight(i) / total)
    }),
  }))

const calls: Record<Exclude<KernelName, 'map' | 'cast' | 'random'>, Arbitrary<Call>> = {
  fill: size.chain(n => call('exact', is(3), write(n))),
  copy: shape.chain(shape =>
    fc
      .tuple(
        broadcast(shape),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.nat()),
        fc.boolean(),
      )
      .chain(([x, from, to, keys, reversed]) => {
        // Strides of a permutation of the axes, and backwards along the first of them.
        const order = shape.map((_, d) => d).sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0))
        const sorted = contiguous(order.map(d => shape[d]!))
        const strides: number[] = []
        order.forEach((d, i) => (strides[d] = sorted[i]!))
        let start = to
        if (reversed && shape.length > 0 && product(shape) > 0) {
          start += strides[0]! * (shape[0]! - 1)
          strides[0] = -strides[0]!
        }
        const room = product(shape) + to + 2
        return call(
          'exact',
          is(shape),
          read(x.count + from),
          is(from),
          is(x.strides),
          { write: room, before: 7 },
          is(start),
          is(strides),
        )
      }),
  ),
  affine: size.chain(n => call({ scale: 2 }, read(n), is(0.75), is(-0.5), write(n))),
  power: size.chain(n => call({ scale: 4 }, read(n, positive), is(1.5), write(n))),
  zip: fc.tuple(fc.constantFrom(...ZIP_OPS), shape).chain(([op, shape]) =>
    fc.tuple(broadcast(shape), broadcast(shape)).chain(([a, b]) => {
      const of = op === 'pow' || op === 'div' ? positive : value
      return call(
        { scale: 2 },
        is(op),
        is(shape),
        read(a.count, of),
        is(a.strides),
        read(b.count, of),
        is(b.strides),
        write(product(shape)),
      )
    }),
  ),
  where: shape.chain(shape =>
    fc
      .tuple(broadcast(shape), broadcast(shape), broadcast(shape))
      .chain(([c, a, b]) =>
        call(
          'exact',
          is(shape),
          read(c.count, fc.integer({ min: 0, max: 1 })),
          is(c.strides),
          read(a.count),
          is(a.strides),
          read(b.count),
          is(b.strides),
          write(product(shape)),
        ),
      ),
  ),
  reduce: fc
    .tuple(
      fc.constantFrom(...REDUCE_OPS),
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 }),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    )
    .chain(([op, shape, chosen]) => {
      const axes = shape.map((_, d) => d).filter(d => chosen[d])
      const out = product(shape.filter((_, d) => !chosen[d]))
      return call(
        op === 'max' || op === 'min' ? 'exact' : { sums: 1 + product(shape) },
        is(op),
        is(shape),
        is(axes),
        read(product(shape)),
        write(out),
      )
    }),
  argmax: fc
    .tuple(size, fc.integer({ min: 1, max: 9 }), size)
    .chain(([outer, n, inner]) =>
      call('exact', is(outer), is(n), is(inner), read(outer * n * inner), { write: outer * inner, as: 'i32' }),
    ),
  argsort: fc
    .tuple(size, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 3 }), fc.boolean())
    .chain(([outer, n, inner, descending]) => {
      const count = outer * n * inner
      // Few values, so that many are equal.
      const x = read(count, fc.integer({ min: -3, max: 3 }))
      return call('exact', is(outer), is(n), is(inner), is(descending), x, { write: count, as: 'i32' })
    }),
  matmul: fc
    .record({
      batch: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
      m: size,
      k: size,
      n: size,
      transA: fc.boolean(),
      transB: fc.boolean(),
    })
    .chain(({ batch, m, k, n, transA, transB }) =>
      fc.tuple(broadcast(batch), broadcast(batch)).chain(([a, b]) => {
        const times = (strides: Strides, by: number) => strides.map(s => s * by)
        return call(
          { sums: k + 2 },
          is(batch),
          is(m),
          is(k),
          is(n),
          read(a.count * m * k),
          is(times(a.strides, m * k)),
          is(transA),
          read(b.count * k * n),
          is(times(b.strides, k * n)),
          is(transB),
          write(product(batch) * m * n),
        )
      }),
    ),
  linear: fc
    .record({
      m: size,
      k: size,
      n: size,
      transA: fc.boolean(),
      transB: fc.boolean(),
      bias: fc.boolean(),
      phi: fc.constantFrom(null, 'relu', 'sigmoid', 'tanh'),
      add: fc.boolean(),
    })
    .chain(({ m, k, n, transA, transB, bias, phi, add }) =>
      call(
        // Slopes are at most 1, and the functions' own errors a few units of values up to 1.
        phi === null ? { sums: k + 6 } : { scale: 4 * (k + 12) },
        ...[is(m), is(k), is(n), read(m * k), is(transA), read(k * n), is(transB)],
        ...[bias ? read(n) : is(null), is(phi), is(0.5), add ? read(m * n) : is(null), write(m * n)],
      ),
    ),
  axpy: size.chain(n => call({ sums: 4 }, read(n), is(0.75), read(n), write(n))),
  mapGrad: fc
    .tuple(fc.constantFrom(...MAP_GRAD_OPS), small, size)
    // gelu′ and its relatives are sums that cancel left of 0: at the scale of their terms, which is their value at |x|.
    .chain(([op, lead, n]) => call({ sums: 8 }, is(op), read(n), read(lead * n), write(lead * n))),
  sgd: fc.tuple(size, fc.boolean()).chain(([n, nesterov]) => {
    const settings = { rate: 0.125, momentum: 0.75, nesterov, weightDecay: 0.25 }
    return call({ steps: 16 }, is(settings), read(n), read(n), read(n), write(n), write(n))
  }),
  adamw: size.chain(n => {
    const settings = { beta1: 0.75, beta2: 0.875, eps: 0.01, rate: 0.25, correction: 1.5, shrink: 0.875 }
    return call(
      { steps: 16 },
      is(settings),
      ...[read(n), read(n), read(n), read(n, positive)],
      write(n),
      write(n),
      write(n),
    )
  }),
  conv2d: conv((g, terms) => call({ sums: terms }, is(g), read(image(g)), read(weights(g)), write(result(g)))),
  conv2dInputGrad: conv((g, terms) => call({ sums: terms }, is(g), read(result(g)), read(weights(g)), write(image(g)))),
  conv2dWeightGrad: conv((g, terms) =>
    call({ sums: terms }, is(g), read(image(g)), read(result(g)), write(weights(g))),
  ),
  maxPool2dIndices: pool(g =>
    call('exact', is(g), read(g.planes * g.height * g.width), { write: g.planes * g.outH * g.outW, as: 'i32' }),
  ),
  avgPool2d: pool(g =>
    call({ sums: 12 }, is(g), read(g.planes * g.height * g.width), write(g.planes * g.outH * g.outW)),
  ),
  avgPool2dGrad: pool(g =>
    call({ sums: 16 }, is(g), read(g.planes * g.outH * g.outW), write(g.planes * g.height * g.width)),
  ),
  softmax: rowsOf((r, n) => call({ scale: n + 8 }, is(r), is(n), read(r * n), write(r * n))),
  logSoftmax: rowsOf((r, n) => call({ scale: n + 8 }, is(r), is(n), read(r * n), write(r * n))),
  softmaxGrad: rowsOf((r, n) =>
    call({ steps: n + 8 }, is(2), is(r), is(n), probabilities(r, n), read(2 * r * n), write(2 * r * n)),
  ),
  logSoftmaxGrad: rowsOf((r, n) =>
    call({ scale: 8 * n + 8 }, is(2), is(r), is(n), probabilities(r, n, Math.log), read(2 * r * n), write(2 * r * n)),
  ),
  // At the scale of logarithms and weights, the least of which, log(1 + e⁻⁴) and e⁻⁴/(1 + e⁻⁴), are above 1/64.
  crossEntropy: rowsOf((r, n) => call({ scale: 64 * n }, is(r), is(n), read(r * n), ids(r, n), write(r))),
  crossEntropyGrad: rowsOf((r, n) =>
    call({ scale: 64 * n }, is(2), is(r), is(n), read(r * n), ids(r, n), read(2 * r), write(2 * r * n)),
  ),
  // eps is not small, so that rows of one value do not divide rounding errors by almost nothing.
  layerNorm: rowsOf((r, n) =>
    call({ scale: 8 * n + 32 }, is(r), is(n), is(0.1), read(r * n), read(n, positive), read(n), write(r * n)),
  ),
  layerNormGrad: rowsOf((r, n) =>
    call(
      { scale: 64 * (n + r) + 64 },
      is(r),
      is(n),
      is(0.1),
      read(r * n),
      read(n, positive),
      read(r * n),
      write(r * n),
      write(n),
      write(n),
    ),
  ),
  rmsNorm: rowsOf((r, n) =>
    call({ scale: 8 * n + 32 }, is(r), is(n), is(0.1), read(r * n), read(n, positive), write(r * n)),
  ),
  rmsNormGrad: rowsOf((r, n) =>
    call(
      { scale: 64 * (n + r) + 64 },
      is(r),
      is(n),
      is(0.1),
      read(r * n),
      read(n, positive),
      read(r * n),
      write(r * n),
      write(n),
    ),
  ),
  batchMoments: channels((b, c, n) =>
    call({ scale: 8 * b * n + 32 }, is(b), is(c), is(n), read(b * c * n), write(c), write(c)),
  ),
  batchNorm: channels((b, c, n) =>
    fc
      .tuple(fc.constantFrom(null, 'relu', 'sigmoid', 'tanh'), fc.boolean())
      .chain(([phi, add]) =>
        call(
          { scale: 64 },
          ...[is(b), is(c), is(n), is(0.1), read(b * c * n), read(c), read(c, positive), read(c), read(c)],
          ...[is(phi), is(0.5), add ? read(b * c * n) : is(null), write(b * c * n)],
        ),
      ),
  ),
  batchNormGrad: channels((b, c, n) =>
    call(
      { scale: 64 * b * n + 64 },
      ...[is(b), is(c), is(n), is(0.1), read(b * c * n), read(c), read(c, positive), read(c), read(b * c * n)],
      ...[write(b * c * n), write(c), write(c)],
    ),
  ),
  gather: fc
    .tuple(small, small, size, size)
    .chain(([outer, axis, count, inner]) =>
      call(
        'exact',
        is(outer),
        is(axis),
        is(inner),
        ids(count, axis),
        read(outer * axis * inner),
        write(outer * count * inner),
      ),
    ),
  scatterAdd: fc
    .tuple(small, small, size, size)
    .chain(([outer, axis, count, inner]) =>
      call(
        { sums: count + 2 },
        is(outer),
        is(axis),
        is(inner),
        ids(count, axis),
        read(outer * count * inner),
        write(outer * axis * inner),
      ),
    ),
  cauchy: fc
    .tuple(orders, size)
    .chain(([k, n]) => call({ sums: k + 2 }, is(k), is(n), stack(k, n), stack(k, n), write(k * n))),
  correlate: fc
    .tuple(orders, size)
    .chain(([k, n]) => call({ sums: k + 2 }, is(k), is(n), stack(k, n), stack(k, n), write(k * n))),
  series: fc.tuple(fc.constantFrom(...SERIES_OPS), orders, size).chain(([op, k, n]) => {
    const leading = ['log', 'log1p', 'reciprocal', 'sqrt', 'rsqrt'].includes(op) ? positive.map(v => v + 0.5) : value
    return call({ scale: 64 * k + 64 }, is(op), is(k), is(n), stack(k, n, leading), write(k * n))
  }),
  seriesPower: fc.tuple(orders, size).chain(([k, n]) =>
    call(
      { scale: 64 * k + 64 },
      is(1.5),
      is(k),
      is(n),
      stack(
        k,
        n,
        positive.map(v => v + 0.5),
      ),
      write(k * n),
    ),
  ),
  seriesSinCos: fc
    .tuple(orders, size)
    .chain(([k, n]) => call({ scale: 64 * k + 64 }, is(k), is(n), stack(k, n), write(k * n), write(k * n))),
  seriesDiv: fc.tuple(orders, size).chain(([k, n]) =>
    call(
      { scale: 64 * k + 64 },
      is(k),
      is(n),
      stack(k, n),
      stack(
        k,
        n,
        positive.map(v => v + 0.5),
      ),
      write(k * n),
    ),
  ),
  seriesSoftmax: fc
    .tuple(orders, small, fc.integer({ min: 1, max: 9 }))
    .chain(([k, r, n]) => call({ scale: 64 * k + 64 }, is(k), is(r), is(n), stack(k, r * n), write(k * r * n))),
}

type Run = (...args: unknown[]) => void

/** Results of the definition, for the numbers themselves and for their absolute values. */
function defined(name: KernelName, { args }: Call, dtype: DType, absolute: boolean): number[][] {
  const round = (x: readonly number[]) =>
    x.map(v => (dtype === 'f32' ? Math.fround(v) : dtype === 'i32' ? Math.trunc(v) : v))
  const outputs: number[][] = []
  const given = args.map(a => {
    if ('read' in a) return absolute ? round(a.read).map(Math.abs) : round(a.read)
    if ('ids' in a) return a.ids
    if ('is' in a) return a.is
    const out = new Array<number>(a.write).fill(a.before ?? Number.NaN)
    outputs.push(out)
    return out
  })
  ;(definitions as unknown as Record<string, Run>)[name]!(...given)
  // The identities of max and min, in i32.
  if (dtype === 'i32') return outputs.map(out => out.map(v => Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), v))))
  return outputs
}

/** Leaves sevens in the memory that working memory is taken from next. */
function soil(backend: Backend): void {
  const used = [20, 200, 2000, 20_000].map(length => backend.alloc('f64', length))
  for (const buffer of used) {
    backend.kernels.fill(7, buffer)
    backend.release(buffer)
  }
}

/** Results of the backend. Every buffer is a view that begins off the start of its memory. */
function computed(backend: Backend, name: KernelName, { args }: Call, dtype: DType): number[][] {
  const owners: Buffer[] = []
  const outputs: Buffer[] = []
  soil(backend)
  const buffer = (as: DType, data: readonly number[], offset: number) => {
    const owner = backend.alloc(as, data.length + offset)
    owners.push(owner)
    const all = [...new Array<number>(offset).fill(0), ...data]
    backend.write(
      owner,
      as === 'f32' ? Float32Array.from(all) : as === 'f64' ? Float64Array.from(all) : Int32Array.from(all),
    )
    return backend.view(owner, offset, data.length)
  }
  const given = args.map((a, i) => {
    if ('read' in a) return buffer(dtype, a.read, i % 3)
    if ('ids' in a) return buffer('i32', a.ids, i % 3)
    if ('is' in a) return a.is
    const out = buffer(a.as ?? dtype, new Array<number>(a.write).fill(a.before ?? 7), i % 3)
    outputs.push(out)
    return out
  })
  try {
    ;(backend.kernels as unknown as Record<string, Run>)[name]!(...given)
    return outputs.map(out => [...backend.readSync!(out)])
  } finally {
    for (const owner of owners) backend.release(owner)
  }
}

describe.each(backends)('on %s', (_, backend) => {
  const table = Object.entries(calls).flatMap(([name, arbitrary]) =>
    contract[name as KernelName].dtypes.map(dtype => [name as keyof typeof calls, dtype, arbitrary] as const),
  )
  it.each(table)('%s %s is its definition', (name, dtype, arbitrary) => {
    const before = backend.memory().buffers
    const accumulator = backend.name === 'js' ? 2 ** -52 : EPS[dtype]
    fc.assert(
      fc.property(arbitrary, one => {
        // In i32, quotients and powers of the drawn fractions say nothing, and there are no means.
        const unfit = ['div', 'pow', 'mean', 'meanSquare']
        if (dtype === 'i32' && one.args.some(a => 'is' in a && unfit.includes(a.is as string))) return
        if (dtype === 'i32' && name === 'affine') return
        const expected = defined(name, one, dtype, false)
        const bound = one.error !== 'exact' && 'sums' in one.error ? defined(name, one, dtype, true) : expected
        const actual = computed(backend, name, one, dtype)
        const largestRead = Math.max(0, ...one.args.flatMap(a => ('read' in a ? a.read.map(Math.abs) : [])))
        expected.forEach((values, o) => {
          const scale = Math.max(0, ...values.map(Math.abs))
          values.forEach((x, i) => {
            const y = actual[o]![i]!
            if (Object.is(x, y) || x === y || (Number.isNaN(x) && Number.isNaN(y))) return
            let allowed = 0
            if (one.error !== 'exact') {
              const at =
                'sums' in one.error
                  ? one.error.sums * Math.abs(bound[o]![i]!)
                  : 'steps' in one.error
                    ? one.error.steps * Math.max(scale, largestRead)
                    : one.error.scale * scale
              // Products of subnormals may vanish, and fractions of i32 are cut.
              allowed = EPS[dtype] * Math.abs(x) + accumulator * at + 2 ** -140
            }
            if (!(Math.abs(x - y) <= allowed)) expect.fail(`output ${o}[${i}] is ${y}, by definition ${x} ± ${allowed}`)
          })
        })
      }),
      { numRuns: 80 },
    )
    expect(backend.memory().buffers).toBe(before)
    expect([...backend.fallbacks()]).toEqual([])
  })
})

// Every allocation that a kernel makes is refused once, the first, the second, … until the kernel needs no more.
describe('a kernel whose working memory is refused', () => {
  const module = load('relaxed')
  const { scratchBytes } = module.exports
  let small = false
  // No working memory but what is allocated, however small the call.
  const exports = { ...module.exports, scratchBytes: () => (small ? 0 : scratchBytes()) }
  const backend = createBackend({ ...module, exports })
  let left = Number.POSITIVE_INFINITY
  const alloc = Heap.prototype.alloc
  const run = (name: KernelName, one: Call, dtype: DType, allowed: number) => {
    const refuse = vi.spyOn(Heap.prototype, 'alloc').mockImplementation(function (this: Heap, ...args) {
      if (left-- === 0) throw new RangeError('Out of WebAssembly memory: refused')
      return alloc.apply(this, args)
    })
    const kernel = (...args: unknown[]) => {
      left = allowed
      try {
        return (backend.kernels as unknown as Record<string, Run>)[name]!(...args)
      } finally {
        left = Number.POSITIVE_INFINITY
      }
    }
    small = true
    try {
      const watched = new Proxy(backend as Backend, {
        get(of, key) {
          if (key === 'kernels') return { ...backend.kernels, [name]: kernel }
          const value = Reflect.get(of, key, of)
          return typeof value === 'function' ? value.bind(of) : value
        },
      })
      return computed(watched, name, one, dtype)
    } finally {
      small = false
      refuse.mockRestore()
    }
  }
  const table = Object.entries(calls).flatMap(([name, arbitrary]) =>
    contract[name as KernelName].dtypes.map(dtype => [name as keyof typeof calls, dtype, arbitrary] as const),
  )
  let refusals = 0
  it.each(table)('%s %s keeps nothing, and is right the next time', (name, dtype, arbitrary) => {
    for (const one of fc.sample(arbitrary, { numRuns: 5, seed: 1 })) {
      const expected = computed(backend, name, one, dtype)
      const before = backend.memory()
      for (let allowed = 0; ; allowed++) {
        let values: number[][] | undefined
        try {
          values = run(name, one, dtype, allowed)
        } catch (error) {
          expect((error as Error).message).toBe('Out of WebAssembly memory: refused')
        }
        const { bytes, buffers } = backend.memory()
        expect({ bytes, buffers }).toEqual({ bytes: before.bytes, buffers: before.buffers })
        if (values !== undefined) {
          expect(values).toEqual(expected)
          break
        }
        refusals++
      }
    }
  })
  it('there were refusals', () => expect(refusals).toBeGreaterThan(50))
})

/** Where the definition gives NaN or ±Inf, so does every backend, and nowhere else. */
describe.each(backends)('NaN and Inf on %s', (_, backend) => {
  const names = [
    'zip',
    'reduce',
    'argmax',
    'argsort',
    'matmul',
    'where',
    'softmax',
    'logSoftmax',
    'crossEntropy',
    'crossEntropyGrad',
    'layerNorm',
    'rmsNorm',
    'batchMoments',
    'batchNorm',
    'cauchy',
    'maxPool2dIndices',
    'avgPool2d',
  ] as const
  it.each(names)('%s passes NaN and ±Inf on as its definition does', name => {
    const strange = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
    fc.assert(
      fc.property(calls[name], strange, fc.nat(), (one, strange, where) => {
        const reads = one.args.filter(a => 'read' in a && a.read.length > 0) as { read: number[] }[]
        if (reads.length === 0) return
        const { read } = reads[where % reads.length]!
        read[where % read.length] = strange
        const [expected, actual] = [defined(name, one, 'f64', false), computed(backend, name, one, 'f64')]
        const kind = (x: number) => (Number.isFinite(x) ? 'finite' : x)
        expect(actual.map(out => out.map(kind))).toEqual(expected.map(out => out.map(kind)))
      }),
      { numRuns: 60 },
    )
  })
})
