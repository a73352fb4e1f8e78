import { grad, js, jvp, sum, type Tensor, tensor, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { hosted, isFlow } from '../call.js'
import { Evaluator } from '../evaluate.js'
import type { Graph, HostArray } from '../graph.js'
import { hostOf, isFloat } from '../host.js'
import { bytes, int, modelOf, type NodeSpec } from '../oracles/onnx.js'
import { readGraph } from '../read.js'

// Numbers that f32, or an intermediate result, does not hold: exact integers, magnitudes near the ends of the range, derivatives.
// Expected values are from mpmath, NumPy or JavaScript's own integers.

type Inputs = Readonly<Record<string, HostArray>>
interface How {
  readonly attributes?: NodeSpec['attributes']
  readonly opset?: number
  readonly domain?: string
  readonly outputs?: number
}

const microsoft = bytes(8, [...bytes(1, 'com.microsoft'), ...int(2, 1)])

function graphOf(op: string, inputs: Inputs, { attributes = {}, opset = 21, domain = '', outputs = 1 }: How): Graph {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`)
  const kept = Object.entries(inputs).filter(([name]) => !name.startsWith('_'))
  const reads = Object.keys(inputs).map(n => (n.startsWith('_') ? '' : n))
  const spec = {
    nodes: [{ op, domain, inputs: reads, outputs: names, attributes }],
    inputs: kept.map(([name, { type, shape }]) => ({ name, type, shape })),
    outputs: names.map(name => ({ name })),
  }
  return readGraph(modelOf(spec, opset, microsoft))
}

const given = (inputs: Inputs): Inputs =>
  Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith('_')))

/** The outputs of one node in a dtype, which both backends give alike. */
function run(op: string, dtype: 'f32' | 'f64', inputs: Inputs, how: How = {}): HostArray[] {
  const graph = graphOf(op, inputs, how)
  const names = graph.outputs.map(o => o.name)
  const [a, b] = [js(), wasm()].map(backend => {
    const found = new Evaluator(graph, { backend, dtype }).run(given(inputs), names)
    return names.map(name => hosted(found[name]!))
  })
  b!.forEach((y, i) => same(y, [...y.data].map((_, j) => Number(a![i]!.data[j])), dtype)) // biome-ignore format: short
  return a!
}

/** Says that an array has these numbers: integers exactly. */
function same({ type, data }: HostArray, expected: readonly number[], dtype: 'f32' | 'f64'): void {
  const found = Array.from(data as ArrayLike<number>, Number)
  if (!isFloat(type)) return expect(found).toEqual(expected)
  expect(found.length).toBe(expected.length)
  found.forEach((v, i) => near(v, expected[i]!, dtype)) // biome-ignore format: short
}

/** Says that two numbers are 4 roundings apart at most. */
function near(found: number, expected: number, dtype: 'f32' | 'f64'): void {
  if (!Number.isFinite(expected) || expected === 0) return expect(found).toBe(expected)
  expect(Math.abs(found / expected - 1), `${found} for ${expected}`).toBeLessThanOrEqual(dtype === 'f32' ? 5e-7 : 1e-15)
}

function gives(
  op: string,
  dtype: 'f32' | 'f64',
  inputs: Inputs,
  expected: readonly (readonly number[])[],
  how: How = {},
): void {
  const found = run(op, dtype, inputs, { outputs: expected.length, ...how })
  found.forEach((y, i) => same(y, expected[i]!, dtype)) // biome-ignore format: short
}

/** The derivatives of the sum of an output by its first input, in reverse and forward mode on both backends. */
function slopes(op: string, dtype: 'f32' | 'f64', inputs: Inputs, expected: readonly number[], how: How = {}): void {
  const [first, ...rest] = Object.entries(given(inputs))
  const graph = graphOf(op, inputs, how)
  for (const backend of [js(), wasm()]) {
    const f = (x: Tensor) => {
      const values = { ...Object.fromEntries(rest), [first![0]]: x }
      const y = new Evaluator(graph, { backend, dtype }).run(values, ['y0']).y0!
      if (!isFlow(y)) throw new Error('the output is in memory')
      return y.tensor
    }
    const [, { shape, data }] = first!
    const x = tensor(Float64Array.from(data as Float64Array), { shape, dtype, backend })
    const reverse = grad((v: Tensor) => sum(f(v)))(x).dataSync()
    reverse.forEach((v, i) => near(v, expected[i]!, dtype)) // biome-ignore format: short
    // Along each element.
    expected.forEach((slope, i) => {
      const direction = tensor(Float64Array.from(data, (_: unknown, j: number) => (i === j ? 1 : 0)), { shape, dtype, backend }) // biome-ignore format: short
      near(jvp((v: Tensor) => sum(f(v)), x, direction)[1].item(), slope, dtype)
    })
  }
}

const i32 = (values: readonly number[], shape: readonly number[] = [values.length]) => hostOf('i32', shape, values)
const f64 = (values: readonly number[], shape: readonly number[] = [values.length]) => hostOf('f64', shape, values)
const dtypes = ['f32', 'f64'] as const

describe.each(dtypes)('integers of 32 bits are exact in a run in %s', dtype => {
  const big = 2 ** 24

  it('TopK, ArgMax, ArgMin', () => {
    const k = hostOf('i64', [1], [2])
    const x = i32([big, big + 1, big + 3])
    gives('TopK', dtype, { x, k }, [[big + 3, big + 1], [2, 1]]) // biome-ignore format: short
    gives('TopK', dtype, { x, k }, [[big, big + 1], [0, 1]], { attributes: { largest: 0 } }) // biome-ignore format: short
    gives('ArgMax', dtype, { x: i32([big, big + 1]) }, [[1]])
    gives('ArgMin', dtype, { x: i32([big + 1, big]) }, [[1]])
    gives('ArgMax', dtype, { x: i32([big + 1, big]) }, [[0]], { attributes: { select_last_index: 1 } })
  })

  it('Gemm, with fractions cut off', () => {
    const a = i32([4097], [1, 1])
    gives('Gemm', dtype, { a, b: a }, [[4097 ** 2]])
    const one = i32([1], [1, 1])
    gives('Gemm', dtype, { a: one, b: one, c: i32([big], [1]) }, [[big + 1]])
    gives('Gemm', dtype, { a: one, b: one, c: i32([big], [1]) }, [[big + 1]], { attributes: { transB: 1 } })
    // ½·(−(2²⁴ + 1)) + 2·3 = −8388602.5
    const how = { attributes: { alpha: { f: 0.5 }, beta: { f: 2 } } }
    gives('Gemm', dtype, { a: i32([-big - 1], [1, 1]), b: one, c: i32([3]) }, [[-8388602]], how)
  })

  it('DequantizeLinear rounds the difference once', () => {
    const scale = hostOf('f32', [], [1])
    gives('DequantizeLinear', dtype, { x: i32([big + 1]), scale, zero: i32([big], []) }, [[1]])
    // 2³¹ − 1 − (−2³¹ + 1) = 4294967294; without a zero point the number itself.
    const ends = { x: i32([2 ** 31 - 1]), scale, zero: i32([1 - 2 ** 31], []) }
    gives('DequantizeLinear', dtype, ends, [[4294967294]])
    gives('DequantizeLinear', dtype, ends, [[4294967294]], { domain: 'com.microsoft' })
    gives('DequantizeLinear', 'f64', { x: i32([big + 1]), scale }, [[big + 1]])
  })

  it('QuantizeLinear rounds the quotient', () => {
    // (2²⁵ + 1)/2²⁶ is above ½.
    const [scale, zero] = [hostOf('f32', [], [2 ** 26]), hostOf('u8', [], [0])]
    gives('QuantizeLinear', dtype, { x: i32([2 * big + 1]), scale, zero }, [[1]])
  })

  it('quantised products sum beyond 2^24', () => {
    const [one, zero] = [hostOf('f32', [], [1]), hostOf('u8', [], [0])]
    // 258·255·255 + 255·3 + 2·1 = 2²⁴ + 1, which 2²⁵ divides to a number above ½.
    const full = new Array<number>(258).fill(255)
    const left = hostOf('u8', [1, 260], [...full, 255, 2])
    const right = hostOf('u8', [260, 1], [...full, 3, 1])
    const matmul = {
      a: left,
      sa: one,
      za: zero,
      b: right,
      sb: one,
      zb: zero,
      sy: hostOf('f32', [], [2 ** 25]),
      zy: zero,
    }
    gives('QLinearMatMul', dtype, matmul, [[1]])
    // The bias takes all but 5 of the sum away.
    const x = hostOf('u8', [1, 1, 259], new Array<number>(259).fill(255))
    const conv = { x, sx: one, zx: zero, w: x, sw: one, zw: zero, sy: one, zy: zero, bias: i32([5 - 259 * 255 ** 2]) }
    gives('QLinearConv', dtype, conv, [[5]])
  })

  it('PRelu, and Pow with an exponent that is real', () => {
    gives('PRelu', dtype, { x: i32([big + 1, -big - 1]), slope: i32([1]) }, [[big + 1, -big - 1]])
    gives('Pow', dtype, { x: i32([big + 1, 4097]), y: hostOf('f32', [2], [1, 2]) }, [[big + 1, 4097 ** 2]])
    gives('Pow', dtype, { x: i32([big + 1]), y: hostOf('f32', [], [1]) }, [[big + 1]])
    gives('Pow', dtype, { x: hostOf('f32', [2], [-1, -1]), y: i32([big + 1, big]) }, [[-1, 1]])
  })
})

// Values of mpmath, at the doubles and floats that are given.
describe.each([
  ['f64', 1e200],
  ['f32', 1e30],
] as const)('magnitudes whose squares %s does not hold', (dtype, big) => {
  it('Asinh and Acosh, and their derivatives', () => {
    const log = big === 1e200 ? 461.2101657793691 : 69.77069997038132
    const x = f64([big, -big, Infinity, -Infinity, 1e-10, -1e-10, 3, -3, 0.5, 0])
    const small = [1e-10, -1e-10, 1.8184464592320668, -1.8184464592320668, 0.4812118250596034, 0]
    gives('Asinh', dtype, { x }, [[log, -log, Infinity, -Infinity, ...small]])
    const slope = [1 / big, 1 / big, 1, 1, 0.316227766016838, 0.316227766016838, 0.894427190999916, 1]
    slopes('Asinh', dtype, { x: f64([big, -big, 1e-10, -1e-10, 3, -3, 0.5, 0]) }, slope)
    gives('Acosh', dtype, { x: f64([big, Infinity, 3, 1e10, 1]) }, [[log, Infinity, 1.7627471740390861, 23.7189981105004, 0]]) // biome-ignore format: short
    slopes('Acosh', dtype, { x: f64([big, 3, 1e10]) }, [1 / big, 0.353553390593274, 1e-10])
    gives('Atanh', dtype, { x: f64([1, -1, 0, 1e-10]) }, [[Infinity, -Infinity, 0, 1e-10]])
    slopes('Atanh', dtype, { x: f64([0, 0.5]) }, [1, 4 / 3])
  })

  it('LpPool, LRN and the third output of LayerNormalization', () => {
    const window = (a: number, b: number) => f64([a, b], [1, 1, 2])
    const how = { attributes: { kernel_shape: [2], p: 2 } }
    gives('LpPool', dtype, { x: window(3 * big, 4 * big) }, [[5 * big]], how)
    gives('LpPool', dtype, { x: window(3 / big, 4 / big) }, [[5 / big]], how)
    slopes('LpPool', dtype, { x: window(3 * big, 4 * big) }, [0.6, 0.8], how)
    slopes('LpPool', dtype, { x: window(0, 0) }, [0, 0], how)
    // x·(1 + 1e-4·x²)^(−¾)
    const one = f64([big], [1, 1, 1])
    gives('LRN', dtype, { x: one }, [[big === 1e200 ? 1e-97 : 1e-12]], { attributes: { size: 1 } })
    // x·(x²)^(−½) is the sign, however small x is.
    const free = { attributes: { size: 1, alpha: { f: 1 }, beta: { f: 0.5 }, bias: { f: 0 } } }
    gives('LRN', dtype, { x: f64([big, -big, 1 / big], [1, 1, 3]) }, [[1, -1, 1]], free)
    // σ of a ± b is b.
    const rows = { rows: f64([big, 3 * big], [1, 2]), scale: f64([1, 1]) }
    gives('LayerNormalization', dtype, rows, [[-1, 1], [2 * big], [1 / big]])
    const [, , flat] = run('LayerNormalization', dtype, { rows: f64([2, 2], [1, 2]), scale: f64([1, 1]) }, { outputs: 3, attributes: { epsilon: { f: 0.25 } } }) // biome-ignore format: short
    same(flat!, [2], dtype)
  })

  it('Mean of the largest numbers', () => {
    const most = dtype === 'f32' ? 2 ** 127 * (2 - 2 ** -23) : Number.MAX_VALUE
    gives('Mean', dtype, { a: f64([most, most, Infinity]), b: f64([most, -most, 1]) }, [[most, 0, Infinity]])
    gives('Mean', dtype, { a: f64([most]), b: f64([most]), c: f64([most]) }, [[most]])
    slopes('Mean', dtype, { a: f64([most, 1]), b: f64([most, 1]) }, [0.5, 0.5])
  })
})

describe.each(dtypes)('definitions at the ends of their domains in %s', dtype => {
  it('Mod of real numbers is exact', () => {
    const x = [1, 1e20, 5, -3, 7.5, -7.5, 7.5, -7.5, 1]
    const y = [0.1, 3, Infinity, Infinity, 2, 2, -2, -2, 0]
    const fround = (v: number) => (dtype === 'f32' ? Math.fround(v) : v)
    const c = x.map((v, i) => fround(v) % fround(y[i]!)) // biome-ignore format: short
    if (dtype === 'f64') expect(c.slice(0, 3)).toEqual([0.09999999999999995, 1, 5])
    const inputs = { x: f64(x), y: f64(y) }
    gives('Mod', dtype, inputs, [c], { attributes: { fmod: 1 } })
    // NumPy's mod: the sign of the divisor.
    const python = [...c.slice(0, 3), Infinity, 1.5, 0.5, -0.5, -1.5, Number.NaN]
    gives('Mod', dtype, inputs, [python])
    const near = { x: f64([7.5, -7.5, 5]), y: f64([2, 2, Infinity]) }
    slopes('Mod', dtype, near, [1, 1, 1], { attributes: { fmod: 1 } })
    // ∂(x − y·q)/∂y = −q: −3, and 3 or 4.
    const swapped = (of: number) => ({ y: f64([2]), x: f64([of]) })
    const graph = (of: number, fmod: number) => {
      const spec = { op: 'Mod', inputs: ['x', 'y'], outputs: ['y0'], attributes: { fmod } }
      const reals = ['y', 'x'].map(name => ({ name, type: 'f64' as const, shape: [1] }))
      return [swapped(of), readGraph(modelOf({ nodes: [spec], inputs: reals, outputs: [{ name: 'y0' }] }))] as const
    }
    for (const [of, fmod, expected] of [
      [7.5, 1, -3],
      [-7.5, 1, 3],
      [-7.5, 0, 4],
    ] as const) {
      const [given, g] = graph(of, fmod)
      const f = (y: Tensor) => sum((new Evaluator(g, { backend: js(), dtype }).run({ ...given, y }, ['y0']).y0 as { tensor: Tensor }).tensor) // biome-ignore format: short
      expect(grad(f)(tensor([2], { dtype, backend: js() })).item()).toBe(expected)
    }
  })

  it('Swish with a slope of 0, of nearly 0, and at infinity', () => {
    const zero = { opset: 24, attributes: { alpha: { f: 0 } } }
    gives('Swish', dtype, { x: f64([2, -3]) }, [[1, -1.5]], zero)
    slopes('Swish', dtype, { x: f64([2, -3]) }, [0.5, 0.5], zero)
    gives('Swish', dtype, { x: f64([2]) }, [[1]], { opset: 24, attributes: { alpha: { f: 1e-44 } } })
    // 2·σ(3)
    const how = { opset: 24, attributes: { alpha: { f: 1.5 } } }
    gives('Swish', dtype, { x: f64([2, -Infinity, Infinity]) }, [[1.905148253644866, 0, Infinity]], how)
    gives('QuickGelu', dtype, { x: f64([2]) }, [[1]], { domain: 'com.microsoft', attributes: { alpha: { f: 0 } } })
  })

  it('LpNormalization leaves zeros', () => {
    for (const p of [1, 2]) {
      gives('LpNormalization', dtype, { x: f64([0, 0], [1, 2]) }, [[0, 0]], { attributes: { p } })
      slopes('LpNormalization', dtype, { x: f64([0, 0], [1, 2]) }, [1, 1], { attributes: { p } })
    }
    gives('LpNormalization', dtype, { x: f64([3, 4, 0, 0], [2, 2]) }, [[0.6, 0.8, 0, 0]])
  })

  it('LpPool of several axes, with pads, strides and dilations', () => {
    const x = f64([1, 2, 3, 4, 5, 6], [1, 1, 2, 3])
    const attributes = { kernel_shape: [2, 2], strides: [1, 2], pads: [0, 1, 0, 0], p: 2 }
    gives('LpPool', dtype, { x }, [[Math.sqrt(17), Math.sqrt(74)]], { attributes })
    const dilated = { kernel_shape: [1, 2], dilations: [1, 2], p: 3 }
    gives('LpPool', dtype, { x }, [[28 ** (1 / 3), (64 + 216) ** (1 / 3)]], { attributes: dilated })
    // The second window of a row, which ceil_mode adds, has one element.
    const open = { kernel_shape: [1, 2], strides: [1, 2], ceil_mode: 1, p: 2 }
    gives('LpPool', dtype, { x }, [[Math.sqrt(5), 3, Math.sqrt(41), 6]], { attributes: open })
    gives('LpPool', dtype, { x: f64([3, 4, 12], [1, 1, 1, 1, 3]) }, [[13]], { attributes: { kernel_shape: [1, 1, 3] } })
  })
})

describe.each(dtypes)('integers in a run in %s', dtype => {
  const reduced = (op: string, values: readonly number[], expected: number, opset = 21) =>
    gives(op, dtype, { x: i32(values) }, [[expected]], { opset })

  it('ReduceMean and its like cut fractions off', () => {
    reduced('ReduceMean', [1, 2], 1)
    reduced('ReduceMean', [-1, -2], -1)
    reduced('ReduceMean', [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1], 2 ** 31 - 1)
    reduced('ReduceMean', [7, 7, 7, 7, 7, 7, 7], 7)
    // √13 = 3.6, log 8 = 2.1, log(e³ + e⁴) = 4.3
    reduced('ReduceL2', [2, 3], 3)
    reduced('ReduceLogSum', [3, 5], 2)
    reduced('ReduceLogSumExp', [3, 4], 4)
    gives('ReduceMean', dtype, { x: f64([1, 2]) }, [[1.5]])
  })

  it('powers and shifts wrap, however large the exponent is', () => {
    // 3^2000000000 mod 2³² by Python's pow(3, 2000000000, 2**32), and 3^5 = 243 in 8 bits.
    gives('Pow', dtype, { x: i32([3, -1, 2, -2]), y: i32([2000000000, 2000000001, 40, 31]) }, [[632360961, -1, 0, -(2 ** 31)]]) // biome-ignore format: short
    gives('Pow', dtype, { x: hostOf('i8', [2], [3, 2]), y: i32([5, 7]) }, [[-13, -128]])
    gives('Pow', dtype, { x: i32([-1, 1, 2]), y: i32([-(2 ** 31), -7, -1]) }, [[1, 1, 0]])
    const long = run('Pow', dtype, { x: hostOf('i64', [1], [3n]), y: hostOf('i64', [1], [2n ** 62n + 1n]) })
    expect(long[0]!.data[0]).toBe(3n)
    const by = hostOf('u64', [3], [2n ** 63n, 64n, 1n])
    const bits = { x: hostOf('u64', [3], [5n, 5n, 5n]), by }
    gives('BitShift', dtype, bits, [[0, 0, 10]], { attributes: { direction: 'LEFT' } })
    gives('BitShift', dtype, bits, [[0, 0, 2]], { attributes: { direction: 'RIGHT' } })
    const bytes = { x: hostOf('u8', [2], [255, 255]), by: hostOf('u8', [2], [7, 200]) }
    gives('BitShift', dtype, bytes, [[128, 0]], { attributes: { direction: 'LEFT' } })
  })
})
