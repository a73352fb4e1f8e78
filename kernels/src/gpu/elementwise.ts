import type { Kernels, MapGradOp, MapOp, Shape, Strides, ZipOp } from '../contract.js'
import { collapse } from './axes.js'
import type { Context } from './context.js'
import { launch } from './launch.js'
import type { Texels } from './memory.js'
import { define, eachAxis, numbered, once } from './source.js'

const SLOPE = (2 * Math.sqrt(2 / Math.PI)).toFixed(12)

/** Return expression of a thread for its `v`. */
export const maps: Record<MapOp, string> = {
  abs: 'return Math.abs(v);',
  acos: 'return 2.0 * arctangent(Math.sqrt((1.0 - v) / (1.0 + v)));',
  asin: 'return arctangent(v / Math.sqrt((1.0 - v) * (1.0 + v)));',
  atan: 'return arctangent(v);',
  cos: 'return sine(v, 1.0);',
  erf: 'return erfOf(v);',
  exp: 'return expOf(v);',
  expm1: 'return expMinusOne(v);',
  gelu: 'if (v < -14.5) { return 0.0; }\nreturn v * normalCdfOf(v);',
  geluTanh: `if (v < -14.5) { return 0.0; }\nreturn v * logistic(${SLOPE} * (v + 0.044715 * v * v * v));`,
  log: 'return logOf(v);',
  log1p: 'return logOnePlus(v);',
  neg: 'return -v;',
  normalCdf: 'return normalCdfOf(v);',
  reciprocal: 'return 1.0 / v;',
  // Without the first test some drivers make this max(v, 0), which loses NaN.
  relu: 'if (isNan(v) > 0.5) { return v; }\nif (v < 0.0) { return 0.0; }\nreturn v;',
  rsqrt: 'return 1.0 / Math.sqrt(v);',
  sigmoid: 'return logistic(v);',
  sign: 'if (v > 0.0) { return 1.0; }\nif (v < 0.0) { return -1.0; }\nreturn v;',
  silu: 'if (v < -200.0) { return 0.0; }\nreturn v * logistic(v);',
  sin: 'return sine(v, 0.0);',
  softplus: 'return softplusOf(v);',
  sqrt: 'return Math.sqrt(v);',
  square: 'return v * v;',
  step: 'if (v > 0.0) { return 1.0; }\nreturn 0.0;',
  tanh: 'return tangent(v);',
}
const mapSource = once((op: MapOp) => define(['x'], [], `const v = x[xo + i];\n${maps[op]}`))
const affineSource = define(['x'], ['scale', 'shift'], 'return scale * x[xo + i] + shift;')
const scaleSource = define(['x'], ['scale'], 'return scale * x[xo + i];')
const axpySource = define(['x', 'y'], ['scale'], 'return x[xo + i] + scale * y[yo + i];')
const powerSource = define(['x'], ['r', 'nan'], 'return powerOf(x[xo + i], r, nan);')

/** g·φ′, φ′ from v: φ(x) for exp and relu, x for the others */
export const derivatives: Record<MapGradOp, string> = {
  exp: 'return g * v;',
  relu: 'if (v > 0.0) { return g; }\nreturn g * 0.0;',
  sigmoid: 'return g * (logistic(v) * logistic(0.0 - v));',
  erf: 'if (Math.abs(v) > 15.0) { return g * 0.0; }\nreturn g * (1.1283791670955126 * gaussian(v, 1.0));',
  normalCdf: 'if (Math.abs(v) > 15.0) { return g * 0.0; }\nreturn g * (0.3989422804014327 * gaussian(v, 0.5));',
  gelu: `if (v < -15.0) { return g * 0.0; }
if (v > 15.0) { return g; }
return g * (normalCdfOf(v) + v * 0.3989422804014327 * gaussian(v, 0.5));`,
  silu: `if (v < -200.0) { return g * 0.0; }
if (v > 200.0) { return g; }
return g * (logistic(v) * (1.0 + v * logistic(0.0 - v)));`,
  geluTanh: `if (v < -15.0) { return g * 0.0; }
if (v > 15.0) { return g; }
const u = ${SLOPE} * (v + 0.044715 * v * v * v);
return g * (logistic(u) + v * ${SLOPE} * (1.0 + 0.134145 * v * v) * logistic(u) * logistic(0.0 - u));`,
  tanh: 'const e = expOf(-2.0 * Math.abs(v));\nreturn g * (4.0 * e / ((1.0 + e) * (1.0 + e)));',
}
const mapGradSource = once((op: MapGradOp) =>
  define(['y', 'gy'], ['n'], `const v = y[yo + i - quotient(i, n) * n];\nconst g = gy[gyo + i];\n${derivatives[op]}`),
)

const compare = (test: string) => `if (${test}) { return 1.0; }\nreturn 0.0;`
/** Return expression of a thread for its `p` and `q`. */
const zips: Record<ZipOp, string> = {
  add: 'return p + q;',
  sub: 'return p - q;',
  mul: 'return p * q;',
  div: 'return p / q;',
  pow: 'return powerOf(p, q, nan);',
  maximum: 'if (p > q || isNan(p) > 0.5) { return p; }\nreturn q;',
  minimum: 'if (p < q || isNan(p) > 0.5) { return p; }\nreturn q;',
  equal: compare('p === q'),
  notEqual: 'if (p === q) { return 0.0; }\nreturn 1.0;',
  less: compare('p < q'),
  lessEqual: compare('p <= q'),
  greater: compare('p > q'),
  greaterEqual: compare('p >= q'),
  through: 'if (q === 0.0) { return 0.0; }\nreturn p * q;',
}

/** The element of every buffer that meets element i of the result: `a_`, `b_`, … */
const walk = (buffers: readonly string[], rank: number) =>
  `let r = i;
${buffers.map(b => `let ${b}_ = ${b}o;`).join('\n')}
${eachAxis(
  rank,
  d => `const q${d} = quotient(r, n${d});
const e${d} = r - q${d} * n${d};
${buffers.map(b => `${b}_ = ${b}_ + e${d} * ${b}${d};`).join('\n')}
r = q${d};`,
)}`
const walkScalars = (buffers: readonly string[], rank: number) => [
  ...numbered('n', rank),
  ...buffers.flatMap(b => numbered(b, rank)),
]

const zipSource = once((key: string) => {
  const [op, digits] = key.split(' ') as [ZipOp, string]
  const rank = Number(digits)
  const body = `${walk(['a', 'b'], rank)}\nconst p = a[a_];\nconst q = b[b_];\n${zips[op]}`
  return define(['a', 'b'], [...(op === 'pow' ? ['nan'] : []), ...walkScalars(['a', 'b'], rank)], body)
})
const whereSource = once((rank: number) => {
  const buffers = ['c', 'a', 'b']
  const body = `${walk(buffers, rank)}\nif (c[c_] === 0.0) { return b[b_]; }\nreturn a[a_];`
  return define(buffers, walkScalars(buffers, rank), body)
})

const walkOf = (shape: Shape, operands: readonly Strides[]) => {
  const { shape: lengths, strides } = collapse(shape, operands)
  return { rank: lengths.length, scalars: [...lengths, ...strides.flat()] }
}

type Names = 'map' | 'affine' | 'axpy' | 'power' | 'mapGrad' | 'zip' | 'where'

export function elementwiseKernels(context: Context): Pick<Kernels<Texels>, Names> {
  return {
    map(op, x, out) {
      launch(context, mapSource(op), out, [x], [])
    },
    affine(x, scale, shift, out) {
      // Without a shift the sign of a zero survives.
      if (shift === 0) launch(context, scaleSource, out, [x], [scale])
      else launch(context, affineSource, out, [x], [scale, shift])
    },
    axpy(x, scale, y, out) {
      launch(context, axpySource, out, [x, y], [scale])
    },
    power(x, r, out) {
      launch(context, powerSource, out, [x], [r, Number.NaN])
    },
    mapGrad(op, y, gy, gx) {
      launch(context, mapGradSource(op), gx, [y, gy], [y.length])
    },
    zip(op, shape, a, aStrides, b, bStrides, out) {
      const { rank, scalars } = walkOf(shape, [aStrides, bStrides])
      launch(context, zipSource(`${op} ${rank}`), out, [a, b], op === 'pow' ? [Number.NaN, ...scalars] : scalars)
    },
    where(shape, c, cStrides, a, aStrides, b, bStrides, out) {
      const { rank, scalars } = walkOf(shape, [cStrides, aStrides, bStrides])
      launch(context, whereSource(rank), out, [c, a, b], scalars)
    },
  }
}
