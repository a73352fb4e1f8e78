import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { arange, type DType, full, gated, js, mul, series, sum, type Tensor, tensor, vjp, wasm } from '../index.js'

// Recorded by fixtures/printing.py from NumPy 1.24.
const { cases, big } = JSON.parse(readFileSync(new URL('../../fixtures/printing.json', import.meta.url), 'utf8')) as {
  cases: { dtype: DType; shape: number[]; values: (number | string)[]; text: string }[]
  big: { n: number; dtype: DType; shape: number[]; text: string }[]
}
const special: Record<string, number> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity, '-0': -0 }
const printed = (t: Tensor) => `${t}`.replace(/^[fi]\d\d\[[\d,]*\]\s/, '')

describe.each([js(), wasm()])('on $name', backend => {
  it('prints numbers as NumPy does', () => {
    for (const { dtype, shape, values, text } of cases) {
      const data = Float64Array.from(values, v => (typeof v === 'string' ? special[v]! : v))
      expect(printed(tensor(data, { shape, dtype, backend }))).toBe(text)
    }
  })

  it('leaves out the middle of more than 1000 numbers', () => {
    for (const { n, dtype, shape, text } of big) {
      const t = tensor(
        Float64Array.from({ length: n }, (_, i) => (dtype === 'i32' ? i : i / 8)),
        { shape, dtype, backend },
      )
      expect(printed(t)).toBe(text)
    }
  })

  it('says type and numbers on the console and in template strings', () => {
    expect(inspect(tensor([1, 2.5], { backend }))).toBe('f32[2] [1.  2.5]')
    expect(`${full([2, 2], 3, { dtype: 'i32', backend })}`).toBe('i32[2,2]\n[[3 3]\n [3 3]]')
    expect(inspect({ loss: tensor(0.25, { dtype: 'f64', backend }) })).toBe('{ loss: f64[] 0.25 }')
  })

  it('gives nested lists, and writes them as JSON', () => {
    const lists = [
      [1, 2, 3],
      [4, 5, 6],
    ]
    expect(tensor(lists, { backend }).toArray()).toEqual(lists)
    expect(tensor(7, { backend }).toArray()).toBe(7)
    expect(full([2, 0], 1, { backend }).toArray()).toEqual([[], []])
    expect(JSON.stringify({ w: tensor(lists, { backend }), b: tensor([Number.NaN, 1], { backend }) })).toBe(
      '{"w":[[1,2,3],[4,5,6]],"b":[null,1]}',
    )
  })

  it('refuses operators, with the op to write instead', () => {
    const t = tensor([1, 2], { backend }) as unknown as number
    for (const use of [() => t + 1, () => 1 - t, () => t < 2, () => +t]) {
      expect(use).toThrow(TypeError)
      expect(use).toThrow('f32[2] is no operand of + - * / or <: write add(t, 1)')
    }
  })

  it('names a disposed tensor where it is printed', () => {
    const t = arange(3, undefined, 1, { backend })
    t.dispose()
    expect(inspect(t)).toBe('i32[3] made by tensor, disposed')
  })
})

it('prints tracers without numbers', () => {
  const x = tensor([1, 2])
  const seen: string[] = []
  const look = (t: Tensor) => {
    seen.push(inspect(t), `${t}`)
    return sum(mul(t, 2))
  }
  vjp(look, x)
  series(look, tensor([[1, 2]]), 2)
  gated(look, x, tensor([[1, 2]]), 2)
  expect(seen).toEqual([
    ...new Array(2).fill('f32[2] traced by grad or vjp'),
    ...new Array(2).fill('f32[2] series with orders 0 to 0'),
    ...new Array(2).fill('f32[2] sum of paths of orders 0 to 0'),
  ])
  expect(() => vjp((t: Tensor) => sum(mul(t, JSON.stringify(t).length)), x)).toThrow('is being traced')
})

it('says how to read a tensor of a backend that cannot wait', () => {
  const { readSync: _, ...backend } = js()
  expect(inspect(tensor([1, 2], { backend }))).toBe('f32[2] on js: read it with await t.data()')
})
