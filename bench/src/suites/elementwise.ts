import { exp, gelu, js, tanh, tensor } from '@unravel/tensor'
import { elementwise as each, ulps32 } from '../check.js'
import { ours } from '../peers/unravel.js'
import type { Case, Suite } from '../types.js'
import { type MapWork, normal } from '../works.js'

const functions = { exp: Math.exp, tanh: Math.tanh, gelu: geluOf } as const
type Name = keyof typeof functions

/** x·Φ(x) by our f64 reference kernel, whose own bound is 5 ulp of f64. */
function geluOf(x: number): number {
  return gelu(tensor(Float64Array.of(x), { backend: js() })).dataSync()[0]!
}

/** The function on every element at once, in f64. */
function table(op: Name, x: ArrayLike<number>): Float64Array {
  if (op === 'gelu') return gelu(tensor(Float64Array.from(x), { backend: js() })).dataSync() as Float64Array
  return Float64Array.from(x, functions[op])
}

function map(op: Name, dtype: 'f32' | 'f64', n: number): Case {
  const work: MapWork = { kind: 'map', op, dtype, x: normal(dtype, n, 2, 5) }
  return {
    name: `${op}-${dtype}`,
    what: `${op} of ${n} elements, ${dtype}`,
    work,
    own: [() => ours(work), () => ours(work, 'ours plain'), () => ours(work, 'ours 2 threads')],
    without: n > 1e6 ? { 'tfjs-cpu': 'plain JavaScript' } : {},
    check: values => {
      const wanted = table(op, work.x)
      let at = 0
      // Approximations of a peer may be worse than ours: 10⁻⁵ of the value, or of 1 where it is smaller.
      return each(work.x, () => wanted[at++]!, dtype === 'f64' ? 1e-6 : 1e-5, 1)(values)
    },
    amount: { count: n, unit: 'element' },
  }
}

/** ulp of f32 over the range where the result is a normal number. */
async function error(op: Name): Promise<number> {
  const x = Float32Array.from({ length: 200_000 }, (_, i) => -20 + i / 5_000)
  const c = (await ours({ kind: 'map', op, dtype: 'f32', x }))!
  const values = await c.result()
  await c.dispose?.()
  const wanted = table(op, x)
  let at = 0
  return ulps32(x, values, () => wanted[at++]!)
}

export const elementwise: Suite = {
  name: 'elementwise',
  what: 'functions of every element',
  cases: ({ quick }) => {
    const n = quick ? 1 << 20 : 1 << 22
    const names = Object.keys({ exp, tanh, gelu }) as Name[]
    return [...names.map(op => () => map(op, 'f32', n)), ...names.map(op => () => map(op, 'f64', n / 4))]
  },
  quantities: () =>
    (Object.keys(functions) as Name[]).map(op => ({
      name: `${op}-f32-ulp`,
      what: `largest error of f32 ${op} on [−20, 20], 200,000 points`,
      unit: 'ulp',
      measure: () => error(op),
    })),
}
