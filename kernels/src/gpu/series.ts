import type { Kernels, MapOp, SeriesOp } from '../contract.js'
import type { Context } from './context.js'
import { derivatives, maps } from './elementwise.js'
import { launch, withTemporaries } from './launch.js'
import type { Texels } from './memory.js'
import { define, once, sums } from './source.js'

// The recurrences of js/series.ts, an order a launch: the thread of element e of order k computes it from the orders below,
// the threads of the other orders hand theirs on.

const row = 'const k = quotient(i, n);\nconst e = i - k * n;'
const atOrder = (kept: string) => `${row}\nif (k !== order) { return ${kept}[${kept}o + i]; }`
/** Σ_{j=1}^{k} j x_j w_{k−j}, into `sum` */
const integral = `let sum = 0.0;
for (let j = 1; j < stored; j++) {
  const c = x[xo + j * n + e];
  if (j <= k && c !== 0.0) { sum = sum + j * c * w[wo + (k - j) * n + e]; }
}`

const cauchySource = define(
  ['a', 'b'],
  ['n', 'p', 'q'],
  `${row}
let sum = 0.0;
for (let j = 0; j < p; j++) {
  if (j <= k && k - j < q) { sum = sum + a[ao + j * n + e] * b[bo + (k - j) * n + e]; }
}
return sum;`,
)
const correlateSource = define(
  ['c', 'b'],
  ['n', 'p', 'q'],
  `${row}
let sum = 0.0;
for (let j = 0; j < q; j++) {
  if (k + j < p) { sum = sum + c[co + (k + j) * n + e] * b[bo + j * n + e]; }
}
return sum;`,
)

const startSource = once((op: MapOp) =>
  define(['x'], ['n'], `if (i >= n) { return 0.0; }\nconst v = x[xo + i];\n${maps[op]}`),
)
const startPowerSource = define(
  ['x'],
  ['n', 'r', 'nan'],
  'if (i >= n) { return 0.0; }\nreturn powerOf(x[xo + i], r, nan);',
)
const startQuotientSource = define(['a', 'b'], ['n'], 'if (i >= n) { return 0.0; }\nreturn a[ao + i] / b[bo + i];')
/** Order 0 is φ(x), the others are those of y. */
const restartSource = once((op: MapOp) =>
  define(['x', 'y'], ['n'], `if (i >= n) { return y[yo + i]; }\nconst v = x[xo + i];\n${maps[op]}`),
)
const shiftSource = define(['x'], ['n'], 'if (i >= n) { return x[xo + i]; }\nreturn x[xo + i] + 1.0;')
/** 2√(2/π)(x + 0.044715 x³) */
const cubicSource = define(
  ['x', 'cube'],
  ['n', 'stored'],
  `${row}
let own = 0.0;
if (k < stored) { own = x[xo + i]; }
return ${(2 * Math.sqrt(2 / Math.PI)).toFixed(12)} * (own + 0.044715 * cube[cubeo + i]);`,
)
/** x·g(x); beyond the limit g is 0 or 1 */
const gatedSource = once((op: MapOp) =>
  define(
    ['x', 'g'],
    ['n', 'stored', 'limit'],
    `${row}
const v = x[xo + e];
if (i < n) {
${maps[op]}
}
if (Math.abs(v) > limit) {
  if (v > 0.0 && k < stored) { return x[xo + i]; }
  return 0.0;
}
let sum = 0.0;
for (let j = 0; j < stored; j++) {
  const c = x[xo + j * n + e];
  if (j <= k && c !== 0.0) { sum = sum + c * g[go + (k - j) * n + e]; }
}
return sum;`,
  ),
)
const startGaussianSource = define(['x'], ['n', 'c'], 'if (i >= n) { return 0.0; }\nreturn gaussian(x[xo + i], c);')
const startCopySource = define(['x'], ['n'], 'if (i >= n) { return 0.0; }\nreturn x[xo + i];')
const slopeSource = once((op: 'tanh' | 'sigmoid') =>
  define(['x'], ['n'], `if (i >= n) { return 0.0; }\nconst g = 1.0;\nconst v = x[xo + i];\n${derivatives[op]}`),
)

/** y_k = scale·(1/k) Σ j x_j w_{k−j} */
const integralSource = define(
  ['x', 'w', 'y'],
  ['order', 'n', 'stored', 'scale'],
  `${atOrder('y')}\n${integral}\nreturn scale * sum / k;`,
)
/** The same for every k ≥ 1 at once, where w is known. */
const integralsSource = define(
  ['x', 'w', 'y'],
  ['n', 'stored', 'scale'],
  `${row}\nif (i < n) { return y[yo + i]; }\n${integral}\nreturn scale * sum / k;`,
)
/** w_k = c·y_k − Σ y_j y_{k−j} */
const slopesSource = define(
  ['y', 'w'],
  ['order', 'n', 'c'],
  `${atOrder('w')}
let sum = c * y[yo + i];
for (let j = 0; j < order + 1.0; j++) {
  sum = sum - y[yo + j * n + e] * y[yo + (k - j) * n + e];
}
return sum;`,
)
/** y_k = (x_k − (1/k) Σ_{j=1}^{k−1} j y_j x_{k−j})/x_0 */
const logSource = define(
  ['x', 'y'],
  ['order', 'n', 'stored'],
  `${atOrder('y')}
let sum = 0.0;
for (let j = 1; j < order; j++) {
  if (k - j < stored) {
    const c = x[xo + (k - j) * n + e];
    if (c !== 0.0) { sum = sum + j * y[yo + j * n + e] * c; }
  }
}
let own = 0.0;
if (k < stored) { own = x[xo + i]; }
return (own - sum / k) / x[xo + e];`,
)
/** k x_0 y_k = Σ_{j=1}^{k} (j(r+1) − k) x_j y_{k−j} */
const powerSource = define(
  ['x', 'y'],
  ['order', 'n', 'stored', 'r'],
  `${atOrder('y')}
let sum = 0.0;
for (let j = 1; j < stored; j++) {
  const c = x[xo + j * n + e];
  if (j <= k && c !== 0.0) { sum = sum + (j * (r + 1.0) - k) * c * y[yo + (k - j) * n + e]; }
}
return sum / (k * x[xo + e]);`,
)
/** q_k = (a_k − Σ_{j=1}^{k} b_j q_{k−j})/b_0 */
const divSource = define(
  ['a', 'b', 'y'],
  ['order', 'n', 'p', 'q'],
  `${atOrder('y')}
let sum = 0.0;
if (k < p) { sum = a[ao + i]; }
for (let j = 1; j < q; j++) {
  const c = b[bo + j * n + e];
  if (j <= k && c !== 0.0) { sum = sum - c * y[yo + (k - j) * n + e]; }
}
return sum / b[bo + e];`,
)

// k y_{i,k} = Σ_{j=1}^{k} (j x_{i,j} − M_j) y_{i,k−j}, with M_j the sum of t_{i,j} = Σ_{p=1}^{j} p x_{i,p} y_{i,j−p} over the row.
/** Relative to the largest element: where its y is 1, the changes of the others are the whole derivative. */
const softmaxTerm = define(
  ['x', 'y', 'at'],
  ['order', 'size', 'n', 'stored'],
  `const r = quotient(i, n);
const chosen = r * n + at[ato + r];
let sum = 0.0;
for (let j = 1; j < stored; j++) {
  if (j <= order) {
    sum = sum + j * (x[xo + j * size + i] - x[xo + j * size + chosen]) * y[yo + (order - j) * size + i];
  }
}
return sum;`,
)
const softmaxMean = define(
  ['t', 'm'],
  ['order', 'rows', 'n'],
  `const k = quotient(i, rows);
if (k !== order) { return m[mo + i]; }
const r = i - k * rows;
${sums('n', { sum: 't[to + r * n + j]' })}
return sum;`,
)
const softmaxStep = define(
  ['t', 'm', 'y'],
  ['order', 'size', 'rows', 'n'],
  `const k = quotient(i, size);
if (k !== order) { return y[yo + i]; }
const e = i - k * size;
const r = quotient(e, n);
let sum = t[to + e];
for (let j = 1; j < order + 1.0; j++) { sum = sum - m[mo + j * rows + r] * y[yo + (k - j) * size + e]; }
return sum / k;`,
)
const same = define(['x'], [], 'return x[xo + i];')

type Names = 'cauchy' | 'correlate' | 'series' | 'seriesPower' | 'seriesSinCos' | 'seriesDiv' | 'seriesSoftmax'

export function seriesKernels(context: Context): Pick<Kernels<Texels>, Names> {
  const { heap } = context
  const range = (orders: number) => Array.from({ length: orders - 1 }, (_, i) => i + 1)
  const storedOf = (x: Texels, n: number, orders: number) => Math.min(orders, x.length / n)

  /** Lets `body` build its result in a buffer of its own where `out` is a view, of which every change costs a copy. */
  function into(out: Texels, body: (y: Texels) => void): void {
    if (out.owner === out) return body(out)
    withTemporaries(heap, [out.length], y => {
      body(y!)
      launch(context, same, out, [y!], [])
    })
  }

  function exp(orders: number, n: number, x: Texels, y: Texels): void {
    launch(context, startSource('exp'), y, [x], [n])
    grow(orders, n, x, y)
  }
  /** y_0·exp(x − x_0) from y_0 */
  function grow(orders: number, n: number, x: Texels, y: Texels): void {
    for (const k of range(orders)) launch(context, integralSource, y, [x, y, y], [k, n, storedOf(x, n, orders), 1])
  }

  function power(r: number, orders: number, n: number, x: Texels, y: Texels): void {
    launch(context, startPowerSource, y, [x], [n, r, Number.NaN])
    for (const k of range(orders)) launch(context, powerSource, y, [x, y], [k, n, storedOf(x, n, orders), r])
  }

  /** y and its derivative by x, which is a polynomial in y. */
  function withSlope(op: 'tanh' | 'sigmoid', orders: number, n: number, x: Texels, y: Texels): void {
    withTemporaries(heap, [orders * n], w => {
      launch(context, startSource(op), y, [x], [n])
      launch(context, slopeSource(op), w!, [x], [n])
      for (const k of range(orders)) {
        launch(context, integralSource, y, [x, w!, y], [k, n, storedOf(x, n, orders), 1])
        launch(context, slopesSource, w!, [y, w!], [k, n, op === 'tanh' ? 0 : 1])
      }
    })
  }

  /** y from its derivative scale·exp(−c x²). */
  function fromGaussian(
    op: 'erf' | 'normalCdf',
    c: number,
    scale: number,
    orders: number,
    n: number,
    x: Texels,
    y: Texels,
  ) {
    const stored = storedOf(x, n, orders)
    withTemporaries(heap, [orders * n, orders * n, orders * n], (exponent, w, start) => {
      launch(context, cauchySource, exponent!, [x, x], [n, stored, stored])
      context.native.affine(exponent!, -c, 0, exponent!)
      launch(context, startGaussianSource, w!, [x], [n, c])
      grow(orders, n, exponent!, w!)
      launch(context, startSource(op), start!, [x], [n])
      launch(context, integralsSource, y, [x, w!, start!], [n, stored, scale])
    })
  }

  /** x·g(x), with g the series `gate` of x or of another argument */
  function gatedBy(op: MapOp, gate: SeriesOp, orders: number, n: number, x: Texels, of: Texels, y: Texels): void {
    withTemporaries(heap, [orders * n], g => {
      recurrences[gate](orders, n, of, g!)
      launch(context, gatedSource(op), y, [x, g!], [n, storedOf(x, n, orders), op === 'silu' ? 200 : 14.5])
    })
  }

  const recurrences: Record<SeriesOp, (orders: number, n: number, x: Texels, y: Texels) => void> = {
    exp,
    log(orders, n, x, y) {
      launch(context, startSource('log'), y, [x], [n])
      for (const k of range(orders)) launch(context, logSource, y, [x, y], [k, n, storedOf(x, n, orders)])
    },
    expm1(orders, n, x, y) {
      withTemporaries(heap, [orders * n], e => {
        exp(orders, n, x, e!)
        launch(context, restartSource('expm1'), y, [x, e!], [n])
      })
    },
    log1p(orders, n, x, y) {
      withTemporaries(heap, [x.length, orders * n], (shifted, l) => {
        launch(context, shiftSource, shifted!, [x], [n])
        recurrences.log(orders, n, shifted!, l!)
        launch(context, restartSource('log1p'), y, [x, l!], [n])
      })
    },
    gelu: (orders, n, x, y) => gatedBy('gelu', 'normalCdf', orders, n, x, x, y),
    silu: (orders, n, x, y) => gatedBy('silu', 'sigmoid', orders, n, x, x, y),
    geluTanh(orders, n, x, y) {
      const stored = storedOf(x, n, orders)
      withTemporaries(heap, [orders * n, orders * n, orders * n], (square, cube, u) => {
        launch(context, cauchySource, square!, [x, x], [n, stored, stored])
        launch(context, cauchySource, cube!, [x, square!], [n, stored, orders])
        launch(context, cubicSource, u!, [x, cube!], [n, stored])
        gatedBy('geluTanh', 'sigmoid', orders, n, x, u!, y)
      })
    },
    tanh: (orders, n, x, y) => withSlope('tanh', orders, n, x, y),
    sigmoid: (orders, n, x, y) => withSlope('sigmoid', orders, n, x, y),
    softplus(orders, n, x, y) {
      withTemporaries(heap, [orders * n, orders * n], (s, start) => {
        withSlope('sigmoid', orders, n, x, s!)
        launch(context, startSource('softplus'), start!, [x], [n])
        launch(context, integralsSource, y, [x, s!, start!], [n, storedOf(x, n, orders), 1])
      })
    },
    erf: (orders, n, x, y) => fromGaussian('erf', 1, 2 / Math.sqrt(Math.PI), orders, n, x, y),
    normalCdf: (orders, n, x, y) => fromGaussian('normalCdf', 0.5, 1 / Math.sqrt(2 * Math.PI), orders, n, x, y),
    reciprocal: (orders, n, x, y) => power(-1, orders, n, x, y),
    sqrt: (orders, n, x, y) => power(0.5, orders, n, x, y),
    rsqrt: (orders, n, x, y) => power(-0.5, orders, n, x, y),
  }

  return {
    cauchy(_orders, n, a, b, out) {
      launch(context, cauchySource, out, [a, b], [n, a.length / n, b.length / n])
    },
    correlate(_orders, n, c, b, out) {
      launch(context, correlateSource, out, [c, b], [n, c.length / n, b.length / n])
    },
    series(op, orders, n, x, out) {
      if (n > 0) into(out, y => recurrences[op](orders, n, x, y))
    },
    seriesPower(r, orders, n, x, out) {
      if (n > 0) into(out, y => power(r, orders, n, x, y))
    },
    seriesSinCos(orders, n, x, sin, cos) {
      if (n === 0) return
      const stored = storedOf(x, n, orders)
      into(sin, s =>
        into(cos, c => {
          launch(context, startSource('sin'), s, [x], [n])
          launch(context, startSource('cos'), c, [x], [n])
          for (const k of range(orders)) {
            launch(context, integralSource, s, [x, c, s], [k, n, stored, 1])
            launch(context, integralSource, c, [x, s, c], [k, n, stored, -1])
          }
        }),
      )
    },
    seriesDiv(orders, n, a, b, out) {
      if (n === 0) return
      into(out, y => {
        launch(context, startQuotientSource, y, [a, b], [n])
        for (const k of range(orders)) {
          launch(context, divSource, y, [a, b, y], [k, n, a.length / n, storedOf(b, n, orders)])
        }
      })
    },
    seriesSoftmax(orders, rows, n, x, out) {
      const size = rows * n
      if (size === 0) return
      const stored = storedOf(x, size, orders)
      into(out, y =>
        withTemporaries(heap, [size, orders * rows, size, rows], (t, m, first, at) => {
          context.native.softmax(rows, n, heap.view(x, 0, size), first!)
          context.native.argmax(rows, n, 1, heap.view(x, 0, size), at!)
          launch(context, startCopySource, y, [first!], [size])
          context.native.fill(0, m!)
          for (const k of range(orders)) {
            launch(context, softmaxTerm, t!, [x, y, at!], [k, size, n, stored])
            launch(context, softmaxMean, m!, [t!, m!], [k, rows, n])
            launch(context, softmaxStep, y, [t!, m!, y], [k, size, rows, n])
          }
        }),
      )
    },
  }
}
