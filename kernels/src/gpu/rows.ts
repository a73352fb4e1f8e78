import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { launch, withTemporaries } from './launch.js'
import type { Texels } from './memory.js'
import { reduceMiddle } from './reduce.js'
import { define, sums } from './source.js'

// Softmax and norms in passes: one thread a row for what the row has in common, then one an element.

const expSum = define(
  ['x', 'm'],
  ['n'],
  `const largest = m[mo + i];
${sums('n', { sum: 'expOf(x[xo + i * n + j] - largest)' })}
return sum;`,
)
const softmaxSource = define(
  ['x', 'm', 's'],
  ['n'],
  'const r = quotient(i, n);\nreturn expOf(x[xo + i] - m[mo + r]) / s[so + r];',
)
const logSoftmaxSource = define(
  ['x', 'm', 's'],
  ['n'],
  'const r = quotient(i, n);\nreturn x[xo + i] - m[mo + r] - logOf(s[so + r]);',
)
/** The place in a row of probabilities of the one above ½; −1 if there is none. */
const dominantSource = define(
  ['y'],
  ['n'],
  `let at = -1.0;
for (let j = 0; j < n; j++) {
  if (y[yo + i * n + j] > 0.5 && at < 0.0) {
    at = j + 0.0;
  }
}
return at;`,
)
/** The reference of the cotangents of a row: that of m, or 0. */
const shift = (row: string, r: string) => `const at = m[mo + ${r}];
let shift = 0.0;
if (at > -0.5) {
  shift = gy[gyo + ${row} * n + at];
}`
/** Σ ȳ y over the rows of `lead` stacked cotangents, relative to that of m: where its probability rounds to 1, those of the
 *  others are the whole sum. */
const dotSource = define(
  ['y', 'gy', 'm'],
  ['rows', 'n'],
  `const r = i - quotient(i, rows) * rows;
${shift('i', 'r')}
${sums('n', { sum: '(gy[gyo + i * n + j] - shift) * y[yo + r * n + j]' })}
return sum;`,
)
const softmaxGradSource = define(
  ['y', 'gy', 'm', 't'],
  ['rows', 'n'],
  `const row = quotient(i, n);
const r = row - quotient(row, rows) * rows;
const j = i - row * n;
${shift('row', 'r')}
let d = gy[gyo + i] - shift;
if (j === at) {
  d = 0.0;
}
return y[yo + r * n + j] * (d - t[to + row]);`,
)
/** Of m, whose probability is above ½, ȳ_m − p_m Σ ȳ with 1 − p_m as the sum of the other probabilities. */
const logSoftmaxGradSource = define(
  ['y', 'gy', 't'],
  ['rows', 'n'],
  `const row = quotient(i, n);
const r = row - quotient(row, rows) * rows;
const own = i - row * n;
const v = y[yo + r * n + own];
if (v > ${-Math.LN2}) {
  ${sums(
    'n',
    { others: 'p', rest: 'g' },
    `let p = 0.0;
let g = 0.0;
if (j !== own) {
  p = expOf(y[yo + r * n + j]);
  g = gy[gyo + row * n + j];
}`,
  )}
  return gy[gyo + i] * others - expOf(v) * rest;
}
return gy[gyo + i] - expOf(v) * t[to + row];`,
)

// Labels come as f32, exact below 2²⁴. m and s are the largest of each row and the sum of its exponentials.
const crossEntropySource = define(
  ['x', 'labels', 'm', 's'],
  ['n'],
  'return logOf(s[so + i]) - (x[xo + i * n + labels[labelso + i]] - m[mo + i]);',
)
const crossEntropyGradSource = define(
  ['x', 'labels', 'm', 's', 'gy'],
  ['rows', 'n'],
  `const row = quotient(i, n);
const r = row - quotient(row, rows) * rows;
const own = i - row * n;
const scale = gy[gyo + row] / s[so + r];
if (labels[labelso + r] === own) {
  ${sums(
    'n',
    { others: 'p' },
    `let p = 0.0;
if (j !== own) { p = expOf(x[xo + r * n + j] - m[mo + r]); }`,
  )}
  return -scale * others;
}
return scale * expOf(x[xo + r * n + own] - m[mo + r]);`,
)

const meanSource = define(
  ['x'],
  ['n'],
  `${sums('n', { sum: 'x[xo + i * n + j]' })}
if (Math.abs(sum) < 1e38) { return sum / n; }
${sums('n', { mean: 'x[xo + i * n + k] / n' }, '', 'k')}
return mean;`,
)
/** x less the mean of its row. That mean is rounded: of a row far from 0 the mean of what is left counts too. */
const centreSource = define(['x', 'm'], ['n'], 'return x[xo + i] - m[mo + quotient(i, n)];')
/** 1/√(mean((x − mean)²) + eps); numbers beyond 1 are squared relative to the largest, so that no square leaves the range. */
const scaleSource = (centred: boolean) => {
  const element = (j: string) => `x[xo + i * n + ${j}]${centred ? ' - m[mo + i]' : ''}`
  return define(
    centred ? ['x', 'm'] : ['x'],
    ['n', 'eps'],
    `let largest = 1.0;
for (let l = 0; l < n; l++) {
  largest = Math.max(largest, Math.abs(${element('l')}));
}
${sums('n', { sum: 'v * v' }, `const v = (${element('j')}) / largest;`)}
return 1.0 / (largest * Math.sqrt(sum / n + eps / largest / largest));`,
  )
}
const layerScale = scaleSource(true)
const rmsScale = scaleSource(false)

const layerSource = define(
  ['x', 'm', 's', 'w', 'b'],
  ['n'],
  `const r = quotient(i, n);
const c = i - r * n;
return w[wo + c] * ((x[xo + i] - m[mo + r]) * s[so + r]) + b[bo + c];`,
)
const rmsSource = define(
  ['x', 's', 'w'],
  ['n'],
  `const r = quotient(i, n);
return w[wo + i - r * n] * (x[xo + i] * s[so + r]);`,
)

// With x̂ = (x − mean)·s and g = w ⊙ ȳ: x̄ = s (g − mean(g) − x̂ mean(g x̂)), w̄ = Σ ȳ x̂, b̄ = Σ ȳ over rows.
const weightedMean = define(
  ['w', 'gy'],
  ['n'],
  `${sums('n', { sum: 'w[wo + j] * gy[gyo + i * n + j]' })}
return sum / n;`,
)
const hat = (centred: boolean, at: string, row: string) =>
  centred ? `(x[xo + ${at}] - m[mo + ${row}]) * s[so + ${row}]` : `x[xo + ${at}] * s[so + ${row}]`
const statistics = (centred: boolean) => (centred ? ['m', 's'] : ['s'])
const dotHat = (centred: boolean) =>
  define(
    ['x', ...statistics(centred), 'w', 'gy'],
    ['n'],
    `${sums('n', { sum: `w[wo + j] * gy[gyo + i * n + j] * (${hat(centred, 'i * n + j', 'i')})` })}
return sum / n;`,
  )
const inputGrad = (centred: boolean) =>
  define(
    ['x', ...statistics(centred), 'w', 'gy', ...(centred ? ['t'] : []), 'p'],
    ['n'],
    `const r = quotient(i, n);
const g = w[wo + i - r * n] * gy[gyo + i];
return s[so + r] * (g${centred ? ' - t[to + r]' : ''} - (${hat(centred, 'i', 'r')}) * p[po + r]);`,
  )
const weightGrad = (centred: boolean) =>
  define(
    ['x', ...statistics(centred), 'gy'],
    ['rows', 'n'],
    `${sums('rows', { sum: `gy[gyo + j * n + i] * (${hat(centred, 'j * n + i', 'j')})` })}
return sum;`,
  )
const both = <T>(make: (centred: boolean) => T) => ({ layer: make(true), rms: make(false) })
const dots = both(dotHat)
const inputGrads = both(inputGrad)
const weightGrads = both(weightGrad)

type Names =
  | 'softmax'
  | 'logSoftmax'
  | 'softmaxGrad'
  | 'logSoftmaxGrad'
  | 'crossEntropy'
  | 'crossEntropyGrad'
  | 'layerNorm'
  | 'layerNormGrad'
  | 'rmsNorm'
  | 'rmsNormGrad'

export function rowKernels(context: Context): Pick<Kernels<Texels>, Names> {
  const { heap } = context
  /** The largest element of each row, and the sum of its exponentials. */
  const withSums = (rows: number, n: number, x: Texels, body: (m: Texels, s: Texels) => void) =>
    withTemporaries(heap, [rows, rows], (m, s) => {
      reduceMiddle(context, 'max', rows, n, 1, x, m!)
      launch(context, expSum, s!, [x, m!], [n])
      body(m!, s!)
    })
  const normalised = (source: string, rows: number, n: number, x: Texels, out: Texels) =>
    withSums(rows, n, x, (m, s) => launch(context, source, out, [x, m, s], [n]))
  /** Rows about their rounded means, with the means of these. */
  const withMeans = (rows: number, n: number, x: Texels, body: (d: Texels, m: Texels) => void) =>
    withTemporaries(heap, [rows * n, rows], (d, m) => {
      launch(context, meanSource, m!, [x], [n])
      launch(context, centreSource, d!, [x, m!], [n])
      launch(context, meanSource, m!, [d!], [n])
      body(d!, m!)
    })
  return {
    softmax(rows, n, x, out) {
      normalised(softmaxSource, rows, n, x, out)
    },
    logSoftmax(rows, n, x, out) {
      normalised(logSoftmaxSource, rows, n, x, out)
    },
    softmaxGrad(lead, rows, n, y, gy, gx) {
      withTemporaries(heap, [rows, lead * rows], (m, d) => {
        launch(context, dominantSource, m!, [y], [n])
        launch(context, dotSource, d!, [y, gy, m!], [rows, n])
        launch(context, softmaxGradSource, gx, [y, gy, m!, d!], [rows, n])
      })
    },
    logSoftmaxGrad(lead, rows, n, y, gy, gx) {
      withTemporaries(heap, [lead * rows], t => {
        reduceMiddle(context, 'sum', lead * rows, n, 1, gy, t!)
        launch(context, logSoftmaxGradSource, gx, [y, gy, t!], [rows, n])
      })
    },
    crossEntropy(rows, n, x, labels, out) {
      withSums(rows, n, x, (m, s) => launch(context, crossEntropySource, out, [x, labels, m, s], [n]))
    },
    crossEntropyGrad(_lead, rows, n, x, labels, gy, gx) {
      withSums(rows, n, x, (m, s) => launch(context, crossEntropyGradSource, gx, [x, labels, m, s, gy], [rows, n]))
    },
    layerNorm(rows, n, eps, x, w, b, out) {
      withMeans(rows, n, x, (d, m) =>
        withTemporaries(heap, [rows], s => {
          launch(context, layerScale, s!, [d, m], [n, eps])
          launch(context, layerSource, out, [d, m, s!, w, b], [n])
        }),
      )
    },
    layerNormGrad(rows, n, eps, x, w, gy, gx, gw, gb) {
      withMeans(rows, n, x, (d, m) =>
        withTemporaries(heap, [rows, rows, rows], (s, t, p) => {
          launch(context, layerScale, s!, [d, m], [n, eps])
          launch(context, weightedMean, t!, [w, gy], [n])
          launch(context, dots.layer, p!, [d, m, s!, w, gy], [n])
          launch(context, inputGrads.layer, gx, [d, m, s!, w, gy, t!, p!], [n])
          launch(context, weightGrads.layer, gw, [d, m, s!, gy], [rows, n])
          reduceMiddle(context, 'sum', 1, rows, n, gy, gb)
        }),
      )
    },
    rmsNorm(rows, n, eps, x, w, out) {
      withTemporaries(heap, [rows], s => {
        launch(context, rmsScale, s!, [x], [n, eps])
        launch(context, rmsSource, out, [x, s!, w], [n])
      })
    },
    rmsNormGrad(rows, n, eps, x, w, gy, gx, gw) {
      withTemporaries(heap, [rows, rows], (s, p) => {
        launch(context, rmsScale, s!, [x], [n, eps])
        launch(context, dots.rms, p!, [x, s!, w, gy], [n])
        launch(context, inputGrads.rms, gx, [x, s!, w, gy, p!], [n])
        launch(context, weightGrads.rms, gw, [x, s!, gy], [rows, n])
      })
    },
  }
}
