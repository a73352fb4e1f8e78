import { type Backend, js, type MapOp, type TypedArray } from '@unravel/kernels'
import { definitions } from '../../kernels/src/oracles/definitions.js'
import { exact, fromNumber, P } from '../../kernels/src/oracles/exact.js'

const { cast, random } = js().kernels

/** φ of every number, in integer arithmetic. */
function map(op: MapOp, x: TypedArray, out: TypedArray): void {
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(x[i]!)) throw new RangeError(`${op}: the oracle takes finite numbers, got ${x[i]}`)
    out[i] = Number((exact[op](fromNumber(x[i]!), x[i]!) << 80n) >> P) / 2 ** 80
  }
}

const kernels = { ...definitions, map, cast, random }
/** Storage of js; every kernel is its definition, which shares nothing with any backend. */
export const defined = { ...js(), kernels } as unknown as Backend

/** An input: its shape and numbers, row-major. */
export interface Numbers {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}
// biome-ignore lint/suspicious/noExplicitAny: ops differ in their attributes
type Definition = (inputs: readonly Numbers[], attrs: any) => number[]

/** Every index of a shape, in row-major order. */
const indices = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>((all, n) => all.flatMap(i => Array.from({ length: n }, (_, j) => [...i, j])), [[]])
/** The element at an index, whose last axes are those of the tensor; axes of length 1 are repeated. */
const at = ({ shape, data }: Numbers, index: readonly number[]): number => {
  const own = shape.length === 0 ? [] : index.slice(-shape.length)
  return data[own.reduce((k, i, d) => k * shape[d]! + (shape[d] === 1 ? 0 : i), 0)]!
}
const common = (inputs: readonly Numbers[]): number[] => {
  const rank = Math.max(...inputs.map(x => x.shape.length))
  return Array.from({ length: rank }, (_, d) =>
    inputs.reduce((n, { shape }) => {
      const own = shape[d - rank + shape.length] ?? 1
      return own === 1 ? n : own
    }, 1),
  )
}
const pointwise =
  (f: (values: number[], attrs: never) => number): Definition =>
  (inputs, attrs) =>
    indices(common(inputs)).map(i =>
      f(
        inputs.map(x => at(x, i)),
        attrs as never,
      ),
    )
/** f of the values along the axes, counted from the end. */
const reduction =
  (f: (values: number[]) => number): Definition =>
  ([x], { axes }: { axes: number[] }) => {
    const gone = axes.map(a => a + x!.shape.length)
    const kept = x!.shape.map((n, d) => (gone.includes(d) ? 1 : n))
    const inner = indices(x!.shape.map((n, d) => (gone.includes(d) ? n : 1)))
    return indices(kept).map(i =>
      f(
        inner.map(j =>
          at(
            x!,
            i.map((k, d) => k + j[d]!),
          ),
        ),
      ),
    )
  }
const rows =
  (f: (row: number[], rest: readonly Numbers[], attrs: never) => number[]): Definition =>
  ([x, ...rest], attrs) => {
    const n = x!.shape.at(-1)!
    const all = Array.from(x!.data)
    return Array.from({ length: all.length / n }, (_, r) =>
      f(all.slice(r * n, (r + 1) * n), rest, attrs as never),
    ).flat()
  }
const total = (x: readonly number[]) => x.reduce((a, b) => a + b, 0)
const mean = (x: readonly number[]) => total(x) / x.length
const squares = (x: readonly number[]) => x.map(v => v * v)
const exponentials = (x: readonly number[]) => x.map(v => Math.exp(v) / total(x.map(Math.exp)))

/** Ops by their textbook definitions on nested indices, with no kernel and no op of the project. */
export const plain: Readonly<Record<string, Definition>> = {
  add: pointwise(([a, b]) => a! + b!),
  sub: pointwise(([a, b]) => a! - b!),
  mul: pointwise(([a, b]) => a! * b!),
  div: pointwise(([a, b]) => a! / b!),
  pow: pointwise(([a, b]) => a! ** b!),
  maximum: pointwise(([a, b]) => Math.max(a!, b!)),
  minimum: pointwise(([a, b]) => Math.min(a!, b!)),
  equal: pointwise(([a, b]) => Number(a === b)),
  notEqual: pointwise(([a, b]) => Number(a !== b)),
  less: pointwise(([a, b]) => Number(a! < b!)),
  lessEqual: pointwise(([a, b]) => Number(a! <= b!)),
  greater: pointwise(([a, b]) => Number(a! > b!)),
  greaterEqual: pointwise(([a, b]) => Number(a! >= b!)),
  where: pointwise(([c, a, b]) => (c !== 0 ? a! : b!)),
  addScaled: pointwise(([a, b], { scale }: { scale: number }) => a! + scale * b!),
  affine: pointwise(([a], { scale, shift }: { scale: number; shift: number }) => scale * a! + shift),
  branch: pointwise(([a], { scale }: { scale: number }) => scale * a!),
  stopGradient: pointwise(([a]) => a!),
  sinh: pointwise(([a]) => Math.sinh(a!)),
  cosh: pointwise(([a]) => Math.cosh(a!)),
  mish: pointwise(([a]) => a! * Math.tanh(Math.log1p(Math.exp(a!)))),
  softsign: pointwise(([a]) => a! / (1 + Math.abs(a!))),
  hardSigmoid: pointwise(([a]) => Math.min(1, Math.max(0, a! / 6 + 0.5))),
  hardSwish: pointwise(([a]) => a! * Math.min(1, Math.max(0, a! / 6 + 0.5))),
  clip: pointwise(([a], { min, max }: { min: number; max: number }) => Math.min(max, Math.max(min, a!))),
  normalDensity: pointwise(([a]) => Math.exp((-a! * a!) / 2) / Math.sqrt(2 * Math.PI)),
  erfSlope: pointwise(([a]) => (2 * Math.exp(-a! * a!)) / Math.sqrt(Math.PI)),
  glu: pointwise(([a, b], { gate }: { gate: string }) => {
    const s = 1 / (1 + Math.exp(-b!))
    return a! * (gate === 'silu' ? b! * s : s)
  }),
  sum: reduction(total),
  mean: reduction(mean),
  sumSquares: reduction(x => total(squares(x))),
  meanSquare: reduction(x => mean(squares(x))),
  max: reduction(x => Math.max(...x)),
  min: reduction(x => Math.min(...x)),
  mse: ([a, b]) => [mean(Array.from(a!.data, (v, i) => (v - b!.data[i]!) ** 2))],
  softmax: rows(exponentials),
  logSoftmax: rows(x => exponentials(x).map(Math.log)),
  layerNorm: rows((x, [w, b], { eps }: { eps: number }) => {
    const m = mean(x)
    const deviation = Math.sqrt(mean(x.map(v => (v - m) ** 2)) + eps)
    return x.map((v, i) => ((v - m) / deviation) * w!.data[i]! + b!.data[i]!)
  }),
  rmsNorm: rows((x, [w], { eps }: { eps: number }) =>
    x.map((v, i) => (v / Math.sqrt(mean(squares(x)) + eps)) * w!.data[i]!),
  ),
  crossEntropy([x, labels]) {
    const n = x!.shape.at(-1)!
    const of = Array.from(labels!.data, (label, r) => {
      return -Math.log(exponentials(Array.from(x!.data).slice(r * n, (r + 1) * n))[label]!)
    })
    return [mean(of)]
  },
  transpose([x], { perm }: { perm: number[] }) {
    const axes = perm.map(p => (p < 0 ? p + x!.shape.length : p))
    return indices(axes.map(p => x!.shape[p]!)).map(i =>
      at(
        x!,
        x!.shape.map((_, d) => i[axes.indexOf(d)]!),
      ),
    )
  },
  matmul([a, b], { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean }) {
    const turned = (x: Numbers, t: boolean) => (t ? [x.shape.at(-1)!, x.shape.at(-2)!] : x.shape.slice(-2))
    const [[m, k], [, n]] = [turned(a!, transposeA), turned(b!, transposeB)] as [number[], number[]]
    const batch = common([a!, b!].map(x => ({ shape: x.shape.slice(0, -2), data: [] })))
    const entry = (x: Numbers, t: boolean, lead: number[], i: number, j: number) =>
      at(x, [...lead, ...(t ? [j, i] : [i, j])])
    return indices([...batch, m!, n!]).map(index => {
      const [lead, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!]
      return total(
        Array.from({ length: k! }, (_, l) => entry(a!, transposeA, lead, i, l) * entry(b!, transposeB, lead, l, j)),
      )
    })
  },
}
