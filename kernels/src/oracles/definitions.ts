import type { Conv2dGeometry, Kernels, Pool2dGeometry, SeriesOp, Shape, Strides, ZipOp } from '../contract.js'

// The kernels of the table as their definitions: one index at a time, in f64, with no thought of speed and nothing shared
// with any backend. `map`, `cast` and `random` have oracles of their own.

type Numbers = { [index: number]: number; readonly length: number }
type Defined = Omit<Kernels<Numbers & { length: number }>, 'map' | 'cast' | 'random'>

/** Every index of a shape, in row-major order. */
export function* indices(shape: Shape): Generator<number[]> {
  if (shape.length === 0) {
    yield []
    return
  }
  const [n, ...rest] = shape as [number, ...number[]]
  for (let i = 0; i < n; i++) for (const tail of indices(rest)) yield [i, ...tail]
}
const at = (index: readonly number[], strides: Strides) => index.reduce((sum, i, d) => sum + i * strides[d]!, 0)
const range = (n: number) => Array.from({ length: n }, (_, i) => i)
const sum = (terms: readonly number[]) => terms.reduce((a, b) => a + b, 0)
/** The first largest, NaN before all. */
const largest = (x: readonly number[]) => {
  const nan = x.findIndex(Number.isNaN)
  return nan >= 0 ? nan : x.indexOf(x.reduce((a, b) => (b > a ? b : a), -Infinity))
}
const row = (x: Numbers, r: number, n: number) => range(n).map(i => x[r * n + i]!)
/** The numbers of one channel of x [b,c,n]. */
const channel = (x: Numbers, b: number, c: number, n: number, ch: number) =>
  range(b).flatMap(i => row(x, i * c + ch, n))

const ZIP: Record<ZipOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
  through: (a, b) => (b === 0 ? 0 : a * b),
}

/** Calls `f` for every product x·w → y of a convolution, by flat indices. */
function taps(g: Conv2dGeometry, f: (x: number, w: number, y: number) => void): void {
  const [perGroup, outPerGroup] = [g.inChannels / g.groups, g.outChannels / g.groups]
  for (const [b, o, y, x, c, p, q] of indices([
    g.batch,
    g.outChannels,
    g.outH,
    g.outW,
    perGroup,
    g.kernelH,
    g.kernelW,
  ])) {
    const channel = Math.floor(o! / outPerGroup) * perGroup + c!
    const [h, w] = [y! * g.strideH - g.padH + p! * g.dilationH, x! * g.strideW - g.padW + q! * g.dilationW]
    if (h < 0 || h >= g.height || w < 0 || w >= g.width) continue
    f(
      ((b! * g.inChannels + channel) * g.height + h) * g.width + w,
      ((o! * perGroup + c!) * g.kernelH + p!) * g.kernelW + q!,
      ((b! * g.outChannels + o!) * g.outH + y!) * g.outW + x!,
    )
  }
}

/** Every window of a pooling, as the flat indices in it that are not padding. */
function windows(g: Pool2dGeometry): number[][] {
  return [...indices([g.planes, g.outH, g.outW])].map(([plane, y, x]) =>
    [...indices([g.kernelH, g.kernelW])]
      .map(([p, q]) => [y! * g.strideH - g.padH + p!, x! * g.strideW - g.padW + q!] as const)
      .filter(([h, w]) => h >= 0 && h < g.height && w >= 0 && w < g.width)
      .map(([h, w]) => (plane! * g.height + h) * g.width + w),
  )
}

const fill = (out: Numbers, value: number) => range(out.length).forEach(i => (out[i] = value))
const each = (out: Numbers, f: (i: number) => number) => range(out.length).forEach(i => (out[i] = f(i)))

/** Coefficient k of element i, zero where it is not stored. */
const coefficient = (x: Numbers, n: number) => (k: number, i: number) => (k * n + i < x.length ? x[k * n + i]! : 0)

/** Coefficients of one element, one after another from those before: y_k = rule(k, y). */
function recur(orders: number, n: number, out: Numbers, rule: (k: number, i: number, y: readonly number[]) => number) {
  for (let i = 0; i < n; i++) {
    const y: number[] = []
    for (let k = 0; k < orders; k++) out[k * n + i] = y[k] = rule(k, i, y)
  }
}

const mean = (x: readonly number[]) => sum(x) / x.length
const normalized = (x: readonly number[], eps: number, centre: boolean) => {
  const m = centre ? mean(x) : 0
  const d = x.map(v => v - m)
  const scale = 1 / Math.sqrt(mean(d.map(v => v * v)) + eps)
  return { y: d.map(v => v * scale), scale }
}

function normGrad(
  rows: number,
  n: number,
  eps: number,
  centre: boolean,
  x: Numbers,
  w: Numbers,
  gy: Numbers,
  gx: Numbers,
  gw: Numbers,
): void {
  fill(gw, 0)
  for (let r = 0; r < rows; r++) {
    const { y, scale } = normalized(row(x, r, n), eps, centre)
    const g = row(gy, r, n)
    const gyw = g.map((v, i) => v * w[i]!)
    // The Jacobian of y, row by row: ∂y_i/∂x_j = scale·(δ_ij − [centre]/n − y_i y_j/n)
    for (let j = 0; j < n; j++) {
      gx[r * n + j] = sum(y.map((v, i) => gyw[i]! * scale * (Number(i === j) - Number(centre) / n - (v * y[j]!) / n)))
      gw[j]! += g[j]! * y[j]!
    }
  }
}

/** The functions that tests put after products. */
const functions = {
  exp: Math.exp,
  relu: (v: number) => (v < 0 ? 0 : v),
  sigmoid: (v: number) => 1 / (1 + Math.exp(-v)),
  tanh: Math.tanh,
}

export const definitions: Defined = {
  fill: (value, out) => fill(out, value),
  copy(shape, x, xOffset, xStrides, out, outOffset, outStrides) {
    for (const i of indices(shape)) out[outOffset + at(i, outStrides)] = x[xOffset + at(i, xStrides)]!
  },
  affine: (x, scale, shift, out) => each(out, i => scale * x[i]! + shift),
  power: (x, r, out) => each(out, i => x[i]! ** r),
  zip(op, shape, a, aStrides, b, bStrides, out) {
    let to = 0
    for (const i of indices(shape)) out[to++] = ZIP[op](a[at(i, aStrides)]!, b[at(i, bStrides)]!)
  },
  where(shape, c, cStrides, a, aStrides, b, bStrides, out) {
    let to = 0
    for (const i of indices(shape)) out[to++] = c[at(i, cStrides)] !== 0 ? a[at(i, aStrides)]! : b[at(i, bStrides)]!
  },
  reduce(op, shape, axes, x, out) {
    const kept = shape.map((n, d) => (axes.includes(d) ? 1 : n))
    const over = shape.map((n, d) => (axes.includes(d) ? n : 1))
    const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1))
    let to = 0
    for (const i of indices(kept)) {
      const values = [...indices(over)].map(j => x[at(i, strides) + at(j, strides)]!)
      const of = {
        sum,
        mean,
        sumSquares: (v: number[]) => sum(v.map(u => u * u)),
        meanSquare: (v: number[]) => mean(v.map(u => u * u)),
        max: (v: number[]) => Math.max(...v),
        min: (v: number[]) => Math.min(...v),
      }
      out[to++] = of[op](values)
    }
  },
  argmax(outer, n, inner, x, out) {
    for (const [o, c] of indices([outer, inner])) {
      out[o! * inner + c!] = largest(range(n).map(i => x[(o! * n + i) * inner + c!]!))
    }
  },
  argsort(outer, n, inner, descending, x, out) {
    for (const [o, c] of indices([outer, inner])) {
      const at = (i: number) => (o! * n + i) * inner + c!
      const key = (i: number) => [Number.isNaN(x[at(i)]) ? 1 : 0, Number.isNaN(x[at(i)]) ? 0 : x[at(i)]!] as const
      const below = (i: number, j: number) =>
        key(i)[0] < key(j)[0] || (key(i)[0] === key(j)[0] && key(i)[1] < key(j)[1])
      // An element stands after all that are before it, or equal and earlier.
      const earlier = (j: number, i: number) => {
        if (below(j, i) !== below(i, j)) return descending ? below(i, j) : below(j, i)
        return j < i
      }
      for (const i of range(n)) out[at(range(n).filter(j => earlier(j, i)).length)] = i
    }
  },
  matmul(batch, m, k, n, a, aStrides, transA, b, bStrides, transB, out) {
    let to = 0
    for (const index of indices(batch)) {
      const [p, q] = [at(index, aStrides), at(index, bStrides)]
      for (const [i, j] of indices([m, n])) {
        out[to++] = sum(
          range(k).map(l => a[p + (transA ? l * m + i! : i! * k + l)]! * b[q + (transB ? j! * k + l : l * n + j!)]!),
        )
      }
    }
  },
  linear(m, k, n, a, transA, b, transB, bias, phi, scale, add, out) {
    definitions.matmul([], m, k, n, a, [], transA, b, [], transB, out)
    each(out, i => out[i]! + (bias?.[i % n] ?? 0))
    if (phi !== null) each(out, i => functions[phi as keyof typeof functions](out[i]!))
    each(out, i => (add?.[i] ?? 0) + scale * out[i]!)
  },
  axpy: (x, scale, y, out) => each(out, i => x[i]! + scale * y[i]!),
  mapGrad(op, v, gy, gx) {
    const of = {
      exp: (y: number) => y,
      relu: (y: number) => Number(y > 0),
      sigmoid: (x: number) => 1 / (2 + Math.exp(x) + Math.exp(-x)),
      tanh: (x: number) => 1 / Math.cosh(x) ** 2,
      erf: (x: number) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
      normalCdf: density,
      gelu: (x: number) => (1 + erf(x / Math.SQRT2)) / 2 + x * density(x),
      silu: (x: number) => (1 + Math.exp(-x) * (1 + x)) / (1 + Math.exp(-x)) ** 2,
      geluTanh(x: number) {
        const [u, slope] = [x + 0.044715 * x ** 3, 1 + 3 * 0.044715 * x ** 2].map(v => v * Math.sqrt(2 / Math.PI))
        return (1 + Math.tanh(u!)) / 2 + (x * slope!) / (2 * Math.cosh(u!) ** 2)
      },
    }
    each(gx, i => gy[i]! * of[op](v[i % v.length]!))
  },
  sgd({ rate, momentum, nesterov, weightDecay }, p, g, v, pOut, vOut) {
    each(vOut, i => momentum * v[i]! + g[i]! + weightDecay * p[i]!)
    each(pOut, i => p[i]! - rate * (nesterov ? g[i]! + weightDecay * p[i]! + momentum * vOut[i]! : vOut[i]!))
  },
  adamw({ beta1, beta2, eps, rate, correction, shrink }, p, g, m, v, pOut, mOut, vOut) {
    each(mOut, i => beta1 * m[i]! + (1 - beta1) * g[i]!)
    each(vOut, i => beta2 * v[i]! + (1 - beta2) * g[i]! ** 2)
    each(pOut, i => shrink * p[i]! - (rate * mOut[i]!) / (Math.sqrt(vOut[i]!) * correction + eps))
  },
  conv2d(g, x, w, out) {
    fill(out, 0)
    taps(g, (i, j, o) => (out[o]! += x[i]! * w[j]!))
  },
  conv2dInputGrad(g, gy, w, gx) {
    fill(gx, 0)
    taps(g, (i, j, o) => (gx[i]! += gy[o]! * w[j]!))
  },
  conv2dWeightGrad(g, x, gy, gw) {
    fill(gw, 0)
    taps(g, (i, j, o) => (gw[j]! += gy[o]! * x[i]!))
  },
  maxPool2dIndices: (g, x, out) => windows(g).forEach((w, o) => (out[o] = w[largest(w.map(i => x[i]!))]!)),
  avgPool2d: (g, x, out) => windows(g).forEach((w, o) => (out[o] = sum(w.map(i => x[i]!)) / (g.kernelH * g.kernelW))),
  avgPool2dGrad(g, gy, gx) {
    fill(gx, 0)
    windows(g).forEach((w, o) => w.forEach(i => (gx[i]! += gy[o]! / (g.kernelH * g.kernelW))))
  },
  softmax(rows, n, x, out) {
    for (let r = 0; r < rows; r++) {
      const v = row(x, r, n)
      const e = v.map(u => Math.exp(u - Math.max(...v)))
      e.forEach((u, i) => (out[r * n + i] = u / sum(e)))
    }
  },
  logSoftmax(rows, n, x, out) {
    for (let r = 0; r < rows; r++) {
      const v = row(x, r, n)
      const m = Math.max(...v)
      const log = Math.log(sum(v.map(u => Math.exp(u - m))))
      v.forEach((u, i) => (out[r * n + i] = u - m - log))
    }
  },
  softmaxGrad(lead, rows, n, y, gy, gx) {
    for (const [l, r] of indices([lead, rows])) {
      const [v, g] = [row(y, r!, n), row(gy, l! * rows + r!, n)]
      // Relative to the cotangent of the probability above ½, if there is one.
      const d = g.map(u => u - (g[v.findIndex(p => p > 0.5)] ?? 0))
      const dot = sum(v.map((u, i) => u * d[i]!))
      v.forEach((u, i) => (gx[(l! * rows + r!) * n + i] = u * (d[i]! - dot)))
    }
  },
  logSoftmaxGrad(lead, rows, n, y, gy, gx) {
    for (const [l, r] of indices([lead, rows])) {
      const [v, g] = [row(y, r!, n), row(gy, l! * rows + r!, n)]
      v.forEach((u, i) => {
        const without = (terms: number[]) => sum(terms.filter((_, j) => j !== i))
        const p = Math.exp(u)
        const own = p > 0.5 ? g[i]! * without(v.map(Math.exp)) - p * without(g) : g[i]! - p * sum(g)
        gx[(l! * rows + r!) * n + i] = own
      })
    }
  },
  crossEntropy(rows, n, x, labels, out) {
    for (let r = 0; r < rows; r++) {
      const v = row(x, r, n)
      const m = Math.max(...v)
      out[r] = Math.log(sum(v.map(u => Math.exp(u - m)))) - (v[labels[r]!]! - m)
    }
  },
  crossEntropyGrad(lead, rows, n, x, labels, gy, gx) {
    for (const [l, r, j] of indices([lead, rows, n])) {
      const v = row(x, r!, n)
      const e = v.map(u => Math.exp(u - Math.max(...v)))
      const at = l! * rows + r!
      gx[at * n + j!] = gy[at]! * (e[j!]! / sum(e) - Number(j === labels[r!]))
    }
  },
  layerNorm(rows, n, eps, x, w, b, out) {
    for (let r = 0; r < rows; r++) {
      normalized(row(x, r, n), eps, true).y.forEach((v, i) => (out[r * n + i] = w[i]! * v + b[i]!))
    }
  },
  layerNormGrad(rows, n, eps, x, w, gy, gx, gw, gb) {
    normGrad(rows, n, eps, true, x, w, gy, gx, gw)
    each(gb, j => sum(range(rows).map(r => gy[r * n + j]!)))
  },
  rmsNorm(rows, n, eps, x, w, out) {
    for (let r = 0; r < rows; r++) {
      normalized(row(x, r, n), eps, false).y.forEach((v, i) => (out[r * n + i] = w[i]! * v))
    }
  },
  rmsNormGrad: (rows, n, eps, x, w, gy, gx, gw) => normGrad(rows, n, eps, false, x, w, gy, gx, gw),
  batchMoments(b, c, n, x, m, v) {
    each(m, ch => mean(channel(x, b, c, n, ch)))
    each(v, ch => mean(channel(x, b, c, n, ch).map(u => (u - mean(channel(x, b, c, n, ch))) ** 2)))
  },
  batchNorm(_b, c, n, eps, x, m, v, w, bias, phi, scale, add, out) {
    each(out, i => {
      const ch = Math.floor(i / n) % c
      const y = (w[ch]! * (x[i]! - m[ch]!)) / Math.sqrt(v[ch]! + eps) + bias[ch]!
      return (add === null ? 0 : add[i]!) + scale * (phi === null ? y : functions[phi as keyof typeof functions](y))
    })
  },
  batchNormGrad(b, c, n, eps, x, m, v, w, gy, gx, gw, gb) {
    const hat = Array.from(x, (u, i) => {
      const ch = Math.floor(i / n) % c
      return (u - m[ch]!) / Math.sqrt(v[ch]! + eps)
    })
    each(gb, ch => sum(channel(gy, b, c, n, ch)))
    each(gw, ch => sum(channel(gy, b, c, n, ch).map((g, i) => g * channel(hat, b, c, n, ch)[i]!)))
    each(gx, i => {
      const ch = Math.floor(i / n) % c
      return (w[ch]! / Math.sqrt(v[ch]! + eps)) * (gy[i]! - (gb[ch]! + hat[i]! * gw[ch]!) / (b * n))
    })
  },
  gather(outer, axis, inner, index, x, out) {
    for (const [o, i, c] of indices([outer, index.length, inner])) {
      out[(o! * index.length + i!) * inner + c!] = x[(o! * axis + index[i!]!) * inner + c!]!
    }
  },
  scatterAdd(outer, axis, inner, index, y, out) {
    fill(out, 0)
    for (const [o, i, c] of indices([outer, index.length, inner])) {
      out[(o! * axis + index[i!]!) * inner + c!]! += y[(o! * index.length + i!) * inner + c!]!
    }
  },
  // Zeros that are not stored are exact: they meet nothing, not even NaN.
  cauchy(orders, n, a, b, out) {
    const [p, q] = [a.length / n, b.length / n]
    recur(orders, n, out, (k, i) =>
      sum(
        range(k + 1)
          .filter(j => j < p && k - j < q)
          .map(j => a[j * n + i]! * b[(k - j) * n + i]!),
      ),
    )
  },
  correlate(orders, n, c, b, out) {
    const [x, y] = [coefficient(c, n), coefficient(b, n)]
    const last = n === 0 ? 0 : c.length / n
    recur(orders, n, out, (j, i) => sum(range(Math.max(0, last - j)).map(d => x(j + d, i) * y(d, i))))
  },
  // From the differential equation of each function, k·y_k = Σ_{j=1}^{k} j·x_j·(φ′∘x)_{k−j}, with φ′∘x found from y. Orders x_j
  // that are exactly zero contribute nothing.
  series(op, orders, n, x, out) {
    const c = coefficient(x, n)
    const product = (a: readonly number[], b: readonly number[], k: number) =>
      sum(range(k + 1).map(j => (a[j] ?? 0) * (b[k - j] ?? 0)))
    const derived = (k: number, i: number, d: (m: number) => number) =>
      sum(
        range(k)
          .filter(j => c(j + 1, i) !== 0)
          .map(j => (j + 1) * c(j + 1, i) * d(k - 1 - j)),
      ) / k
    const solve = (start: (x0: number) => number, d: (y: readonly number[], i: number) => (m: number) => number) =>
      recur(orders, n, out, (k, i, y) => (k === 0 ? start(c(0, i)) : derived(k, i, d(y, i))))
    /** exp(−s·x²) as a series, for element i. */
    const bell = (i: number, s: number) => {
      const g = [Math.exp(-s * c(0, i) ** 2)]
      const square = range(orders).map(
        k =>
          -s *
          product(
            range(orders).map(j => c(j, i)),
            range(orders).map(j => c(j, i)),
            k,
          ),
      )
      for (let k = 1; k < orders; k++) g[k] = sum(range(k).map(j => (j + 1) * square[j + 1]! * g[k - 1 - j]!)) / k
      return g
    }
    const logistic = (i: number) => {
      const s = [1 / (1 + Math.exp(-c(0, i)))]
      const slope = s[0]! / (1 + Math.exp(c(0, i)))
      for (let k = 1; k < orders; k++) s[k] = derived(k, i, m => (m === 0 ? slope : s[m]! - product(s, s, m)))
      return s
    }
    const exponential = (i: number) => {
      const e = [Math.exp(c(0, i))]
      for (let k = 1; k < orders; k++) e[k] = derived(k, i, m => e[m]!)
      return e
    }
    /** Series of another function, or of another argument. */
    const other = (op: SeriesOp, of: Numbers) => {
      const y = new Array<number>(orders * n).fill(0)
      definitions.series(op, orders, n, of, y)
      return y
    }
    const times = (a: Numbers, b: Numbers) => {
      const y = new Array<number>(orders * n).fill(0)
      definitions.cauchy(orders, n, a, b, y)
      return y
    }
    const give = (y: Numbers) => each(out, at => y[at]!)
    switch (op) {
      case 'exp':
        return solve(Math.exp, y => m => y[m]!)
      case 'tanh':
        return solve(Math.tanh, (y, i) => m => (m === 0 ? 1 / Math.cosh(c(0, i)) ** 2 : -product(y, y, m)))
      case 'sigmoid':
        return recur(orders, n, out, (k, i) => logistic(i)[k]!)
      case 'softplus':
        return solve(
          v => Math.log1p(Math.exp(v)),
          (_, i) => m => logistic(i)[m]!,
        )
      case 'erf':
        return solve(erf, (_, i) => m => (2 / Math.sqrt(Math.PI)) * bell(i, 1)[m]!)
      case 'normalCdf':
        return solve(
          v => (1 + erf(v / Math.SQRT2)) / 2,
          (_, i) => m => bell(i, 0.5)[m]! / Math.sqrt(2 * Math.PI),
        )
      case 'log':
        return recur(orders, n, out, (k, i, y) =>
          k === 0
            ? Math.log(c(0, i))
            : (c(k, i) - sum(range(k - 1).map(j => (j + 1) * y[j + 1]! * c(k - 1 - j, i))) / k) / c(0, i),
        )
      case 'expm1':
        return solve(Math.expm1, (_, i) => m => exponential(i)[m]!)
      case 'log1p':
        give(
          other(
            'log',
            [...range(x.length)].map(at => x[at]! + Number(at < n)),
          ),
        )
        return range(n).forEach(i => (out[i] = Math.log1p(c(0, i))))
      case 'gelu':
        return give(times(x, other('normalCdf', x)))
      case 'silu':
        return give(times(x, other('sigmoid', x)))
      case 'geluTanh': {
        const cube = times(x, times(x, x))
        const u = cube.map((v, at) => 2 * Math.sqrt(2 / Math.PI) * ((at < x.length ? x[at]! : 0) + 0.044715 * v))
        return give(times(x, other('sigmoid', u)))
      }
      case 'reciprocal':
        return definitions.seriesPower(-1, orders, n, x, out)
      case 'sqrt':
        return definitions.seriesPower(0.5, orders, n, x, out)
      case 'rsqrt':
        return definitions.seriesPower(-0.5, orders, n, x, out)
    }
  },
  seriesPower(r, orders, n, x, out) {
    const c = coefficient(x, n)
    recur(orders, n, out, (k, i, y) =>
      k === 0
        ? c(0, i) ** r
        : sum(range(k).map(j => ((j + 1) * (r + 1) - k) * c(j + 1, i) * y[k - 1 - j]!)) / (k * c(0, i)),
    )
  },
  seriesSinCos(orders, n, x, sin, cos) {
    const c = coefficient(x, n)
    for (let i = 0; i < n; i++) {
      sin[i] = Math.sin(c(0, i))
      cos[i] = Math.cos(c(0, i))
      for (let k = 1; k < orders; k++) {
        const terms = (y: Numbers) => sum(range(k).map(j => (j + 1) * c(j + 1, i) * y[(k - 1 - j) * n + i]!)) / k
        ;[sin[k * n + i], cos[k * n + i]] = [terms(cos), -terms(sin)]
      }
    }
  },
  seriesDiv(orders, n, a, b, out) {
    const [x, y] = [coefficient(a, n), coefficient(b, n)]
    recur(orders, n, out, (k, i, q) => (x(k, i) - sum(range(k).map(j => y(j + 1, i) * q[k - 1 - j]!))) / y(0, i))
  },
  seriesSoftmax(orders, rows, n, x, out) {
    const c = coefficient(x, rows * n)
    for (let r = 0; r < rows; r++) {
      // e^x / Σ e^x, as a quotient of series
      const e = range(n).map(i => {
        const y = [Math.exp(c(0, r * n + i))]
        for (let k = 1; k < orders; k++)
          y[k] = sum(range(k).map(j => (j + 1) * c(j + 1, r * n + i) * y[k - 1 - j]!)) / k
        return y
      })
      const total = range(orders).map(k => sum(e.map(y => y[k]!)))
      e.forEach((y, i) => {
        const q: number[] = []
        for (let k = 0; k < orders; k++) {
          out[(k * rows + r) * n + i] = q[k] =
            (y[k]! - sum(range(k).map(j => total[j + 1]! * q[k - 1 - j]!))) / total[0]!
        }
      })
    }
  },
}

const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

/** By its Taylor series, for |x| of a few units. */
function erf(x: number): number {
  let [term, total] = [x, x]
  for (let k = 1; Math.abs(term) > 1e-20; k++) total += (term *= (-x * x) / k) / (2 * k + 1)
  return (2 / Math.sqrt(Math.PI)) * total
}
