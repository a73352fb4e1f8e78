import { js, logSoftmax, mul, Random, series, softmax, stack, type Tensor, tensor, vjp } from '@unravel/tensor'
import { apply, type Dense, opTable } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { type Case, cases, type Domain } from '../conformance/cases.js'
import { type Backend, device, expectClose, modes, wasm } from './devices.js'

// The op table in f32 in a browser: values, cotangents and Taylor series against the js kernels in f64 on the same numbers.

type AnyOp = (typeof opTable)[number]

/** The same numbers, exact in f32, on every backend. */
function inputsOf(c: Case, dtype: 'f32' | 'f64', backend: Backend): Dense[] {
  const random = new Random(7)
  return c.inputs.map(({ shape, domain }) => sample(random, shape, domain, dtype, backend))
}

function sample(
  random: Random,
  shape: readonly number[],
  domain: Domain,
  dtype: 'f32' | 'f64',
  backend: Backend,
): Dense {
  const where = { dtype: 'f64' as const, backend: js() }
  const make = (values: ArrayLike<number>) =>
    tensor(Float64Array.from(Float32Array.from(values)), { shape, dtype, backend })
  const n = shape.reduce((a, b) => a * b, 1)
  if (typeof domain === 'object') {
    const ids = random.uniform(shape, 0, domain.ids, where).dataSync().map(Math.floor)
    return tensor(Int32Array.from(ids), { shape, dtype: 'i32', backend })
  }
  if (domain === 'unit') return make(random.uniform(shape, -0.9, 0.9, where).dataSync())
  if (domain === 'positive') return make(random.uniform(shape, 0.5, 2, where).dataSync())
  if (domain === 'mask') return make(random.uniform(shape, 0, 2, where).dataSync().map(Math.floor))
  if (domain === 'distinct') {
    return make(Float64Array.from(random.permutation(n), i => ((i - n / 2 + 0.5) * 1.7) / Math.max(1, n / 2)))
  }
  const values = random.normal(shape, 0, 0.8, where)
  if (domain === 'softmax') return make(softmax(mul(values, 3)).dataSync())
  if (domain === 'logSoftmax') return make(logSoftmax(mul(values, 3)).dataSync())
  return make(values.dataSync())
}

const differentiable = (op: AnyOp) => op.vjp !== undefined || op.body !== undefined

/** The op as a function of its differentiable inputs. */
function ofFloats(op: AnyOp, c: Case, inputs: readonly Tensor[]) {
  const at = c.inputs.flatMap((x, i) => (typeof x.domain === 'object' || x.domain === 'mask' ? [] : [i]))
  const f = (...xs: Tensor[]) => {
    const all = [...inputs]
    at.forEach((i, j) => {
      all[i] = xs[j]!
    })
    return apply(op, all, c.attrs)
  }
  return { f, xs: at.map(i => inputs[i]!) }
}

/** The results of an op's rules: its value, its cotangents, its series to order 3. */
function outcomes(op: AnyOp, c: Case, dtype: 'f32' | 'f64', backend: Backend): Tensor[] {
  const inputs = inputsOf(c, dtype, backend)
  const out = apply(op, inputs, c.attrs)
  if (!differentiable(op) || out.size === 0) return [out]
  const { f, xs } = ofFloats(op, c, inputs)
  const random = new Random(3)
  const direction = (shape: readonly number[], size: number) => {
    const values = Float64Array.from(
      Float32Array.from(random.normal(shape, 0, size, { dtype: 'f64', backend: js() }).dataSync()),
    )
    return tensor(values, { shape, dtype, backend })
  }
  const { value, pullback } = vjp<readonly Tensor[]>(v => f(...v), xs)
  const stacks = xs.map(x => stack([x, ...[1, 2, 3].map(() => direction(x.shape, 0.3))], 0))
  return [out, ...pullback(direction(value.shape, 1)), series<readonly Tensor[]>(v => f(...v), stacks, 3)]
}

const targets: readonly [string, () => Promise<Backend>][] = [
  ['wasm', async () => wasm()],
  ...modes.map(mode => [mode, () => device(mode)] as [string, () => Promise<Backend>]),
]

describe.each(targets)('the op table on %s', (target, open) => {
  it.each(opTable.filter(op => cases[op.name]!.length > 0).map(op => [op.name, op] as const))(
    '%s',
    async (_, op: AnyOp) => {
      const backend = await open()
      backend.policy = 'fallback'
      for (const c of cases[op.name] ?? []) {
        const want = outcomes(op, c, 'f64', js())
        const got = outcomes(op, c, 'f32', backend)
        for (const [i, t] of got.entries())
          expectClose(await t.data(), want[i]!.dataSync(), [64, 256, 1024][Math.min(i, 2)]! * 2 ** -23, 1)
      }
    },
  )

  // Sorting has no kernel for graphics: it is counted, as kernels/README.md says.
  const without = ['argsort f32']

  it('ran on its own kernels but for what is not f32', async () => {
    const fallbacks = [...(await open()).fallbacks()]
    console.log(`${target}: ${fallbacks.map(([kernel, n]) => `${kernel} ${n}`).join(', ') || 'no fallbacks'}`)
    if (target !== 'wasm')
      expect(fallbacks.map(([kernel]) => kernel).filter(kernel => kernel.endsWith(' f32'))).toEqual(without)
  })
})
