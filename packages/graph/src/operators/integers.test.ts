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
