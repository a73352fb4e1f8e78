import type { ReduceOp, Shape, TypedArray } from '../contract.js'

/** Adds one element to an accumulator. */
type Step = (total: number, x: number) => number

const steps: Record<ReduceOp, Step> = {
  sum: (t, x) => t + x,
  sumSquares: (t, x) => t + x * x,
  // `x !== x` keeps a NaN once it is there.
  max: (t, x) => (x > t || x !== x ? x : t),
  min: (t, x) => (x < t || x !== x ? x : t),
}

function identity(op: ReduceOp, out: TypedArray): number {
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

/** Sums are accumulated in f64, in order, and rounded once. */
export function reduce(op: ReduceOp, shape: Shape, axes: readonly number[], x: TypedArray, out: TypedArray): void {
  const start = identity(op, out)
  const runs = runsOf(shape, axes)
  if (runs.length <= 2) rows(op, runs[0]!, runs[1] ?? 1, x, out, start)
  else if (runs.length === 3) columns(op, runs[0]!, runs[1]!, runs[2]!, x, out, start)
  else general(op, runs, x, out, start)
}

/** [outer, n] -> [outer] */
function rows(op: ReduceOp, outer: number, n: number, x: TypedArray, out: TypedArray, start: number): void {
  for (let o = 0; o < outer; o++) {
    const from = o * n
    let t = start
    if (op === 'sum') for (let i = 0; i < n; i++) t += x[from + i]!
    else if (op === 'sumSquares') {
      for (let i = 0; i < n; i++) {
        const v = x[from + i]!
        t += v * v
      }
    } else {
      const step = steps[op]
      for (let i = 0; i < n; i++) t = step(t, x[from + i]!)
    }
    out[o] = t
  }
}

/** [outer, n, inner] -> [outer, inner], a row at a time. */
function columns(
  op: ReduceOp,
  outer: number,
  n: number,
  inner: number,
  x: TypedArray,
  out: TypedArray,
  start: number,
): void {
  const totals = new Float64Array(inner)
  for (let o = 0; o < outer; o++) {
    totals.fill(start)
    for (let i = 0; i < n; i++) {
      const from = (o * n + i) * inner
      if (op === 'sum') for (let c = 0; c < inner; c++) totals[c]! += x[from + c]!
      else {
        const step = steps[op]
        for (let c = 0; c < inner; c++) totals[c] = step(totals[c]!, x[from + c]!)
      }
    }
    out.set(totals, o * inner)
  }
}

/** Any number of runs: every element goes to the accumulator of its kept indices. */
function general(op: ReduceOp, runs: readonly number[], x: TypedArray, out: TypedArray, start: number): void {
  const totals = new Float64Array(out.length).fill(start)
  const step = steps[op]
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
