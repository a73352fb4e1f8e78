import { type Backend, type DType, js, wasm } from '@unravel/kernels'
import {
  batchNorm,
  conv2d,
  crossEntropy,
  full,
  gated,
  gatedProduct,
  layerNorm,
  linear,
  mse,
  ones,
  onesLike,
  reshape,
  rmsNorm,
  scaledDotProductAttention,
  scope,
  series,
  stack,
  type Tensor,
  vjp,
  zeros,
} from '@unravel/tensor'
import { apply, leaves, opTable } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { type Case, cases } from './cases.js'

type AnyOp = (typeof opTable)[number]
type Body = (xs: readonly Tensor[]) => Tensor

interface Type {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly backend: Backend
}

const isIndex = (x: Case['inputs'][number]) => typeof x.domain === 'object'

/** Inputs that are one change away from a case's: a rank, a length, a dtype or a backend. */
function* changed(c: Case, backend: Backend): Generator<[name: string, inputs: readonly Type[]]> {
  const other = backend.name === 'js' ? wasm() : js()
  const types = c.inputs.map(x => ({
    shape: x.shape,
    dtype: isIndex(x) ? ('i32' as const) : ('f64' as const),
    backend,
  }))
  for (const [i, t] of types.entries()) {
    const one = (change: Partial<Type>): Type[] => types.map((u, j) => (i === j ? { ...u, ...change } : u))
    const { shape } = t
    const at = (axis: number, n: number) => shape.map((m, d) => (d === axis ? n : m))
    const shapes = [[1, ...shape], [2, ...shape], [...shape, 1], [...shape, 2], shape.slice(1), shape.slice(0, -1), []]
    for (const d of shape.keys()) shapes.push(at(d, shape[d]! + 1), at(d, 1), at(d, 0))
    for (const s of shapes) yield [`input ${i} of shape [${s}]`, one({ shape: s })]
    for (const dtype of ['f32', 'f64', 'i32'] as const) {
      if (dtype !== t.dtype) yield [`input ${i} of dtype ${dtype}`, one({ dtype })]
    }
    if (types.length > 1) yield [`input ${i} on ${other.name}`, one({ backend: other })]
  }
  for (const n of new Set(types.flatMap(t => t.shape))) {
    const emptied = types.map(t => ({ ...t, shape: t.shape.map(m => (m === n ? 0 : m)) }))
    yield [`lengths 0 for ${n}`, emptied]
  }
  yield ['all of dtype i32', types.map(t => ({ ...t, dtype: 'i32' as const }))]
}

const described = (t: { shape: readonly number[]; dtype: DType }) => `${t.dtype}[${t.shape}]`

/** The type of what `body` returns, or the error it throws. */
function outcome(body: () => { shape: readonly number[]; dtype: DType }): string {
  try {
    return scope(() => described(body()))
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
}

/** Numbers of an i32 and labels have errors of their own. */
const refusal = /^((Shape|Backend)Error: |RangeError: (i32.* does not go with|crossEntropy: label))/

const line = (x: Tensor) => stack([x, x], 0)

/** The value of f at xs, found by every interpreter and by pairs of them. */
const interpreters: Record<string, (f: Body, xs: readonly Tensor[]) => { shape: readonly number[]; dtype: DType }> = {
  reverse(f, xs) {
    const { value, pullback } = vjp<readonly Tensor[]>(f, xs)
    const gradients = leaves(pullback(onesLike(value)))
    expect(gradients.map(described)).toEqual(xs.map(described))
    return value
  },
  series: (f, xs) => item(series<readonly Tensor[]>(f, xs.map(line), 2)),
  'reverse in reverse': (f, xs) => vjp<readonly Tensor[]>(v => vjp<readonly Tensor[]>(f, v).value, xs).value,
  'reverse in series': (f, xs) =>
    item(series<readonly Tensor[]>(v => vjp<readonly Tensor[]>(f, v).value, xs.map(line), 1)),
  'series in reverse': (f, xs) =>
    item(vjp<readonly Tensor[]>(v => series<readonly Tensor[]>(f, v.map(line), 1), xs).value),
}

const item = (t: Tensor) => ({ shape: t.shape.slice(1), dtype: t.dtype })

describe.each([js(), wasm()])('on $name every interpreter refuses what numbers are refused', backend => {
  it.each(opTable.filter(op => cases[op.name]!.length > 0).map(op => [op.name, op] as const))(
    '%s refuses the same inputs in every interpreter',
    (_, op: AnyOp) => {
      for (const c of cases[op.name]!) {
        for (const [name, types] of changed(c, backend)) {
          scope(() => {
            // Index 0 is inside of whatever is not empty.
            const inputs = types.map(t => full(t.shape, t.dtype === 'i32' ? 0 : 1, t))
            const wanted = outcome(() => apply(op, inputs, c.attrs))
            if (wanted.includes('Error: ')) expect(wanted, name).toMatch(refusal)
            const floats = inputs.map((_, i) => i).filter(i => inputs[i]!.dtype !== 'i32')
            // Each alone, then all together.
            for (const traced of [...floats.map(i => [i]), ...(floats.length > 1 ? [floats] : [])]) {
              const f: Body = xs => {
                const all: Tensor[] = [...inputs]
                traced.forEach((i, j) => {
                  all[i] = xs[j]!
                })
                return apply(op, all, c.attrs)
              }
              const xs = traced.map(i => inputs[i]!)
              for (const [interpreter, value] of Object.entries(interpreters)) {
                const got = outcome(() => value(f, xs))
                expect(got, `${name}: ${interpreter} of ${traced}`).toBe(wanted)
              }
              if (traced.length > 1) continue
              const x = xs[0]!
              const got = outcome(() => gated(h => f([h]), x, reshape(x, [1, ...x.shape]), 2).value)
              if (!got.startsWith('RuleError') || /^(Shape|Backend)Error/.test(wanted))
                expect(got, `${name}: gated`).toBe(wanted)
            }
          })
        }
      }
    },
  )
})

const f64 = (...shape: number[]) => ones(shape, { dtype: 'f64' })
const labels = (n: number) => zeros([n], { dtype: 'i32' })

/** Calls that numbers are refused, of the tensor that is followed. */
const refused: Record<string, readonly [x: Tensor, f: (x: Tensor) => Tensor]> = {
  'mse of [3,1] and [3]': [f64(3, 1), x => mse(x, f64(3))],
  'mse of [3] and [3,1]': [f64(3), x => mse(f64(3, 1), x)],
  'batchNorm with a weight [1]': [f64(4, 3), x => batchNorm(x, f64(1), f64(3))],
  'batchNorm with a followed weight [1]': [f64(1), w => batchNorm(f64(4, 3), w, f64(3))],
  'batchNorm with moments [1]': [f64(4, 3), x => batchNorm(x, f64(3), f64(3), { mean: f64(1), variance: f64(1) })],
  'layerNorm with a weight [1]': [f64(2, 4), x => layerNorm(x, f64(1), f64(4))],
  'layerNorm with a weight [3,4]': [f64(3, 4), x => layerNorm(x, f64(3, 4), f64(4))],
  'rmsNorm with a weight [1]': [f64(2, 4), x => rmsNorm(x, f64(1))],
  'rmsNorm with a followed weight [3,4]': [f64(3, 4), w => rmsNorm(f64(3, 4), w)],
  'linear with a bias [1]': [f64(2, 3), x => linear(x, f64(4, 3), f64(1))],
  'linear with a followed bias [1]': [f64(1), b => linear(f64(2, 3), f64(4, 3), b)],
  'linear with a vector as weight': [f64(3), w => linear(f64(2, 3), w)],
  'crossEntropy with more labels than rows': [f64(2, 3), x => crossEntropy(x, labels(3))],
  'crossEntropy with fewer labels than rows': [f64(2, 3), x => crossEntropy(x, labels(1))],
  'attention of vectors': [f64(3), x => scaledDotProductAttention(x, f64(3), f64(3))],
  'attention with a mask of other keys': [
    f64(2, 3),
    x => scaledDotProductAttention(x, f64(4, 3), f64(4, 3), { mask: f64(2, 3) }),
  ],
  'glu of tensors that do not broadcast': [f64(2), x => gatedProduct(x, f64(3))],
  'conv2d of other channels': [f64(1, 2, 4, 4), x => conv2d(x, f64(1, 3, 2, 2))],
}

it.each(Object.entries(refused))('%s is refused by every interpreter', (_, [x, f]) => {
  const wanted = outcome(() => f(x))
  expect(wanted).toMatch(/^ShapeError: /)
  const ofList: Body = xs => f(xs[0]!)
  for (const [name, value] of Object.entries(interpreters)) {
    expect(
      outcome(() => value(ofList, [x])),
      name,
    ).toBe(wanted)
  }
  expect(outcome(() => gated(f, x, reshape(x, [1, ...x.shape]), 2).value)).toBe(wanted)
})
