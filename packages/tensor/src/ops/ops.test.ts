import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as unravel from '../index.js'
import { type Backend, type DType, grad, js, mul, sum, type Tensor, tensor, wasm } from '../index.js'
import type { Dense } from '../internals.js'

type Stored = { shape: number[]; data: (number | string)[]; whole: boolean }
interface Case {
  name: string
  inputs: Stored[]
  // biome-ignore lint/suspicious/noExplicitAny: arguments of any function
  args: any[]
  y: Stored
  gradients?: Stored[]
}
// Recorded by fixtures/ops.py from PyTorch 1.13 and NumPy 1.24.
const cases: Case[] = JSON.parse(readFileSync(new URL('../../fixtures/ops.json', import.meta.url), 'utf8'))

const special: Record<string, number> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity }
const numbers = (s: Stored) => Float64Array.from(s.data, v => (typeof v === 'string' ? special[v]! : v))

/** A recorded case as a function of its inputs. */
function call({ name, args }: Case, dtype: DType, backend: Backend) {
  // biome-ignore lint/suspicious/noExplicitAny: called by name
  const f = (unravel as any)[name]
  const rest = args.map(a => {
    if (a === 'inf' || a === '-inf') return special[a]
    return a?.classWeights ? { ...a, classWeights: tensor(a.classWeights, { dtype, backend }) } : (a ?? undefined)
  })
  if (name === 'clip') return (x: Tensor) => f(x, args[0], args[1] ?? null)
  if (name === 'einsum') return (...xs: Tensor[]) => f(rest[0], ...xs)
  if (name === 'oneHot') return (x: Tensor) => f(x, rest[0], dtype)
  // Options follow a bias that is absent, and eps parameters that are.
  const optional: Record<string, number> = { conv1d: 3, conv2d: 3, convTranspose2d: 3 }
  if (name === 'groupNorm') return (x: Tensor, w?: Tensor, b?: Tensor) => f(x, rest[0], w, b, rest[1])
  return (...xs: Tensor[]) => f(...xs, ...new Array(Math.max(0, (optional[name] ?? 0) - xs.length)), ...rest)
}

const inputsOf = (c: Case, dtype: DType, backend: Backend): Dense[] =>
  c.inputs.map(s => tensor(numbers(s), { shape: s.shape, dtype: s.whole ? 'i32' : dtype, backend }))

/** Within so many units of rounding of the largest number, and exactly where numbers are not finite. */
function expectNear(got: Tensor, want: Stored, tolerance: number) {
  expect(got.shape).toEqual(want.shape)
  const [a, b] = [got.dataSync(), numbers(want)]
  const size = b.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0)
  b.forEach((x, i) => {
    if (!Number.isFinite(x)) expect(a[i]).toBe(x)
    else if (!(Math.abs(a[i]! - x) <= tolerance * size)) expect.fail(`element ${i} is ${a[i]}, recorded ${x}`)
  })
}

/** Arguments that f32 holds, and no sums of large numbers. */
const fitsF32 = (c: Case) => !['sinh', 'cosh', 'tan', 'floor', 'ceil', 'round'].includes(c.name)

describe.each([js(), wasm()])('on $name', backend => {
  const named = cases.map((c, i) => [`${c.name}(${JSON.stringify(c.args).slice(1, -1)}) of case ${i}`, c] as const)

  it.each(named)('%s has the values and gradients that were recorded', (_, c) => {
    for (const dtype of ['f64', 'f32'] as const) {
      if (dtype === 'f32' && !fitsF32(c)) continue
      const tolerance = dtype === 'f64' ? 2e-13 : 2e-5
      const f = call(c, dtype, backend)
      const inputs = inputsOf(c, dtype, backend)
      expectNear(f(...inputs), c.y, tolerance)
      if (c.gradients === undefined) continue
      const weights = (y: Tensor) =>
        tensor(
          Float64Array.from({ length: y.size }, (_, i) => Math.cos(1 + i)),
          { shape: y.shape, dtype, backend },
        )
      const at = c.inputs.map((s, i) => (s.whole ? -1 : i)).filter(i => i >= 0)
      const gradients = grad((xs: Tensor[]) => {
        const y = f(...inputs.map((x, i) => xs[at.indexOf(i)] ?? x))
        return sum(mul(y, weights(y)))
      })(at.map(i => inputs[i]!)) as Tensor[]
      gradients.forEach((g, i) => {
        expectNear(g, c.gradients![i]!, 20 * tolerance)
      })
    }
  })
})
