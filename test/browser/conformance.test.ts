import { js, Random, series, stack, type Tensor, tensor, vjp } from '@unravel/tensor'
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

  // Sorting has no kernel for graphics: it is counted, as kernels/README.md says.
  const without = ['argsort f32']

  it('ran on its own kernels but for what is not f32', async () => {
    const fallbacks = [...(await open()).fallbacks()]
    console.log(`${target}: ${fallbacks.map(([kernel, n]) => `${kernel} ${n}`).join(', ') || 'no fallbacks'}`)
    if (target !== 'wasm')
      expect(fallbacks.map(([kernel]) => kernel).filter(kernel => kernel.endsWith(' f32'))).toEqual(without)
  })
})
