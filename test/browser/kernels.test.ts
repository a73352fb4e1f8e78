import {
  type Backend,
  type Buffer,
  contract,
  type DType,
  type KernelName,
  MAP_GRAD_OPS,
  MAP_OPS,
  REDUCE_OPS,
  SERIES_OPS,
  ZIP_OPS,
} from '@unravel/kernels'
import { Random } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { device, expectClose, js, modes } from './devices.js'

// Every kernel of the table in f32 on the device, against the js kernel on the same numbers.

type Domain = 'real' | 'positive' | 'mask'
type Argument =
  | { readonly of: readonly number[] }
  | { readonly ids: readonly number[] }
  | { readonly out: number; readonly as?: 'i32' }
  | { readonly is: unknown }
interface Call {
  readonly name: string
  readonly args: readonly Argument[]
  /** Roundings that may go by, at the scale of the largest result. */
  readonly roundings: number
}

const random = new Random(1)
const draw = (n: number, domain: Domain = 'real'): Argument => {
  const u = [...random.uniform([n], -2, 2, { dtype: 'f64', backend: js() }).dataSync()]
  return {
    of: u.map(v => Math.fround(domain === 'positive' ? Math.abs(v) + 0.3 : domain === 'mask' ? Number(v > 0) : v)),
  }
}
const ids = (n: number, below: number): Argument => ({
  ids: [...random.uniform([n], 0, below, { dtype: 'f64', backend: js() }).dataSync()].map(Math.floor),
})
const out = (n: number, as?: 'i32'): Argument => (as === undefined ? { out: n } : { out: n, as })
const is = (value: unknown): Argument => ({ is: value })
/** `rows` rows of softmax, or of its logarithm; in the first the first probability rounds to 1. */
const probabilities = (rows: number, n: number, log = false): Argument => ({
  of: Array.from({ length: rows }, (_, r) => {
    const x = (draw(n) as { of: number[] }).of
    if (r === 0) x[0] = 25
    const total = x.reduce((sum, v) => sum + Math.exp(v), 0)
    return x.map(v => Math.fround(log ? v - Math.log(total) : Math.exp(v) / total))
  }).flat(),
})
/** A series: coefficients that fall. */
const stack = (p: number, n: number, domain: Domain = 'real'): Argument => {
  const head = (draw(n, domain) as { of: number[] }).of
  const tail = (draw((p - 1) * n) as { of: number[] }).of.map(v => Math.fround(v / 8))
  return { of: [...head, ...tail] }
}

const conv = {
  ...{ batch: 2, inChannels: 4, height: 7, width: 6, outChannels: 6, kernelH: 3, kernelW: 2, strideH: 2, strideW: 1 },
  ...{ padH: 1, padW: 1, dilationH: 1, dilationW: 2, groups: 2, outH: 4, outW: 6 },
}
const image = 2 * 4 * 7 * 6
const result = 2 * 6 * 4 * 6
const weights = 6 * 2 * 3 * 2
/** Sizes m, k, n of products: one element a thread; two by two, with a row and a column left over. */
const products = [
  [5, 17, 4],
  [33, 40, 35],
] as const
const pool = {
  ...{
    planes: 3,
    height: 7,
    width: 6,
    kernelH: 3,
    kernelW: 2,
    strideH: 2,
    strideW: 2,
    padH: 1,
    padW: 1,
    outH: 4,
    outW: 4,
  },
}
const sgd = { rate: 0.125, momentum: 0.75, weightDecay: 0.25 }
const adamw = { beta1: 0.75, beta2: 0.875, eps: 0.01, rate: 0.25, correction: 1.5, shrink: 0.875 }
const positiveStart = (op: string) => (['log', 'reciprocal', 'sqrt', 'rsqrt'].includes(op) ? 'positive' : 'real')

/** Kernels that stay on the processor; batch norm is made of others on the device. */
const offDevice = ['cast', 'argsort', 'random', 'batchMoments', 'batchNorm', 'batchNormGrad'] as const
type OffDevice = (typeof offDevice)[number]

const calls: Record<Exclude<KernelName, OffDevice>, (() => Omit<Call, 'name'>)[]> = {
  fill: [() => ({ args: [is(3.25), out(100)], roundings: 0 })],
  copy: [
    // Transpose, a row backwards into a larger buffer, a broadcast.
    () => ({ args: [is([5, 7]), draw(35), is(0), is([1, 5]), out(35), is(0), is([7, 1])], roundings: 0 }),
    () => ({ args: [is([4, 3]), draw(14), is(1), is([3, 1]), out(30), is(8), is([6, -2])], roundings: 0 }),
    () => ({ args: [is([3, 2, 4]), draw(8), is(0), is([0, 4, 1]), out(24), is(0), is([8, 4, 1])], roundings: 0 }),
    () => ({ args: [is([]), draw(3), is(2), is([]), out(5), is(4), is([])], roundings: 0 }),
  ],
  map: MAP_OPS.map(op => () => ({
    args: [
      is(op),
      draw(97, ['log', 'log1p', 'rsqrt', 'sqrt', 'reciprocal'].includes(op) ? 'positive' : 'real'),
      out(97),
    ],
    roundings: 16,
  })),
  affine: [() => ({ args: [draw(33), is(0.75), is(-0.5), out(33)], roundings: 2 })],
  axpy: [() => ({ args: [draw(33), is(0.75), draw(33), out(33)], roundings: 2 })],
  power: [
    () => ({ args: [draw(33, 'positive'), is(1.5), out(33)], roundings: 32 }),
    () => ({ args: [draw(33), is(3), out(33)], roundings: 32 }),
    () => ({ args: [draw(33), is(0.5), out(33)], roundings: 32 }),
  ],
  zip: ZIP_OPS.flatMap(op => {
    const domain = op === 'div' || op === 'pow' ? 'positive' : 'real'
    return [
      () => ({
        args: [is(op), is([4, 9]), draw(36, domain), is([9, 1]), draw(36, domain), is([9, 1]), out(36)],
        roundings: 32,
      }),
      () => ({
        args: [is(op), is([3, 4, 5]), draw(15, domain), is([5, 0, 1]), draw(4, domain), is([0, 1, 0]), out(60)],
        roundings: 32,
      }),
    ]
  }),
  where: [
    () => ({
      args: [is([4, 6]), draw(6, 'mask'), is([0, 1]), draw(24), is([6, 1]), draw(4), is([1, 0]), out(24)],
      roundings: 0,
    }),
  ],
  reduce: REDUCE_OPS.flatMap(op => [
    () => ({ args: [is(op), is([6, 11]), is([1]), draw(66), out(6)], roundings: 16 }),
    () => ({ args: [is(op), is([3, 7, 4]), is([1]), draw(84), out(12)], roundings: 16 }),
    () => ({ args: [is(op), is([2, 3, 4, 5]), is([0, 2]), draw(120), out(15)], roundings: 16 }),
    () => ({ args: [is(op), is([1500]), is([0]), draw(1500), out(1)], roundings: 2000 }),
    () => ({ args: [is(op), is([3, 0]), is([1]), draw(0), out(3)], roundings: 0 }),
  ]),
  argmax: [() => ({ args: [is(3), is(9), is(5), draw(135), out(15, 'i32')], roundings: 0 })],
  matmul: products.flatMap(([m, k, n]) =>
    [false, true].flatMap(transA =>
      [false, true].map(transB => () => ({
        args: [
          ...[is([2, 3]), is(m), is(k), is(n), draw(3 * m * k), is([0, m * k]), is(transA)],
          ...[draw(2 * k * n), is([k * n, 0]), is(transB), out(6 * m * n)],
        ],
        roundings: 2 * k,
      })),
    ),
  ),
  linear: products.flatMap(([m, k, n]) =>
    [false, true].flatMap(transA =>
      (
        [
          [false, null],
          [true, null],
          [true, 'tanh'],
          [false, 'gelu'],
        ] as const
      ).map(([extra, phi]) => () => ({
        args: [
          ...[is(m), is(k), is(n), draw(m * k), is(transA), draw(k * n), is(!transA)],
          ...[extra ? draw(n) : is(null), is(phi), is(0.5), extra ? draw(m * n) : is(null), out(m * n)],
        ],
        roundings: 2 * k + (phi === null ? 0 : 16),
      })),
    ),
  ),
  mapGrad: MAP_GRAD_OPS.map(op => () => ({ args: [is(op), draw(20), draw(60), out(60)], roundings: 8 })),
  sgd: [false, true].map(nesterov => () => ({
    args: [is({ ...sgd, nesterov }), draw(31), draw(31), draw(31), out(31), out(31)],
    roundings: 8,
  })),
  adamw: [
    () => ({
      args: [is(adamw), draw(31), draw(31), draw(31), draw(31, 'positive'), out(31), out(31), out(31)],
      roundings: 32,
    }),
  ],
  conv2d: [() => ({ args: [is(conv), draw(image), draw(weights), out(result)], roundings: 32 })],
  conv2dInputGrad: [() => ({ args: [is(conv), draw(result), draw(weights), out(image)], roundings: 32 })],
  conv2dWeightGrad: [() => ({ args: [is(conv), draw(image), draw(result), out(weights)], roundings: 128 })],
  maxPool2dIndices: [() => ({ args: [is(pool), draw(126), out(48, 'i32')], roundings: 0 })],
  avgPool2d: [() => ({ args: [is(pool), draw(126), out(48)], roundings: 16 })],
  avgPool2dGrad: [() => ({ args: [is(pool), draw(48), out(126)], roundings: 16 })],
  softmax: [() => ({ args: [is(4), is(13), draw(52), out(52)], roundings: 32 })],
  logSoftmax: [() => ({ args: [is(4), is(13), draw(52), out(52)], roundings: 32 })],
  softmaxGrad: [() => ({ args: [is(2), is(4), is(6), probabilities(4, 6), draw(48), out(48)], roundings: 64 })],
  logSoftmaxGrad: [
    () => ({ args: [is(2), is(4), is(6), probabilities(4, 6, true), draw(48), out(48)], roundings: 64 }),
  ],
  crossEntropy: [() => ({ args: [is(4), is(13), draw(52), ids(4, 13), out(4)], roundings: 32 })],
  crossEntropyGrad: [() => ({ args: [is(2), is(4), is(13), draw(52), ids(4, 13), draw(8), out(104)], roundings: 64 })],
  layerNorm: [() => ({ args: [is(5), is(11), is(0.1), draw(55), draw(11), draw(11), out(55)], roundings: 64 })],
  layerNormGrad: [
    () => ({
      args: [is(5), is(11), is(0.1), draw(55), draw(11), draw(55), out(55), out(11), out(11)],
      roundings: 256,
    }),
  ],
  rmsNorm: [() => ({ args: [is(5), is(11), is(0.1), draw(55), draw(11), out(55)], roundings: 64 })],
  rmsNormGrad: [
    () => ({ args: [is(5), is(11), is(0.1), draw(55), draw(11), draw(55), out(55), out(11)], roundings: 256 }),
  ],
  gather: [() => ({ args: [is(3), is(5), is(4), ids(7, 5), draw(60), out(84)], roundings: 0 })],
  scatterAdd: [() => ({ args: [is(3), is(5), is(4), ids(7, 5), draw(84), out(60)], roundings: 16 })],
  cauchy: [() => ({ args: [is(6), is(9), stack(4, 9), stack(6, 9), out(54)], roundings: 16 })],
  correlate: [() => ({ args: [is(6), is(9), stack(6, 9), stack(3, 9), out(54)], roundings: 16 })],
  series: SERIES_OPS.flatMap(op =>
    [1, 3, 6].map(p => () => ({
      args: [is(op), is(6), is(9), stack(p, 9, positiveStart(op)), out(54)],
      roundings: 256,
    })),
  ),
  seriesPower: [() => ({ args: [is(1.5), is(6), is(9), stack(4, 9, 'positive'), out(54)], roundings: 256 })],
  seriesSinCos: [() => ({ args: [is(6), is(9), stack(4, 9), out(54), out(54)], roundings: 256 })],
  seriesDiv: [() => ({ args: [is(6), is(9), stack(4, 9), stack(3, 9, 'positive'), out(54)], roundings: 256 })],
  seriesSoftmax: [() => ({ args: [is(5), is(3), is(7), stack(4, 21), out(105)], roundings: 256 })],
}

const LONG = 100_000
const tenths = (n: number): Argument => ({ of: new Array<number>(n).fill(Math.fround(0.1)) })
const place = {
  ...{ batch: 1, inChannels: 1, height: 1, width: 1, outChannels: 1, kernelH: 1, kernelW: 1, strideH: 1, strideW: 1 },
  ...{ padH: 0, padW: 0, dilationH: 1, dilationW: 1, groups: 1, outH: 1, outW: 1 },
}
/** A kernel and its arguments, with a sum over `LONG` terms. */
const longSums: Readonly<Record<string, readonly [string, ...Argument[]]>> = {
  'a product': [
    'matmul',
    ...[is([]), is(1), is(LONG), is(1), tenths(LONG), is([]), is(false), tenths(LONG), is([]), is(false), out(1)],
  ],
  'products in tiles': [
    'matmul',
    ...[is([]), is(32), is(LONG), is(32), tenths(32 * LONG), is([]), is(false), tenths(32 * LONG), is([]), is(false)],
    out(1024),
  ],
  'exponentials of a row': ['softmax', is(1), is(LONG), tenths(LONG), out(LONG)],
  'the gradient of softmax': [
    'softmaxGrad',
    ...[is(1), is(1), is(LONG), { of: new Array<number>(LONG).fill(1 / LONG) }],
    { of: Array.from({ length: LONG }, (_, i) => Math.fround(i % 2 === 0 ? 0.1 : 0.3)) },
    out(LONG),
  ],
  'squares of a row': ['rmsNorm', is(1), is(LONG), is(0.1), tenths(LONG), tenths(LONG), out(LONG)],
  'weight gradients of a norm': [
    'rmsNormGrad',
    ...[is(LONG), is(2), is(0.1), tenths(2 * LONG), tenths(2), tenths(2 * LONG), out(2 * LONG), out(2)],
  ],
  'channels of a convolution': ['conv2d', ...[is({ ...place, inChannels: LONG }), tenths(LONG), tenths(LONG), out(1)]],
  'channels of its gradient': [
    'conv2dInputGrad',
    ...[is({ ...place, outChannels: LONG }), tenths(LONG), tenths(LONG), out(1)],
  ],
  ...Object.fromEntries(
    [{ batch: LONG }, { height: LONG, outH: LONG }, { width: LONG, outW: LONG }].map(long => [
      `the gradient of its weights over the ${Object.keys(long)[0]}`,
      ['conv2dWeightGrad', is({ ...place, ...long }), tenths(LONG), tenths(LONG), out(1)] as const,
    ]),
  ),
  'equal indices': [
    'scatterAdd',
    ...[is(1), is(1), is(1), { ids: new Array<number>(LONG).fill(0) }, tenths(LONG), out(1)],
  ],
  'two axes apart': ['reduce', is('sum'), is([LONG / 100, 2, 100, 2]), is([0, 2]), tenths(4 * LONG), out(4)],
  'squares of two axes apart': [
    'reduce',
    ...[is('sumSquares'), is([LONG / 100, 2, 100, 2]), is([0, 2]), tenths(4 * LONG), out(4)],
  ],
  'the series of softmax': ['seriesSoftmax', is(3), is(1), is(LONG), tenths(2 * LONG), out(3 * LONG)],
}

type Run = (...args: unknown[]) => void

/** The results of a call on a backend. With `shift`, every buffer is a view that begins inside of its memory. */
async function computed(
  backend: Backend,
  name: string,
  args: readonly Argument[],
  shift: boolean,
): Promise<number[][]> {
  const owners: Buffer[] = []
  const outputs: Buffer[] = []
  const buffer = (as: DType, data: readonly number[], offset: number) => {
    const owner = backend.alloc(as, data.length + 2 * offset)
    owners.push(owner)
    const all = [...new Array<number>(offset).fill(-7), ...data, ...new Array<number>(offset).fill(-7)]
    backend.write(owner, as === 'f32' ? Float32Array.from(all) : Int32Array.from(all))
    return offset === 0 ? owner : backend.view(owner, offset, data.length)
  }
  const given = args.map((a, i) => {
    const offset = shift ? 1 + (i % 3) : 0
    if ('is' in a) return a.is
    if ('of' in a) return buffer('f32', a.of, offset)
    if ('ids' in a) return buffer('i32', a.ids, offset)
    const made = buffer(a.as ?? 'f32', new Array<number>(a.out).fill(5), offset)
    outputs.push(made)
    return made
  })
  ;(backend.kernels as unknown as Record<string, Run>)[name]!(...given)
  const results = await Promise.all(outputs.map(async o => [...(await backend.read(o))]))
  // The memory beside a view stays.
  if (shift) {
    for (const owner of owners) {
      const all = await backend.read(owner)
      if (all.length > 0) expect([all[0], all[all.length - 1]]).toEqual([-7, -7])
    }
  }
  for (const owner of owners) backend.release(owner)
  return results
}

// The older WebGL too, which the op table leaves out for time's sake.
describe.each([...modes, 'webgl'] as const)('on %s', mode => {
  it('names the class of kernel that ran and its renderer', async () => {
    const backend = await device(mode)
    const info = backend.info()
    const classes = {
      webgl2: 'WebGL2Kernel',
      webgl: 'WebGLKernel',
      webgpu: 'WebGPUKernel',
      headlessgl: 'HeadlessGLKernel',
    }
    expect(info.kernelClass).toBe(classes[mode])
    expect(info.renderer.length).toBeGreaterThan(0)
    console.log(`${info.kernelClass} on ${info.renderer}`)
  })

  it('every kernel has a call', () => {
    const missing = Object.keys(contract).filter(name => !(name in calls))
    expect(missing.sort()).toEqual([...offDevice].sort())
  })

  it.each(Object.keys(calls) as (keyof typeof calls)[])('%s is the js kernel', async name => {
    const backend = await device(mode)
    const before = backend.memory()
    for (const [i, make] of calls[name].entries()) {
      const { args, roundings } = make()
      for (const shift of i === 0 ? [false, true] : [false]) {
        const want = await computed(js(), name, args, shift)
        const got = await computed(backend, name, args, shift)
        want.forEach((values, o) => {
          try {
            expectClose(got[o]!, values, roundings * 2 ** -23)
          } catch (error) {
            const shown = args.map(a => ('is' in a ? JSON.stringify(a.is) : 'buffer')).join(', ')
            throw new Error(`${name}(${shown})${shift ? ' on views' : ''}, output ${o}: ${(error as Error).message}`)
          }
        })
      }
    }
    const { bytes, buffers } = backend.memory()
    expect({ bytes, buffers }).toEqual({ bytes: before.bytes, buffers: before.buffers })
    expect(backend.fallbacks().size).toBe(0)
  })

  // 0.1 is not a sum of few powers of two: roundings of a running sum go one way, and reach 1.4·10⁻⁴ of it.
  it.each(Object.entries(longSums))('sums of %s stay within √n·ε over 100,000 terms', async (_, [name, ...args]) => {
    const backend = await device(mode)
    const [want, got] = await Promise.all([js(), backend].map(where => computed(where, name, args, false)))
    want!.forEach((values, o) => {
      expectClose(got![o]!, values, Math.sqrt(LONG) * 2 ** -23)
    })
  })

  it.each([1e19, 1e30, 1e37])('norms of rows whose squares overflow: %d', async size => {
    const backend = await device(mode)
    const rows = { of: [1, 2, 3, -1, 0, 1, 0.5, 0.25, 2].map((v, i) => Math.fround(i < 6 ? v * size : v)) }
    const [w, gy] = [{ of: [0.5, 2, 1.5] }, draw(9)]
    for (const [name, ...args] of [
      ['layerNorm', is(3), is(3), is(0.1), rows, w, w, out(9)],
      ['rmsNorm', is(3), is(3), is(0.1), rows, w, out(9)],
    ] as [string, ...Argument[]][]) {
      const [want] = await computed(js(), name, args, false)
      const [got] = await computed(backend, name, args, false)
      expectClose(got!, want!, 16 * 2 ** -23)
    }
    for (const [name, ...args] of [
      ['layerNormGrad', is(3), is(3), is(0.1), rows, w, gy, out(9), out(3), out(3)],
      ['rmsNormGrad', is(3), is(3), is(0.1), rows, w, gy, out(9), out(3)],
    ] as [string, ...Argument[]][]) {
      const want = await computed(js(), name, args, false)
      const got = await computed(backend, name, args, false)
      // Gradients of large rows are as small as these are large: each row on its own. Devices flush what is below 2⁻¹²⁶.
      for (const r of [0, 3, 6]) {
        expectClose(got[0]!.slice(r, r + 3), want[0]!.slice(r, r + 3), 64 * 2 ** -23, 2 ** -109)
      }
      for (const o of want.keys()) if (o > 0) expectClose(got[o]!, want[o]!, 64 * 2 ** -23)
    }
  })

  it('layer norm of rows far from 0, of which the mean is rounded', async () => {
    const backend = await device(mode)
    const [equal, close] = [142857.14, 100000.125].map(Math.fround) as [number, number]
    const rows = { of: [equal, equal, equal, close, close + 0.125, close, close + 0.25, close, close] }
    const [w, b] = [{ of: [0.5, 2, 1.5] }, { of: [0.25, -1, 3] }]
    const norm = [is(3), is(3), is(1e-5), rows, w, b, out(9)]
    const [want] = await computed(js(), 'layerNorm', norm, false)
    const [got] = await computed(backend, 'layerNorm', norm, false)
    expect([...want!.slice(0, 3)]).toEqual(b.of)
    expectClose(got!, want!, 16 * 2 ** -23)
    const args = [is(3), is(3), is(1e-5), rows, w, draw(9), out(9), out(3), out(3)]
    const wanted = await computed(js(), 'layerNormGrad', args, false)
    const found = await computed(backend, 'layerNormGrad', args, false)
    for (const o of wanted.keys()) expectClose(found[o]!, wanted[o]!, 64 * 2 ** -23)
  })

  it('a probability that rounds to 1 keeps its derivatives', async () => {
    const backend = await device(mode)
    const logits = { of: [25, 0, -1, 0.5] }
    const y = await computed(js(), 'softmax', [is(1), is(4), logits, out(4)], false)
    const logs = await computed(js(), 'logSoftmax', [is(1), is(4), logits, out(4)], false)
    const first = { of: [1, 0, 0, 0] }
    const line = { of: [...logits.of, 0.5, -0.25, 1, 2] }
    for (const [name, args] of [
      ['softmaxGrad', [is(1), is(1), is(4), { of: y[0]! }, { of: [0.75, -1.25, 2, 0] }, out(4)]],
      ['logSoftmaxGrad', [is(1), is(1), is(4), { of: logs[0]! }, first, out(4)]],
      ['crossEntropyGrad', [is(1), is(1), is(4), logits, { ids: [0] }, { of: [1] }, out(4)]],
      ['seriesSoftmax', [is(3), is(1), is(4), line, out(12)]],
    ] as const) {
      const [want] = await computed(js(), name, args, false)
      const [got] = await computed(backend, name, args, false)
      want!.forEach((value, i) => {
        expect(Math.abs(got![i]! - value), `${name} ${i}`).toBeLessThanOrEqual(2 ** -18 * Math.abs(value))
      })
    }
  })

  it('NaN and ±Inf go through', async () => {
    const backend = await device(mode)
    const strange = [Number.NaN, Infinity, -Infinity, 1, -2, 0]
    const pairs = strange.flatMap(a => strange.map(b => [a, b] as const))
    const a = { of: pairs.map(p => p[0]) }
    const b = { of: pairs.map(p => p[1]) }
    const n = pairs.length
    const check = async (name: string, args: readonly Argument[]) => {
      const [got, want] = [await computed(backend, name, args, false), await computed(js(), name, args, false)]
      const kind = (v: number) => (Number.isFinite(v) ? 'finite' : String(v))
      expect([name, args[0], got[0]!.map(kind)]).toEqual([name, args[0], want[0]!.map(kind)])
    }
    for (const op of ['add', 'mul', 'maximum', 'minimum', 'equal', 'notEqual', 'less', 'greaterEqual', 'through']) {
      await check('zip', [is(op), is([n]), a, is([1]), b, is([1]), out(n)])
    }
    for (const op of ['exp', 'tanh', 'relu', 'sigmoid', 'erf', 'gelu', 'log', 'softplus', 'abs', 'silu']) {
      await check('map', [is(op), { of: strange }, out(6)])
    }
    for (const op of ['sum', 'max', 'min']) await check('reduce', [is(op), is([n / 2, 2]), is([1]), a, out(n / 2)])
    for (const op of ['softmax', 'logSoftmax']) await check(op, [is(n / 4), is(4), b, out(n)])
    const labels = { ids: Array.from({ length: n / 4 }, (_, r) => r % 4) }
    await check('crossEntropy', [is(n / 4), is(4), b, labels, out(n / 4)])
    const ones = { of: new Array<number>(n / 4).fill(1) }
    await check('crossEntropyGrad', [is(1), is(n / 4), is(4), b, labels, ones, out(n)])
    await check('argmax', [is(n / 4), is(4), is(1), b, out(n / 4, 'i32')])
  })

  it('f64 is not native: supports says why, and the policy applies', async () => {
    const backend = await device(mode)
    for (const kernel of Object.keys(contract) as KernelName[]) {
      if ((offDevice as readonly string[]).includes(kernel)) continue
      expect([kernel, backend.supports(kernel, 'f32')]).toEqual([kernel, true])
      expect(backend.supports(kernel, 'f64')).toContain(`no f64 here; the js kernel runs ${kernel} on f64`)
    }
    const x = backend.alloc('f64', 3)
    backend.write(x, Float64Array.of(0, 1, 2))
    expect(() => backend.kernels.map('exp', x, x)).toThrow(/f64/)
    backend.policy = 'fallback'
    try {
      backend.kernels.map('exp', x, x)
      expect([...(await backend.read(x))]).toEqual([1, Math.E, Math.exp(2)])
      expect(backend.fallbacks().get('map f64')).toBe(1)
    } finally {
      backend.policy = 'throw'
      ;(backend.fallbacks() as Map<string, number>).clear()
      backend.release(x)
    }
  })

  it('cast, argsort and random are js kernels that are counted, and say why', async () => {
    const backend = await device(mode)
    expect(backend.supports('cast', 'f32')).toMatch(/outside the device/)
    expect(backend.supports('random', 'f32')).toMatch(/same bits/)
    expect(backend.supports('argsort', 'f32')).toMatch(/depend on the numbers/)
    for (const name of ['batchMoments', 'batchNorm', 'batchNormGrad'] as const) {
      expect(backend.supports(name, 'f32')).toMatch(/other kernels on the device/)
    }
    const run = async (on: Backend) => {
      const [x, y] = [on.alloc('f32', 5), on.alloc('f64', 5)]
      const [z, order] = [on.alloc('i32', 5), on.alloc('i32', 5)]
      on.kernels.random('normal', 7, 3, x)
      on.kernels.affine(x, 4, 0, x)
      on.kernels.cast(x, y)
      on.kernels.cast(x, z)
      on.kernels.argsort(1, 5, 1, true, x, order)
      const numbers = await Promise.all([x, y, z, order].map(b => on.read(b)))
      for (const b of [x, y, z, order]) on.release(b)
      return numbers
    }
    const x = backend.alloc('f32', 1)
    expect(() => backend.kernels.random('uniform', 1, 0, x)).toThrow(/same bits/)
    backend.release(x)
    // Buffers on the device of WebGPU cannot be read at once, and say so.
    if (mode === 'webgpu') return
    backend.policy = 'fallback'
    try {
      expect(await run(backend)).toEqual(await run(js()))
      expect(Object.fromEntries(backend.fallbacks())).toEqual({ 'random f32': 1, 'cast f32': 2, 'argsort f32': 1 })
    } finally {
      backend.policy = 'throw'
      ;(backend.fallbacks() as Map<string, number>).clear()
    }
  })

  it('a released buffer is poisoned, and views have no references', async () => {
    const backend = await device(mode)
    const x = backend.alloc('f32', 4)
    const view = backend.view(x, 1, 2)
    expect(() => backend.release(view)).toThrow(TypeError)
    backend.retain(x)
    backend.release(x)
    backend.kernels.fill(1, view)
    backend.release(x)
    expect(() => backend.kernels.fill(1, x)).toThrow(/released/)
    expect(() => backend.kernels.fill(1, view)).toThrow(/released/)
    expect(() => backend.release(x)).toThrow(/released/)
  })
})
