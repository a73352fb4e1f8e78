import type { ReduceOp, Shape, TypedArray } from '../contract.js'

/** Adds one element to an accumulator. */
type Step = (total: number, x: number) => number
/** Accumulators; a mean is a sum, divided when it is whole. */
type Total = Exclude<ReduceOp, 'mean' | 'meanSquare'>

const steps: Record<Total, Step> = {
  sum: (t, x) => t + x,
  sumSquares: (t, x) => t + x * x,
  // `x !== x` keeps a NaN once it is there.
  max: (t, x) => (x > t || x !== x ? x : t),
  min: (t, x) => (x < t || x !== x ? x : t),
}
/** Sums of i32, modulo 2^32. */
const integerSteps: Record<Total, Step> = {
  ...steps,
  sum: (t, x) => (t + x) | 0,
  sumSquares: (t, x) => (t + Math.imul(x, x)) | 0,
}

function identity(op: Total, out: TypedArray): number {
  const whole = out instanceof Int32Array
  if (op === 'max') return whole ? -(2 ** 31) : -Infinity
  if (op === 'min') return whole ? 2 ** 31 - 1 : Infinity
  return 0
}

/** Alternating runs of kept and reduced axes: [kept, reduced, kept, …] lengths, adjacent axes of a kind as one. */
export function runsOf(shape: Shape, axes: readonly number[]): number[] {
  const runs = [1]
  let reduced = false
  shape.forEach((n, i) => {
    if (axes.includes(i) !== reduced) {
      reduced = !reduced
      runs.push(1)
    }
    runs[runs.length - 1]! *= n
  })
  return runs
}

/** No sum of 2^60 numbers at this scale overflows. */
const SMALLER = 2 ** -60

/** Sums are accumulated in f64, in order, and rounded once; those of i32 modulo 2^32. */
export function reduce(op: ReduceOp, shape: Shape, axes: readonly number[], x: TypedArray, out: TypedArray): void {
  const runs = runsOf(shape, axes)
  if (op === 'max' || op === 'min' || out instanceof Int32Array) return totals(op as Total, runs, x, out)
  const squares = op === 'sumSquares' || op === 'meanSquare'
  const count = op === 'mean' || op === 'meanSquare' ? x.length / out.length : 1
  const wide = out instanceof Float64Array ? out : new Float64Array(out.length)
  totals(squares ? 'sumSquares' : 'sum', runs, x, wide)
  let finite = true
  for (let i = 0; i < out.length; i++) {
    const value = wide[i]! / count
    out[i] = value
    finite &&= Math.abs(value) < Infinity
  }
  // Sums of f32 do not overflow in f64.
  if (finite || !(x instanceof Float64Array) || count !== count) return
  const scaled = new Float64Array(out.length)
  totals(
    squares ? 'sumSquares' : 'sum',
    runs,
    x.map(v => v * SMALLER),
    scaled,
  )
  scaled.forEach((total, i) => {
    if (!(Math.abs(out[i]!) < Infinity)) out[i] = squares ? total / count / SMALLER / SMALLER : total / count / SMALLER
  })
}

function totals(op: Total, runs: readonly number[], x: TypedArray, out: TypedArray): void {
  const start = identity(op, out)
  const step = (out instanceof Int32Array ? integerSteps : steps)[op]
  if (runs.length <= 2) rows(op, runs[0]!, runs[1] ?? 1, x, out, start, step)
  else if (runs.length === 3) columns(op, runs[0]!, runs[1]!, runs[2]!, x, out, start, step)
  else general(runs, x, out, start, step)
}

/** [outer, n] -> [outer] */
function rows(op: Total, outer: number, n: number, x: TypedArray, out: TypedArray, start: number, step: Step): void {
  const floats = !(out instanceof Int32Array)
  for (let o = 0; o < outer; o++) {
    const from = o * n
    let t = start
    if (op === 'sum' && floats) for (let i = 0; i < n; i++) t += x[from + i]!
    else if (op === 'sumSquares' && floats) {
      for (let i = 0; i < n; i++) {
        const v = x[from + i]!
        t += v * v
      }
    } else for (let i = 0; i < n; i++) t = step(t, x[from + i]!)
    out[o] = t
  }
}

/** [outer, n, inner] -> [outer, inner], a row at a time. */
function columns(
  op: Total,
  outer: number,
  n: number,
  inner: number,
  x: TypedArray,
  out: TypedArray,
  start: number,
  step: Step,
): void {
  const totals = new Float64Array(inner)
  const plain = op === 'sum' && !(out instanceof Int32Array)
  for (let o = 0; o < outer; o++) {
    totals.fill(start)
    for (let i = 0; i < n; i++) {
      const from = (o * n + i) * inner
      if (plain) for (let c = 0; c < inner; c++) totals[c]! += x[from + c]!
      else for (let c = 0; c < inner; c++) totals[c] = step(totals[c]!, x[from + c]!)
    }
    out.set(totals, o * inner)
  }
}

/** Any number of runs: every element goes to the accumulator of its kept indices. */
function general(runs: readonly number[], x: TypedArray, out: TypedArray, start: number, step: Step): void {
  const totals = new Float64Array(out.length).fill(start)
  const strides = new Array<number>(runs.length).fill(0)
  let size = 1
  for (let i = runs.length - 1 - ((runs.length - 1) % 2); i >= 0; i -= 2) {
    strides[i] = size
    size *= runs[i]!
  }
  const index = runs.map(() => 0)
  let to = 0
  for (let i = 0; i < x.length; i++) {
    totals[to] = step(totals[to]!, x[i]!)
    for (let d = runs.length - 1; d >= 0; d--) {
      to += strides[d]!
      if (++index[d]! < runs[d]!) break
      to -= strides[d]! * runs[d]!
      index[d] = 0
    }
  }
  out.set(totals)
}

export function argmax(outer: number, n: number, inner: number, x: TypedArray, out: TypedArray): void {
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < inner; c++) {
      const from = o * n * inner + c
      let best = x[from]!
      let at = 0
      for (let i = 1; i < n && best === best; i++) {
        const v = x[from + i * inner]!
        if (v > best || v !== v) {
          best = v
          at = i
        }
      }
      out[o * inner + c] = at
    }
  }
}
