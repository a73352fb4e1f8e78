import { describe, expect, it } from 'vitest'
import { type Backend, type Buffer, MAP_OPS, type MapOp } from './contract.js'
import { js } from './js/index.js'
import { exact, exactPower, fromNumber, ulps } from './oracles/exact.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'

// Accuracy of the functions of one argument, in units in the last place (ulp) of the exact result.

/** Largest errors in f64, as in the README. */
const BOUND: Record<MapOp, number | ((x: number) => number)> = {
  ...{ abs: 0, neg: 0, relu: 0, sign: 0, step: 0, reciprocal: 0.5, sqrt: 0.5, square: 0.5, rsqrt: 1.5 },
  ...{ exp: 2, expm1: 2, log: 2, log1p: 2, tanh: 2.5, erf: 2, sin: 1, cos: 1, asin: 2.5, acos: 2.5, atan: 1.5 },
  ...{ sigmoid: 3, softplus: 3, silu: 4, normalCdf: 6 },
  // Left of −37.5, gelu is −38 times a subnormal number, and carries 38 times its rounding. The exponent of geluTanh, up to
  // 745, is rounded before exp.
  gelu: x => (x < -37.5 ? 20 : 6),
  geluTanh: x => (x < -10 ? 2000 : 200),
}

/** The same in f32 on wasm; the others, and js, round the f64 result once: half a unit, and what the f64 result misses. */
const BOUND_F32: Partial<Record<MapOp, number>> = { exp: 1, log: 1, tanh: 1.5, sigmoid: 2.5, gelu: 2, rsqrt: 1.5 }

const backends: [string, Backend][] = [
  ['js', js()],
  ['wasm, plain', createBackend(load('plain'))],
  ['wasm, relaxed', createBackend(load('relaxed'))],
]

function map(backend: Backend, op: MapOp, dtype: 'f32' | 'f64', x: readonly number[]): ArrayLike<number> {
  const data = dtype === 'f32' ? Float32Array.from(x) : Float64Array.from(x)
  const [input, output] = [backend.alloc(dtype, x.length), backend.alloc(dtype, x.length)]
  backend.write(input, data)
  backend.kernels.map(op, input, output)
  const result = backend.readSync!(output)
  backend.release(input)
  backend.release(output)
  return result
}

/** Points of every binade, and more of them where the functions turn. */
function points(count: number, leastExponent: number, mostExponent: number): number[] {
  let state = 12345
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return state / 2 ** 32
  }
  const some = Array.from({ length: count }, (_, i) => {
    const span = mostExponent - leastExponent
    const wide = (next() < 0.5 ? -1 : 1) * (1 + next()) * 2 ** (leastExponent + next() * span)
    return i % 2 === 0 ? wide : (next() - 0.5) * 80
  })
  const turns = [0.5, 1, 2, 3.5, 5.9, 6, 6.1, 20, 37, 38, 39, 40, Math.LN2, Math.SQRT2, Math.SQRT1_2]
  return [...some, ...turns.flatMap(x => [x, -x, x * (1 + 2 ** -40), -x * (1 - 2 ** -40)])]
}

/** `count` points from `from` to `to`, at no round places. */
const between = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + ((to - from) * (i + Math.SQRT1_2)) / count)

/** Where arcsine and arccosine are steep, and between. */
const NEAR_ONE = [...[1, 1e-3, 1e-9, 2 ** -53].flatMap(d => [1 - d, d - 1]), ...between(-1, 1, 400)]

const EDGES: Partial<Record<MapOp, readonly number[]>> = {
  acos: NEAR_ONE,
  asin: NEAR_ONE,
  atan: [
    0.125,
    0.375,
    0.625,
    0.875,
    8 / 7,
    1.4124541899189353,
    1.6147580109536648,
    8 / 3,
    8,
    ...between(-1.2, 1.2, 200),
    ...between(1, 3, 200),
  ],
  exp: [709.78, 709.79, 710, -708.4, -709, -744, -745.13, -745.14, -746],
  expm1: [709.78, -37, -40, -745],
  tanh: [-0.20969609598776617, 0.2746, 0.549, 0.55, 0.551, 19.06, 22, ...between(-0.56, 0.56, 200)],
  erf: [0.999, 1.001, 5.8, 5.93],
  normalCdf: [-5.079e-4, -37.5, -38.4, -38.6, 8.2, 8.3, ...between(-0.01, 0.01, 60)],
  geluTanh: [-9.953, -21.027, ...between(-0.1, 0.1, 60), ...between(-21.2, -5, 200)],
  gelu: [0.0289559, -37.5, -38.4, -38.7, ...between(-0.1, 0.1, 60)],
  log: [1 - 2 ** -53, 1 + 2 ** -52, 0.999, 1.001, 2 ** -1022, 2 ** -1074],
}

/** Their values far out are among the limits below; their oracle would take for ever. */
const SATURATING: ReadonlySet<MapOp> = new Set([
  ...(['exp', 'expm1', 'tanh', 'erf', 'normalCdf', 'sigmoid', 'softplus', 'gelu', 'geluTanh', 'silu'] as const),
])

/** φ at the ends, at zero of both signs, and at ±1e300. */
const LIMITS: Record<
  MapOp,
  readonly [minusInf: number, inf: number, minusZero: number, minusHuge: number, huge: number]
> = {
  abs: [Infinity, Infinity, 0, 1e300, 1e300],
  acos: [NaN, NaN, Math.PI / 2, NaN, NaN],
  asin: [NaN, NaN, -0, NaN, NaN],
  atan: [-Math.PI / 2, Math.PI / 2, -0, -Math.PI / 2, Math.PI / 2],
  cos: [NaN, NaN, 1, Math.cos(1e300), Math.cos(1e300)],
  erf: [-1, 1, -0, -1, 1],
  exp: [0, Infinity, 1, 0, Infinity],
  expm1: [-1, Infinity, -0, -1, Infinity],
  gelu: [-0, Infinity, -0, -0, 1e300],
  geluTanh: [-0, Infinity, -0, -0, 1e300],
  log: [NaN, Infinity, -Infinity, NaN, Math.log(1e300)],
  log1p: [NaN, Infinity, -0, NaN, Math.log(1e300)],
  neg: [Infinity, -Infinity, 0, 1e300, -1e300],
  normalCdf: [0, 1, 0.5, 0, 1],
  reciprocal: [-0, 0, -Infinity, -1e-300, 1e-300],
  relu: [0, Infinity, -0, 0, 1e300],
  rsqrt: [NaN, 0, -Infinity, NaN, 1e-150],
  sigmoid: [0, 1, 0.5, 0, 1],
  sign: [-1, 1, -0, -1, 1],
  silu: [-0, Infinity, -0, -0, 1e300],
  sin: [NaN, NaN, -0, Math.sin(-1e300), Math.sin(1e300)],
  softplus: [0, Infinity, Math.LN2, 0, 1e300],
  sqrt: [NaN, Infinity, -0, NaN, 1e150],
  square: [Infinity, Infinity, 0, Infinity, Infinity],
  step: [0, 1, 0, 0, 1],
  tanh: [-1, 1, -0, -1, 1],
}

const domain = (op: MapOp) => (x: number) =>
  op === 'log' || op === 'sqrt' || op === 'rsqrt'
    ? x > 0
    : op === 'log1p'
      ? x > -1
      : op === 'reciprocal'
        ? x !== 0
        : op === 'asin' || op === 'acos'
          ? Math.abs(x) <= 1
          : true

describe.each(backends)('on %s', (name, backend) => {
  it.each(MAP_OPS)('%s in f64 is within its bound, subnormals included', op => {
    const many = op === 'erf' || op === 'gelu' || op === 'normalCdf' ? 160 : 500
    const inputs = [...points(many, -1074, 1023), ...(EDGES[op] ?? [])].filter(domain(op)).filter(Number.isFinite)
    const results = map(backend, op, 'f64', inputs)
    const bound = BOUND[op]
    const allowed = typeof bound === 'number' ? () => bound : bound
    const beyond = inputs.flatMap((x, i) => {
      if (SATURATING.has(op) && Math.abs(x) > 1e4) return []
      const error = ulps(results[i]!, exact[op](fromNumber(x), x), 'f64')
      return error <= allowed(x) ? [] : [{ x, error }]
    })
    expect(beyond).toEqual([])
  })

  it.each(MAP_OPS)('%s has the limits of IEEE 754', op => {
    const [a, b, c, d, e] = LIMITS[op]
    const near = (x: number) => (Number.isFinite(x) && x !== 0 ? expect.closeTo(x, 14) : x)
    for (const dtype of ['f32', 'f64'] as const) {
      const results = Array.from(map(backend, op, dtype, [-Infinity, Infinity, -0, NaN]))
      const expected = dtype === 'f32' ? [a, b, c].map(Math.fround) : [a, b, c]
      expect(results, dtype).toEqual([...expected.map(near), op === 'step' ? 0 : NaN])
    }
    const far = map(backend, op, 'f64', [-1e300, 1e300])
    const relative = (x: number, y: number) => (x === y || (x !== x && y !== y) ? 0 : Math.abs(x - y) / Math.abs(y))
    expect(relative(far[0]!, d)).toBeLessThan(1e-14)
    expect(relative(far[1]!, e)).toBeLessThan(1e-14)
  })

  it.each(MAP_OPS)('%s in f32 is within its bound over the whole range', op => {
    const words = Int32Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 21_473))
    // Numbers of every size, and as many where the functions turn.
    const middle = Float32Array.from(words, w => w / 2 ** 27)
    const x = [...new Float32Array(words.buffer), ...middle].filter(Number.isFinite)
    const narrow = map(backend, op, 'f32', x)
    const wide = map(js(), op, 'f64', x)
    let worst = 0
    let at = 0
    for (let i = 0; i < x.length; i++) {
      const value = wide[i]!
      const rounded = Math.fround(value)
      if (Object.is(narrow[i], rounded)) continue
      const unit = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(value)))) - 23)
      const error = Math.abs(narrow[i]! - value) / unit
      if (!(error <= worst)) [worst, at] = [error, x[i]!]
    }
    const bounds = name === 'js' ? {} : BOUND_F32
    expect(worst, `at ${at}`).toBeLessThanOrEqual(bounds[op] ?? 0.501)
  })
})

/** Bases and exponents whose special values Math.pow defines. */
const SPECIAL = [
  ...[0, -0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1 / 3, 10, 1e-17, Infinity, -Infinity, NaN, 1e308, -1e308, 5e-324],
  ...[-5e-324, 2 ** 53, 2 ** 53 + 2, 2 ** 52 + 1, -(2 ** 52 + 1), 1 - 2 ** -53, 1 + 2 ** -52, 1e300, 1074, -1074],
]

describe.each(backends.slice(1))('powers on %s', (_, backend) => {
  const power = (dtype: 'f32' | 'f64', x: readonly number[], y: readonly number[]): number[] => {
    const from = (v: readonly number[]) => (dtype === 'f32' ? Float32Array.from(v) : Float64Array.from(v))
    const [a, b, out] = [x, y, x].map(v => backend.alloc(dtype, v.length)) as [Buffer, Buffer, Buffer]
    backend.write(a, from(x))
    backend.write(b, from(y))
    backend.kernels.zip('pow', [x.length], a, [1], b, [1], out)
    const results = [...backend.readSync!(out)]
    for (const buffer of [a, b, out]) backend.release(buffer)
    return results
  }

  it('powers have the special values of Math.pow', () => {
    const pairs = SPECIAL.flatMap(x => SPECIAL.map(y => [x, y] as const))
    const results = power(
      'f64',
      pairs.map(p => p[0]),
      pairs.map(p => p[1]),
    )
    const kind = (v: number) => (Number.isFinite(v) && v !== 0 ? Math.sign(v) : v)
    pairs.forEach(([x, y], i) => {
      expect(Object.is(kind(results[i]!), kind(x ** y)), `${x}^${y} is ${results[i]}, not ${x ** y}`).toBe(true)
    })
  })

  it('powers are within one unit in the last place', () => {
    const x = points(400, -1074, 1023).map(Math.abs)
    // Exponents for results over the whole range, subnormals included.
    const y = x.map((v, i) => ((((i * 7919) % 2001) / 1000 - 1) * 745) / Math.max(1e-12, Math.abs(Math.log(v))))
    const results = power('f64', x, y)
    const worst = Math.max(...x.map((v, i) => ulps(results[i]!, exactPower(v, y[i]!), 'f64')))
    expect(worst).toBeLessThanOrEqual(1)
    const [u, v] = [x.map(Math.fround), y.map(Math.fround)]
    const narrow = power('f32', u, v)
    u.forEach((base, i) => {
      if (base === 0 || !Number.isFinite(base)) return
      expect(ulps(narrow[i]!, exactPower(base, v[i]!), 'f32')).toBeLessThanOrEqual(0.501)
    })
  })
})
