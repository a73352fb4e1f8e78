import { expect, it } from 'vitest'
import type { Backend, DType, TypedArray } from './contract.js'
import { js } from './js/index.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'

// Casts and the arithmetic of i32 follow ECMAScript's conversions, so that every backend gives the same bits.

const backends: [string, Backend][] = [
  ['wasm, plain', createBackend(load('plain'))],
  ['wasm, relaxed', createBackend(load('relaxed'))],
]
const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array }
const strange = [0, -0, NaN, Infinity, -Infinity, 0.5, -0.999, 1.5, -2.5, 2 ** 24 + 1, 1e-45, 1e300, -1e300]
const large = [31, 32, 33, 52, 53, 62, 63, 64, 70, 84, 85, 100].flatMap(e => [
  2 ** e,
  -(2 ** e),
  2 ** e - 1,
  -3 * 2 ** e,
])
const fractions = Array.from({ length: 50 }, (_, i) => (i - 20) * 1.37)

function run(backend: Backend, from: DType, to: DType, x: TypedArray, f: (backend: Backend, x: unknown) => unknown) {
  const [input, output] = [backend.alloc(from, x.length), backend.alloc(to, x.length)]
  backend.write(input, x)
  f(backend, [input, output])
  const result = backend.readSync!(output)
  backend.release(input)
  backend.release(output)
  return result
}

it.each(backends)('casts on %s are those of typed arrays', (_, backend) => {
  for (const from of ['f32', 'f64', 'i32'] as const) {
    for (const to of ['f32', 'f64', 'i32'] as const) {
      const x = arrays[from].from([...strange, ...large, ...fractions])
      const cast = (b: Backend, p: unknown) => b.kernels.cast(...(p as Parameters<Backend['kernels']['cast']>))
      expect(run(backend, from, to, x, cast), `${from} to ${to}`).toEqual(run(js(), from, to, x, cast))
    }
  }
})

it.each(backends)('i32 arithmetic on %s is that of js', (_, backend) => {
  const x = Int32Array.from([0, 1, -1, 7, -7, 2 ** 31 - 1, -(2 ** 31), 12345, -99999])
  const pairs = [...x].flatMap(a => [...x].map(b => [a, b]))
  const left = Int32Array.from(pairs, p => p[0]!)
  for (const op of ['add', 'sub', 'div', 'maximum', 'minimum', 'less', 'equal'] as const) {
    const zip = (b: Backend, p: unknown) => {
      const [input, output] = p as Parameters<Backend['kernels']['cast']>
      const other = b.alloc('i32', left.length)
      b.write(
        other,
        Int32Array.from(pairs, p => p[1]!),
      )
      b.kernels.zip(op, [left.length], input, [1], other, [1], output)
      b.release(other)
    }
    expect(run(backend, 'i32', 'i32', left, zip), op).toEqual(run(js(), 'i32', 'i32', left, zip))
  }
  const affine = (b: Backend, p: unknown) => {
    const [input, output] = p as Parameters<Backend['kernels']['cast']>
    b.kernels.affine(input, 1.75, -0.5, output)
  }
  expect(run(backend, 'i32', 'i32', left, affine)).toEqual(run(js(), 'i32', 'i32', left, affine))
})
