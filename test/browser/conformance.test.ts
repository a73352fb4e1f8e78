import { batchNorm, js, Random, series, stack, type Tensor, tensor, vjp } from '@unravel/tensor'
import { apply, opTable } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { type Case, cases } from '../conformance/cases.js'
import { type AnyOp, differentiable, inputsOf, ofFloats } from '../conformance/inputs.js'
import { type Backend, device, expectClose, modes, wasm } from './devices.js'

// The op table in f32 in a browser: values, cotangents and Taylor series against the js kernels in f64 on the same numbers.

/** The results of an op's rules: its value, its cotangents, its series to order 3. */
function outcomes(op: AnyOp, c: Case, dtype: 'f32' | 'f64', backend: Backend): Tensor[] {
  const inputs = inputsOf(c, dtype, backend, true)
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

  it.each([1, 1e20, 1e30, 1e36])('batch norm in training of numbers near %d', async size => {
    const at = (dtype: 'f32' | 'f64', backend: Backend) => {
      const make = (values: readonly number[], shape: readonly number[], by = 1) =>
        tensor(
          values.map(v => Math.fround(v * by)),
          { shape, dtype, backend },
        )
      // The first channel is large, the second one is not, the third one is constant.
      const x = [1, 2, 3, 4, -2, 0.5, 1, 1, 5, 5, 5, 5].map((v, i) => (i < 4 || i > 7 ? v * size : v))
      const inputs = [make(x, [1, 3, 4]), make([0.5, 2, 1.5], [3]), make([0.1, -0.2, 0.3], [3])] as const
      const c = make([1, 2, -1, 0.5, 0.3, -0.7, 1, 2, 1, 2, 3, 4], [1, 3, 4])
      const { value, pullback } = vjp(([a, w, b]: readonly Tensor[]) => batchNorm(a!, w!, b!), inputs)
      return [value, ...pullback(c)]
    }
    const got = at('f32', await open())
    for (const [i, t] of at('f64', js()).entries()) {
      const [values, want] = [await got[i]!.data(), t.dataSync()]
      // Gradients of a large channel are small: channels one by one. Those of a constant one are multiples of 1/√eps = 316.
      const part = want.length / 3
      for (const from of [0, part, 2 * part]) {
        const end = from + part
        expectClose(values.slice(from, end), want.slice(from, end), 64 * 2 ** -23, from === 0 ? 0 : 316)
      }
    }
  })

  // Sorting has no kernel for graphics: it is counted, as kernels/README.md says.
  const without = ['argsort f32']

  it('ran on its own kernels but for what is not f32', async () => {
    const fallbacks = [...(await open()).fallbacks()]
    console.log(`${target}: ${fallbacks.map(([kernel, n]) => `${kernel} ${n}`).join(', ') || 'no fallbacks'}`)
    if (target !== 'wasm')
      expect(fallbacks.map(([kernel]) => kernel).filter(kernel => kernel.endsWith(' f32'))).toEqual(without)
  })
})
