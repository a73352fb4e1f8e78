import { js, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { hosted } from '../call.js'
import { Evaluator } from '../evaluate.js'
import type { ElementType, HostArray } from '../graph.js'
import { hostOf } from '../host.js'
import { modelOf, type NodeSpec } from '../oracles/onnx.js'
import { readGraph } from '../read.js'

// Integers that a double, or a quotient of doubles, does not hold, and sums beyond the range.

const of = (type: ElementType, values: readonly (number | bigint)[]) => hostOf(type, [values.length], values)

/** Output 0 as BigInt, which both backends and dtypes give. */
function run(op: string, inputs: Readonly<Record<string, HostArray>>, attributes: NodeSpec['attributes'] = {}) {
  const names = Object.keys(inputs)
  const graph = readGraph(
    modelOf(
      {
        nodes: [{ op, inputs: names, outputs: ['y'], attributes }],
        inputs: names.map(name => ({ name, type: inputs[name]!.type, shape: inputs[name]!.shape })),
        outputs: [{ name: 'y' }],
      },
      18,
    ),
  )
  const runs = [js(), wasm()].flatMap(backend =>
    (['f32', 'f64'] as const).map(dtype => {
      const { type, data } = hosted(new Evaluator(graph, { backend, dtype }).run(inputs, ['y']).y!)
      return { type, values: Array.from(data as ArrayLike<number | bigint>, BigInt) }
    }),
  )
  for (const other of runs) expect(other).toEqual(runs[0])
  expect(runs[0]!.type).toBe(inputs[names[0]!]!.type)
  return runs[0]!.values
}

describe('ReduceL2 of integers', () => {
  it.each([
    [[2, 10, 11], 15n],
    [[2, 10, 25], 27n],
    [[2, 18, 39], 43n],
    [[1, 2], 2n],
    [[94906267], 94906267n],
  ] as const)('%j: %d', (values, expected) => {
    expect(run('ReduceL2', { x: of('i32', values) }, { keepdims: 0 })).toEqual([expected])
  })
})

describe('integers of 64 bits beyond 2^53', () => {
  const big = 2n ** 60n

  it('Range counts by exact differences', () => {
    const range = (start: bigint, limit: bigint, delta: bigint) =>
      run('Range', Object.fromEntries(Object.entries({ start, limit, delta }).map(([name, v]) => [name, hostOf('i64', [], [v])]))) // biome-ignore format: short
    expect(range(big, big + 3n, 1n)).toEqual([big, big + 1n, big + 2n])
    expect(range(big + 4n, big, -2n)).toEqual([big + 4n, big + 2n])
    expect(range(big, big, 1n)).toEqual([])
    expect(range(0n, 5n, 2n)).toEqual([0n, 2n, 4n])
    expect(() => range(0n, 5n, 0n)).toThrow('the step of a range is 0')
  })

  it('Unique tells neighbours apart', () => {
    expect(run('Unique', { x: of('i64', [big + 1n, big, big + 1n]) })).toEqual([big, big + 1n])
  })
})

describe('ReduceLogSum of numbers whose sum overflows', () => {
  it.each([
    ['f64', 1.5e308, 710.2948209308342],
    ['f32', 3e38, 89.2899930030018],
  ] as const)('in %s', (dtype, x, expected) => {
    for (const backend of [js(), wasm()]) {
      for (const keepdims of [0, 1]) {
        const graph = readGraph(
          modelOf({
            nodes: [{ op: 'ReduceLogSum', inputs: ['x'], outputs: ['y'], attributes: { axes: [1], keepdims } }],
            inputs: [{ name: 'x', type: 'f64', shape: [2, 2] }],
            outputs: [{ name: 'y' }],
          }),
        )
        const given = { x: hostOf('f64', [2, 2], [x, x, 1, 2]) }
        const { shape, data } = hosted(new Evaluator(graph, { backend, dtype }).run(given, ['y']).y!)
        expect(shape).toEqual(keepdims === 0 ? [2] : [2, 1])
        const eps = dtype === 'f64' ? 1e-15 : 2e-7
        expect(Math.abs(Number(data[0]) / expected - 1)).toBeLessThanOrEqual(eps)
        expect(Math.abs(Number(data[1]) / Math.log(3) - 1)).toBeLessThanOrEqual(eps)
      }
    }
  })
})

/** The real outputs of one node in f64, which both backends give. */
function reals(
  op: string,
  inputs: Readonly<Record<string, HostArray>>,
  attributes: NodeSpec['attributes'],
  outputs = 1,
) {
  const names = Object.keys(inputs)
  const wanted = Array.from({ length: outputs }, (_, i) => `y${i}`)
  const graph = readGraph(
    modelOf(
      {
        nodes: [{ op, inputs: names, outputs: wanted, attributes: attributes ?? {} }],
        inputs: names.map(name => ({ name, type: inputs[name]!.type, shape: inputs[name]!.shape })),
        outputs: wanted.map(name => ({ name })),
      },
      23,
    ),
  )
  const [a, b] = [js(), wasm()].map(backend => {
    const found = new Evaluator(graph, { backend }).run(inputs, wanted)
    return wanted.map(name => Array.from(hosted(found[name]!).data as Float64Array))
  })
  a!.forEach((y, i) => y.forEach((v, j) => expect(b![i]![j]).toBeCloseTo(v, 14))) // biome-ignore format: short
  return a!
}

it('LpNormalization of the largest numbers', () => {
  const x = hostOf('f64', [2, 2], [Number.MAX_VALUE, -Number.MAX_VALUE, 3, 4])
  const [two] = reals('LpNormalization', { x }, { p: 2 })
  ;[Math.SQRT1_2, -Math.SQRT1_2, 0.6, 0.8].forEach((v, i) => expect(two![i]).toBeCloseTo(v, 15))
  const [one] = reals('LpNormalization', { x }, { p: 1 })
  ;[0.5, -0.5, 3 / 7, 4 / 7].forEach((v, i) => expect(one![i]).toBeCloseTo(v, 15))
})

it('the second output of SimplifiedLayerNormalization is 1/√(mean of x² + ε)', () => {
  const inputs = { x: hostOf('f64', [2, 2], [3, 4, 3e200, 4e200]), scale: hostOf('f64', [2], [1, 1]) }
  const [, inverse] = reals('SimplifiedLayerNormalization', inputs, { epsilon: { f: 0 } }, 2)
  // √(2/25)
  expect(inverse![0]).toBeCloseTo(Math.sqrt(0.08), 15)
  expect(inverse![1]! * 1e200).toBeCloseTo(Math.sqrt(0.08), 15)
})

it('the third output of LayerNormalization of the largest numbers', () => {
  const inputs = { x: hostOf('f64', [1, 2], [1.7e308, -1.7e308]), scale: hostOf('f64', [2], [1, 1]) }
  const [, , inverse] = reals('LayerNormalization', inputs, {}, 3)
  expect(inverse![0]! * 1.7e308).toBeCloseTo(1, 12)
})

it('Resize of bytes cuts off what lies between them', () => {
  // Places −0.25, 0.25, 0.75 and 1.25 of [1, 4]: 1, 1.75, 3.25, 4
  const x = of('u8', [1, 4])
  const absent = hostOf('f32', [0], [])
  const inputs = { x, roi: absent, scales: hostOf('f32', [1], [2]) }
  expect(run('Resize', inputs, { mode: 'linear' })).toEqual([1n, 1n, 3n, 4n])
})
