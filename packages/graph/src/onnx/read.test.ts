import { FormatError, tensor } from '@unravel/tensor'
import { sourceOf } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import { GraphError } from '../errors.js'
import { evaluate } from '../evaluate.js'
import { folded } from '../fold.js'
import type { ElementType } from '../graph.js'
import { bytes, float, functionField, int, modelOf, type NodeSpec, type TensorSpec, varint } from '../oracles/onnx.js'
import { readGraph } from '../read.js'

const node = (op: string, inputs: readonly string[], outputs: readonly string[]): NodeSpec => ({ op, inputs, outputs })
const x = { name: 'x', shape: [2] }
const y = { name: 'y' }

/** The numbers of one constant of a model. */
function numbersOf(constant: TensorSpec): { type: ElementType; data: (number | bigint)[] } {
  const graph = readGraph(modelOf({ nodes: [], constants: [{ ...constant, name: 'c' }], outputs: [{ name: 'c' }] }))
  const { type, data } = graph.constants.get('c')!.read()
  return { type, data: Array.from(data as ArrayLike<number | bigint>) }
}

describe('storages of weights', () => {
  const packed = (number: number, values: readonly (number | bigint)[]) => bytes(number, values.flatMap(v => varint(v))) // biome-ignore format: short
  const f64 = (values: readonly number[]) => new Uint8Array(Float64Array.from(values).buffer)

  it.each<[string, TensorSpec, (number | bigint)[]]>([
    ['raw_data of f32', { dims: [2], values: [0.5, -2] }, [0.5, -2]],
    ['raw_data of i64', { type: 'i64', dims: [2], values: [5, -7] }, [5n, -7n]],
    ['raw_data of bool, any byte but 0 as 1', { type: 'bool', dims: [3], fields: bytes(9, [0, 1, 255]) }, [0, 1, 1]],
    ['raw_data of f16', { type: 'f16', dims: [3], fields: bytes(9, [0, 0x3c, 0, 0xc0, 1, 0]) }, [1, -2, 2 ** -24]],
    ['raw_data of bf16', { type: 'bf16', dims: [2], fields: bytes(9, [0x80, 0x3f, 0x49, 0xc0]) }, [1, -3.140625]],
    ['raw_data of i16', { type: 'i16', dims: [1], fields: bytes(9, [0xfe, 0xff]) }, [-2]],
    ['raw_data of u32', { type: 'u32', dims: [1], fields: bytes(9, [255, 255, 255, 255]) }, [4294967295]],
    ['float_data, packed', { dims: [2], fields: bytes(4, new Uint8Array(Float32Array.of(1, 2).buffer)) }, [1, 2]],
    ['float_data, one by one', { dims: [2], fields: [...float(4, 1), ...float(4, 2)] }, [1, 2]],
    ['double_data', { type: 'f64', dims: [2], fields: bytes(10, f64([0.1, 0.2])) }, [0.1, 0.2]],
    ['int32_data of u8', { type: 'u8', dims: [2], fields: packed(5, [0, 255]) }, [0, 255]],
    ['int32_data of i8', { type: 'i8', dims: [2], fields: packed(5, [-128, 127]) }, [-128, 127]],
    ['int32_data of i32', { type: 'i32', dims: [1], fields: int(5, -5) }, [-5]],
    ['int32_data of f16', { type: 'f16', dims: [2], fields: packed(5, [0x3c00, 0xc000]) }, [1, -2]],
    ['int32_data of bf16', { type: 'bf16', dims: [1], fields: packed(5, [0x3f80]) }, [1]],
    ['int32_data of bool', { type: 'bool', dims: [2], fields: packed(5, [0, 7]) }, [0, 1]],
    [
      'int64_data',
      { type: 'i64', dims: [2], fields: packed(7, [-(2n ** 63n), 2n ** 63n - 1n]) },
      [-(2n ** 63n), 2n ** 63n - 1n],
    ],
    ['uint64_data of u64', { type: 'u64', dims: [1], fields: packed(11, [2n ** 64n - 1n]) }, [2n ** 64n - 1n]],
    ['uint64_data of u32', { type: 'u32', dims: [1], fields: packed(11, [4294967295]) }, [4294967295]],
    ['no elements', { dims: [0] }, []],
    ['a scalar', { dims: [], values: [3] }, [3]],
  ])('%s', (_, spec, expected) => {
    expect(numbersOf(spec)).toEqual({ type: spec.type ?? 'f32', data: expected })
  })

  it('raw_data at any alignment', () => {
    for (let pad = 0; pad < 4; pad++) {
      const file = modelOf({
        nodes: [],
        constants: [{ name: 'n'.repeat(pad + 1), dims: [1], values: [1.5] }],
        outputs: [{ name: 'n'.repeat(pad + 1) }],
      })
      const shifted = new Uint8Array(file.length + pad)
      shifted.set(file, pad)
      expect([...readGraph(shifted.subarray(pad)).constants.values()][0]!.read().data[0]).toBe(1.5)
    }
  })

  it('external data in a file beside the model, at an offset', () => {
    const entry = (key: string, value: string) => bytes(13, [...bytes(1, key), ...bytes(2, value)])
    const external = (path: string, offset: number) => [
      ...entry('location', path),
      ...entry('offset', String(offset)),
      ...entry('length', '8'),
      ...int(14, 1),
    ]
    const model = (path: string, offset: number) =>
      modelOf({
        nodes: [],
        constants: [{ name: 'c', dims: [2], fields: external(path, offset) }],
        outputs: [{ name: 'c' }],
      })
    const data = new Uint8Array(Float32Array.of(9, 1, 2).buffer)
    const beside = (path: string) => {
      expect(path).toBe('weights/a.bin')
      return sourceOf(data)
    }
    const read = (path: string, offset: number) =>
      [...readGraph(model(path, offset), { beside }).constants.get('c')!.read().data as Float32Array] // biome-ignore format: cast
    expect(read('weights/a.bin', 4)).toEqual([1, 2])
    expect(() => read('weights/a.bin', 8)).toThrow('"weights/a.bin", which has 12')
    expect(() => read('../a.bin', 0)).toThrow("inside of the model's folder")
    expect(() => read('/etc/passwd', 0)).toThrow("inside of the model's folder")
    expect(() => readGraph(model('weights/a.bin', 0)).constants.get('c')!.read()).toThrow('without its folder')
  })

  it.each<[string, TensorSpec, RegExp]>([
    ['raw_data of too few bytes', { dims: [3], values: [1, 2] }, /\[3\] of f32, 12 bytes; its raw_data has 8/],
    ['too few numbers', { dims: [3], fields: float(4, 1) }, /3 elements; its float_data has 1/],
    ['too many numbers', { type: 'i64', dims: [1], fields: packed(7, [1, 2]) }, /has more/],
    ['a shape that no memory holds', { dims: [2 ** 31, 2 ** 31] }, /more than 2\^53 elements/],
    ['a shape that the file does not hold', { type: 'i64', dims: [2 ** 40], fields: packed(7, [1]) }, /at most 1/],
    ['a negative axis', { dims: [-1] }, /an axis of -1 elements/],
    ['a type that is not supported', { dims: [1], fields: int(2, 17) }, /float8e4m3fn, which are not supported/],
  ])('refuses %s', (_, spec, message) => {
    expect(() => numbersOf(spec)).toThrow(FormatError)
    expect(() => numbersOf(spec)).toThrow(message)
  })
})

describe('graphs', () => {
  it('sorts nodes that are not in order', () => {
    const graph = readGraph(
      modelOf({ nodes: [node('Relu', ['a'], ['y']), node('Neg', ['x'], ['a'])], inputs: [x], outputs: [y] }),
    )
    expect(graph.nodes.map(n => n.op)).toEqual(['Neg', 'Relu'])
  })

  it('keeps the order of a file that is sorted, and gives every node a name of its own', () => {
    const twice = { ...node('Neg', ['x'], ['a']), name: 'n' }
    const graph = readGraph(
      modelOf({
        nodes: [twice, { ...node('Abs', ['x'], ['b']), name: 'n' }, node('Add', ['a', 'b'], ['y'])],
        inputs: [x],
        outputs: [y],
      }),
    )
    expect(graph.nodes.map(n => n.op)).toEqual(['Neg', 'Abs', 'Add'])
    expect(new Set(graph.nodes.map(n => n.name)).size).toBe(3)
  })

  it('leaves inputs out that have a value in the file', () => {
    const graph = readGraph(
      modelOf({
        nodes: [node('Add', ['x', 'w'], ['y'])],
        inputs: [x, { name: 'w', shape: [2] }],
        constants: [{ name: 'w', dims: [2], values: [1, 2] }],
        outputs: [y],
      }),
    )
    expect(graph.inputs.map(i => i.name)).toEqual(['x'])
  })

  it('constants of a graph include Constant nodes of every kind', () => {
    const constant = (output: string, attributes: NodeSpec['attributes']): NodeSpec => ({
      ...{ op: 'Constant', inputs: [], outputs: [output], attributes: attributes! },
    })
    const graph = readGraph(
      modelOf({
        nodes: [
          constant('a', { value: { tensor: { dims: [1], values: [4] } } }),
          constant('b', { value_float: { f: 2.5 } }),
          constant('c', { value_int: 2n ** 53n + 1n }),
          constant('d', { value_ints: [1, -2] }),
          constant('e', { value_floats: { floats: [0.5] } }),
        ],
        outputs: [{ name: 'a' }],
      }),
    )
    expect(graph.nodes).toEqual([])
    const read = (name: string) => {
      const { type, shape, data } = graph.constants.get(name)!.read()
      return [type, shape, [...(data as Iterable<number | bigint>)]]
    }
    expect(read('a')).toEqual(['f32', [1], [4]])
    expect(read('b')).toEqual(['f32', [], [2.5]])
    expect(read('c')).toEqual(['i64', [], [2n ** 53n + 1n]])
    expect(read('d')).toEqual(['i64', [2], [1n, -2n]])
    expect(read('e')).toEqual(['f32', [1], [0.5]])
  })

  it('writes out functions of the model, their attributes and constants bound', () => {
    const body: NodeSpec[] = [
      { op: 'Constant', inputs: [], outputs: ['k'], attributes: { value_float: { ref: 'scale', type: 1 } } },
      node('Mul', ['in', 'k'], ['scaled']),
      { op: 'LeakyRelu', inputs: ['scaled'], outputs: ['out'], attributes: { alpha: { ref: 'alpha', type: 1 } } },
    ]
    const call = (input: string, output: string, alpha: number): NodeSpec => ({
      ...{ op: 'Scaled', domain: 'here', inputs: [input], outputs: [output] },
      attributes: { alpha: { f: alpha }, scale: { f: 2 } },
    })
    const file = modelOf({ nodes: [call('x', 'a', 0.5), call('a', 'y', 0.25)], inputs: [x], outputs: [y] }, 17, [
      ...functionField('Scaled', 'here', ['in'], ['out'], body, ['alpha', 'scale']),
      ...bytes(8, [...bytes(1, 'here'), ...int(2, 1)]),
    ])
    const graph = readGraph(file)
    expect(graph.nodes.map(n => n.op)).toEqual(['Mul', 'LeakyRelu', 'Mul', 'LeakyRelu'])
    const given = { type: 'f32', shape: [2], data: Float32Array.of(3, -1) } as const
    expect([...evaluate(graph, { x: given }).y!.dataSync()]).toEqual([12, -0.5])
  })

  const chain = (n: number) => Array.from({ length: n }, (_, i) => i)
  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'a cycle',
      () =>
        modelOf({
          nodes: [node('Add', ['x', 'b'], ['a']), node('Neg', ['a'], ['b'])],
          inputs: [x],
          outputs: [{ name: 'a' }],
        }),
      /on a cycle/,
    ],
    [
      'an input that nothing makes',
      () => modelOf({ nodes: [node('Add', ['x', 'w'], ['y'])], inputs: [x], outputs: [y] }),
      /Add "y" reads "w", which nothing makes/,
    ],
    [
      'a value that is made twice',
      () => modelOf({ nodes: [node('Neg', ['x'], ['y']), node('Abs', ['x'], ['y'])], inputs: [x], outputs: [y] }),
      /"y" is made twice/,
    ],
    [
      'an output that nothing makes',
      () => modelOf({ nodes: [], inputs: [x], outputs: [y] }),
      /nothing makes the output "y"/,
    ],
    ['an input twice', () => modelOf({ nodes: [], inputs: [x, x], outputs: [x] }), /"x" is there twice/],
    [
      'functions that call themselves',
      () =>
        modelOf({ nodes: [{ ...node('F', ['x'], ['y']), domain: 'here' }], inputs: [x], outputs: [y] }, 17, [
          ...functionField('F', 'here', ['a'], ['b'], [{ ...node('F', ['a'], ['b']), domain: 'here' }]),
        ]),
      /more than 16 deep/,
    ],
    [
      'functions that write out to more nodes than there is memory',
      () =>
        modelOf({ nodes: [{ ...node('F0', ['x'], ['y']), domain: 'here' }], inputs: [x], outputs: [y] }, 17, [
          ...chain(12).flatMap(i =>
            functionField(
              `F${i}`,
              'here',
              ['a'],
              ['b'],
              chain(12).map(j => ({
                ...node(`F${i + 1}`, [j === 0 ? 'a' : `v${j}`], [j === 11 ? 'b' : `v${j + 1}`]),
                domain: 'here',
              })),
            ),
          ),
        ]),
      /write out to more than/,
    ],
    ['no graph', () => Uint8Array.from(int(1, 8)), /holds no graph/],
    ['an empty file', () => new Uint8Array(0), /holds no graph/],
    ['a file of another kind', () => new TextEncoder().encode('version https://git-lfs.github.com/spec/v1'), /onnx:/],
    ['JSON that is no model of tfjs', () => new TextEncoder().encode('{"format": "graph-model"}'), /tfjs: there is no/],
    [
      'a model that names no opset',
      () => modelOf({ nodes: [node('Neg', ['x'], ['y'])], inputs: [x], outputs: [y] }, 17).slice(0, -4),
      /names no opset/,
    ],
    [
      'a length beyond its message',
      () => Uint8Array.from([...int(1, 8), ...varint(8 * 7 + 2), ...varint(2 ** 40)]),
      /its message ends at/,
    ],
  ])('refuses %s', (_, file, message) => {
    expect(() => readGraph(file())).toThrow(FormatError)
    expect(() => readGraph(file())).toThrow(message)
  })

  it('refuses graphs nested deeper than files nest them', () => {
    let graph: Parameters<typeof modelOf>[0] = {
      nodes: [],
      constants: [{ name: 'k', dims: [1], values: [1] }],
      outputs: [{ name: 'k' }],
    }
    for (let depth = 0; depth < 40; depth++) {
      graph = {
        nodes: [
          {
            op: 'If',
            inputs: ['c'],
            outputs: ['y'],
            attributes: { then_branch: { graph }, else_branch: { graph: { nodes: [], outputs: [{ name: 'c' }] } } },
          },
        ],
        outputs: [{ name: 'y' }],
      }
    }
    const file = modelOf({ ...graph, inputs: [{ name: 'c', type: 'bool', shape: [] }] })
    expect(() => readGraph(file)).toThrow(/nested more than 16 deep/)
  })
})

it('an If may leave outputs without a name, which its branches need not have; others are refused by name', () => {
  const graph = { nodes: [node('Neg', ['x'], ['k'])], outputs: [{ name: 'k' }] }
  const attributes = { then_branch: { graph }, else_branch: { graph } }
  const constants = [{ name: 'c', type: 'bool' as const, dims: [], fields: bytes(9, [1]) }]
  const foldedWith = (outputs: readonly string[]) => {
    const fork = { op: 'If', inputs: ['c'], outputs, name: 'fork', attributes }
    const read = readGraph(modelOf({ nodes: [fork], constants, inputs: [x], outputs: [y] }))
    return folded(read, { x: tensor([1, 2]) })
  }
  expect(foldedWith(['y', '']).nodes.map(n => n.op)).toEqual(['Neg', 'Identity'])
  expect(() => foldedWith(['y', 'z'])).toThrow('output 1 of If "fork", "z"')
})

it('an operator without a row is named with its node, beside all others', () => {
  const nodes = [
    { ...node('Neg', ['x'], ['a']), name: 'first' },
    { ...node('LSTM', ['a', 'a', 'a'], ['b']), name: 'memory' },
    { ...node('Frobnicate', ['b'], ['y']), name: 'last', domain: 'com.example' },
  ]
  const graph = readGraph(modelOf({ nodes, inputs: [x], outputs: [y] }))
  expect(() => evaluate(graph, {})).toThrow(GraphError)
  expect(() => evaluate(graph, {})).toThrow(
    /LSTM of node "memory" is not supported: it is recurrent.*nor are com\.example\.Frobnicate \(1 nodes/,
  )
})
