import { describe, expect, it } from 'vitest'
import { fuzz, mutated, outcomeOf } from '../oracles/fuzz.js'
import { bytes, functionField, int, modelOf, type NodeSpec } from '../oracles/onnx.js'
import { readGraph } from '../read.js'

const node = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: NodeSpec['attributes'] = {},
): NodeSpec => ({
  ...{ op, inputs, outputs: [output], attributes },
})
const numbers = (n: number) => Array.from({ length: n }, (_, i) => ((i * 7) % 11) / 11 - 0.4)

const files: Readonly<Record<string, Uint8Array>> = {
  'a convolution, a norm and shape arithmetic': modelOf({
    nodes: [
      node('Conv', ['x', 'w', 'b'], 'c', { pads: [1, 1, 1, 1], strides: [1, 1] }),
      node('Relu', ['c'], 'r'),
      node('Add', ['x', 'r'], 'a'),
      node('Shape', ['a'], 's'),
      node('Gather', ['s', 'zero'], 'n', { axis: 0 }),
      node('Concat', ['n', 'minus'], 'to', { axis: 0 }),
      node('Reshape', ['a', 'to'], 'f'),
      node('Gemm', ['f', 'm'], 'g', { transB: 1 }),
      node('Softmax', ['g'], 'y', { axis: -1 }),
    ],
    constants: [
      { name: 'w', dims: [2, 2, 3, 3], values: numbers(36) },
      { name: 'b', dims: [2], values: [0.1, 0.2] },
      { name: 'zero', type: 'i64', dims: [1], values: [0] },
      { name: 'minus', type: 'i64', dims: [1], values: [-1] },
      { name: 'm', dims: [3, 32], values: numbers(96) },
    ],
    inputs: [{ name: 'x', shape: ['n', 2, 4, 4] }],
    outputs: [{ name: 'y' }],
  }),
  'branches, loops and functions': modelOf(
    {
      nodes: [
        { ...node('Twice', ['x'], 't'), domain: 'here' },
        node('If', ['yes'], 'i', {
          then_branch: { graph: { nodes: [node('Neg', ['t'], 'p')], outputs: [{ name: 'p' }] } },
          else_branch: { graph: { nodes: [node('Abs', ['t'], 'q')], outputs: [{ name: 'q' }] } },
        }),
        node('Loop', ['trips', 'yes', 'i'], 'y', {
          body: {
            graph: {
              nodes: [node('Identity', ['on'], 'on2'), node('Add', ['v', 'x'], 'v2')],
              inputs: [
                { name: 'trip', type: 'i64', shape: [] },
                { name: 'on', type: 'bool', shape: [] },
                { name: 'v', shape: [2, 4] },
              ],
              outputs: [{ name: 'on2', type: 'bool' }, { name: 'v2' }],
            },
          },
        }),
      ],
      constants: [
        { name: 'yes', type: 'bool', dims: [], fields: bytes(9, [1]) },
        { name: 'trips', type: 'i64', dims: [], values: [3] },
      ],
      inputs: [{ name: 'x', shape: [2, 4] }],
      outputs: [{ name: 'y' }],
    },
    17,
    [
      ...functionField('Twice', 'here', ['a'], ['b'], [node('Add', ['a', 'a'], 'b')]),
      ...bytes(8, [...bytes(1, 'here'), ...int(2, 1)]),
    ],
  ),
}

describe.each(Object.entries(files))('%s', (_, file) => {
  const given = (text: readonly (number | string | null)[] | undefined) => {
    const shape = (text ?? [1]).map(n => (typeof n === 'number' ? n : 2))
    const count = shape.reduce((a, b) => a * b, 1)
    return count <= 4096 ? ({ type: 'f32', shape, data: new Float32Array(count).fill(0.5) } as const) : undefined
  }

  const run = (bytesOf: Uint8Array) =>
    outcomeOf(() => {
      const graph = readGraph(bytesOf)
      for (const constant of graph.constants.values()) constant.read()
      const inputs = Object.fromEntries(graph.inputs.flatMap(i => { const v = given(i.shape); return v ? [[i.name, v]] : [] })) // biome-ignore format: short
      return { graph, inputs }
    })

  it('the file runs without changes', () => {
    expect(run(file)).toBe('run')
  })

  it('a file with random errors runs or is refused by one error', { timeout: 3_600_000 }, () => {
    fuzz(7, next => mutated(file, next), run)
  })

  it('a file that is cut off anywhere is refused', () => {
    for (let length = 0; length < file.length; length += 7) run(file.subarray(0, length))
  })
})
