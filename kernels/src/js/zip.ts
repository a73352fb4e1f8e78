import type { Shape, Strides, TypedArray, ZipOp } from '../contract.js'
import { eachRow, stepOf } from './rows.js'

/** n elements of a and b, at constant steps, into consecutive ones of out. */
type Loop = (
  n: number,
  a: TypedArray,
  aFrom: number,
  aStep: number,
  b: TypedArray,
  bFrom: number,
  bStep: number,
  out: TypedArray,
  to: number,
) => void

// One loop a function, so that each stays monomorphic and is inlined. `p !== p` is true of NaN alone.
const loops: Record<ZipOp, Loop> = {
  add: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p + q
    }
  },
  sub: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p - q
    }
  },
  mul: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p * q
    }
  },
  div: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p / q
    }
  },
  pow: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p ** q
    }
  },
  maximum: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p > q || p !== p ? p : q
    }
  },
  minimum: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p < q || p !== p ? p : q
    }
  },
  equal: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p === q ? 1 : 0
    }
  },
  notEqual: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p !== q ? 1 : 0
    }
  },
  less: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p < q ? 1 : 0
    }
  },
  lessEqual: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p <= q ? 1 : 0
    }
  },
  greater: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p > q ? 1 : 0
    }
  },
  greaterEqual: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = p >= q ? 1 : 0
    }
  },
  through: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) {
      const p = a[aFrom + i * aStep]!
      const q = b[bFrom + i * bStep]!
      out[to + i] = q === 0 ? 0 : p * q
    }
  },
}

/** p^q modulo 2^32, cut to an integer where q < 0. */
function integerPower(p: number, q: number): number {
  if (q < 0) return p ** q
  let y = 1
  for (let square = p; q > 0; q >>>= 1, square = Math.imul(square, square)) if (q & 1) y = Math.imul(y, square)
  return y
}

/** Products of i32, whose low bits f64 would round away. */
function integerProducts(...[n, a, aFrom, aStep, b, bFrom, bStep, out, to]: Parameters<Loop>): void {
  for (let i = 0; i < n; i++) out[to + i] = Math.imul(a[aFrom + i * aStep]!, b[bFrom + i * bStep]!)
}

const integerLoops: Partial<Record<ZipOp, Loop>> = {
  mul: integerProducts,
  through: integerProducts,
  pow: (n, a, aFrom, aStep, b, bFrom, bStep, out, to) => {
    for (let i = 0; i < n; i++) out[to + i] = integerPower(a[aFrom + i * aStep]!, b[bFrom + i * bStep]!)
  },
}

export function zip(
  op: ZipOp,
  shape: Shape,
  a: TypedArray,
  aStrides: Strides,
  b: TypedArray,
  bStrides: Strides,
  out: TypedArray,
): void {
  const loop = (out instanceof Int32Array ? integerLoops[op] : undefined) ?? loops[op]
  const aStep = stepOf(shape, aStrides)
  const bStep = stepOf(shape, bStrides)
  // x === x is false of NaN alone: both walk in one run.
  if (aStep === aStep && bStep === bStep) return loop(out.length, a, 0, aStep, b, 0, bStep, out, 0)
  eachRow(shape, aStrides, bStrides, (n, aFrom, aStep, bFrom, bStep, to) => {
    loop(n, a, aFrom, aStep, b, bFrom, bStep, out, to)
  })
}
