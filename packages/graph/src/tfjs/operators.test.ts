import { describe, expect, it } from 'vitest'
import { GraphError } from '../errors.js'
import type { HostArray } from '../graph.js'
import { unsupported } from '../operators/table.js'
import {
  apart,
  attr,
  evaluated,
  executed,
  type Given,
  given,
  graphFiles,
  input,
  readFiles,
  type TfNode,
} from '../oracles/tfjs.js'

// Every operator of graph models against TensorFlow.js, which runs the same file.

const ints = (values: readonly number[], shape: readonly number[] = [values.length]): HostArray => ({
  type: 'i32',
  shape,
  data: Int32Array.from(values),
})
const int = (value: number) => ints([value], [])
const reals = (values: readonly number[], shape: readonly number[] = [values.length]): HostArray => ({
  type: 'f32',
  shape,
  data: Float32Array.from(values),
})

interface Case {
  /** The values that the operator reads: arrays for the file's inputs, numbers for its constants. */
  readonly inputs?: Given
  readonly constants?: Given
  readonly attr?: TfNode['attr']
  /** In the order in which the operator reads them; default: inputs, then constants. */
  readonly order?: readonly string[]
  readonly outputs?: number
}

const DT: Record<string, string> = { f32: 'DT_FLOAT', i32: 'DT_INT32', bool: 'DT_BOOL' }

/** Says that a graph gives what tfjs gives for its file. */
async function same(nodes: readonly TfNode[], inputs: Given, constants: Given = {}, more: object = {}): Promise<void> {
  const placeholders = Object.entries(inputs).map(
    ([name, { shape, type }]) =>
    input(name, shape.map((n, d) => (d === 0 ? -1 : n)), DT[type]), // biome-ignore format: short
  )
  const files = graphFiles([...placeholders, ...nodes], constants, more)
  const expected = await executed(files, inputs)
  const graph = readFiles(files)
  for (const dtype of ['f64', 'f32'] as const) {
    const found = evaluated(graph, inputs, dtype)
    for (const [name, y] of Object.entries(expected)) {
      expect(apart(found[name] ?? found[`${name}:0`]!, y), name).toBeLessThanOrEqual(1e-5)
    }
  }
}

const layout = { data_format: attr.s('NHWC') }
const four = (h: number, w: number) => attr.ints([1, h, w, 1])

async function operator(
  op: string,
  { inputs = {}, constants = {}, attr: own = {}, order, outputs = 1 }: Case,
): Promise<void> {
  const type = Object.values(inputs)[0]?.type ?? 'f32'
  const node = {
    name: 'out',
    op,
    input: order ?? [...Object.keys(inputs), ...Object.keys(constants)],
    attr: { T: attr.type(DT[type]!), ...own },
  }
  // Every output of several is one of the graph.
  const ends = Array.from({ length: outputs }, (_, i) => ({
    name: `out${i}`,
    op: 'Identity',
    input: [i === 0 ? 'out' : `out:${i}`],
    attr: {},
  }))
  const nodes = outputs === 1 ? [node] : [node, ...ends]
  await same(nodes, inputs, constants)
  // The same behind a convolution, whose transpose the operator is moved before; and with a value that has none beside it.
  const images = Object.entries(inputs).filter(([, { shape, type: t }]) => shape.length === 4 && t === 'f32')
  for (const few of new Set([images.length, Math.min(images.length, 1)])) {
    if (few === 0) continue
    const behind = images.slice(0, few).map(([name]) => name)
    const convolved = behind.map(
      (name): TfNode => ({
        ...{ name: `${name}/conv`, op: 'Conv2D', input: [name, `${name}/filter`] },
        attr: { ...layout, strides: four(1, 1), padding: attr.s('SAME'), dilations: four(1, 1) },
      }),
    )
    const filters = Object.fromEntries(
      behind.map(name => {
        const channels = inputs[name]!.shape[3]!
        // Every channel and a little of the next, so that signs and sizes stay what they are.
        const data = Float32Array.from({ length: channels ** 2 }, (_, i) => {
          const [a, b] = [Math.floor(i / channels), i % channels]
          return a === b ? 0.9 : a === (b + 1) % channels ? 0.05 : 0
        })
        return [`${name}/filter`, { type: 'f32', shape: [1, 1, channels, channels], data } as const]
      }),
    )
    const moved = { ...node, input: node.input.map(name => (behind.includes(name) ? `${name}/conv` : name)) }
    await same([...convolved, moved, ...nodes.slice(1)], inputs, { ...constants, ...filters })
  }
}

const x = given([2, 6, 5, 4], 1)
const positive = (shape: readonly number[], seed: number): HostArray => {
  const a = given(shape, seed)
  return { ...a, data: (a.data as Float32Array).map(v => v * v + 0.2) }
}

describe('operators of one value', () => {
  const plain = [
    'Abs',
    'Asinh',
    'Ceil',
    'Cos',
    'Cosh',
    'Elu',
    'Erf',
    'Exp',
    'Expm1',
    'Floor',
    'Identity',
    'Neg',
    'Relu',
  ]
  const more = [
    'Relu6',
    'Round',
    'Selu',
    'Sigmoid',
    'Sign',
    'Sin',
    'Sinh',
    'Softplus',
    'Square',
    'Tan',
    'Tanh',
    'IsNan',
    'Softmax',
    'LogSoftmax',
  ]
  it.each([...plain, ...more])('%s gives what tfjs gives', async op => {
    await operator(op, { inputs: { x: { ...x, data: (x.data as Float32Array).map(v => 7 * v) } } })
  })
  it.each(['Sqrt', 'Rsqrt', 'Log', 'Log1p', 'Reciprocal'])('%s of positive numbers', async op => {
    await operator(op, { inputs: { x: positive([2, 5], 3) } })
  })
  it.each(['Expm1', 'Log1p'])('%s keeps the digits of small numbers', async op => {
    const small = reals([1e-10, -1e-10, 1e-4, -0, 0])
    const placeholder = input('x', [-1], 'DT_FLOAT')
    const node = { name: 'out', op, input: ['x'], attr: { T: attr.type('DT_FLOAT') } }
    const graph = readFiles(graphFiles([placeholder, node], {}))
    const f = op === 'Expm1' ? Math.expm1 : Math.log1p
    for (const dtype of ['f64', 'f32'] as const) {
      const found = Array.from(evaluated(graph, { x: small }, dtype).out!.data as Float64Array)
      const expected = Array.from(small.data as Float32Array, f)
      found.forEach((v, i) => expect(Math.abs(v - expected[i]!)).toBeLessThanOrEqual(1e-7 * Math.abs(expected[i]!))) // biome-ignore format: short
    }
  })
  it.each(['Atanh', 'Acosh'])('%s gives what tfjs gives', async op => {
    const shift = op === 'Acosh' ? 2.5 : 0
    const a = given([2, 5], 1)
    await operator(op, { inputs: { x: { ...a, data: (a.data as Float32Array).map(v => 0.9 * v + shift) } } })
  })
  it('LeakyRelu', () => operator('LeakyRelu', { inputs: { x }, attr: { alpha: attr.f(0.3) } }))
  it('ClipByValue', () =>
    operator('ClipByValue', { inputs: { x }, constants: { a: reals([-0.3], []), b: reals([0.4], []) } }))
  it.each([['DT_INT32'], ['DT_FLOAT'], ['DT_BOOL']])('Cast to %s', async to => {
    const data = (x.data as Float32Array).map(v => Math.trunc(5 * v))
    await operator('Cast', {
      inputs: { x: { ...x, shape: [2, 30, 4], data } },
      attr: { SrcT: attr.type('DT_FLOAT'), DstT: attr.type(to) },
    })
  })
})

describe('operators of two values', () => {
  const y = positive([2, 6, 5, 4], 4)
  it.each([
    'Add',
    'AddV2',
    'Sub',
    'Mul',
    'Div',
    'RealDiv',
    'Maximum',
    'Minimum',
    'SquaredDifference',
    'FloorDiv',
    'FloorMod',
    'Mod',
    'DivNoNan',
  ])('%s of values, and of a value and constants that broadcast', async op => {
    await operator(op, { inputs: { x, y } })
    await operator(op, { inputs: { x }, constants: { c: positive([4], 2) } })
    await operator(op, { inputs: { x }, constants: { c: reals([0.7], []) } })
  })
  it('FloorDiv and FloorMod of integers', async () => {
    const [a, b] = [ints([-7, -6, 5, 7]), ints([2, 4, -3, 3])]
    await operator('FloorDiv', { inputs: { a, b } })
    await operator('FloorMod', { inputs: { a, b } })
  })
  it('DivNoNan by zero', () => operator('DivNoNan', { inputs: { a: reals([1, 2]), b: reals([0, 4]) } }))
  it('Pow', () => operator('Pow', { inputs: { x: positive([2, 3], 1) }, constants: { c: reals([2.5], []) } }))
  it('BiasAdd', () => operator('BiasAdd', { inputs: { x }, constants: { b: given([4], 2) } }))
  it('AddN of two and of three', async () => {
    await operator('AddN', { inputs: { x, y } })
    await operator('AddN', { inputs: { x, y, z: given([2, 6, 5, 4], 9) } })
  })
  it('Prelu', async () => {
    await operator('Prelu', { inputs: { x }, constants: { a: given([1, 1, 4], 3) } })
    await operator('Prelu', { inputs: { x }, constants: { a: given([4], 3) } })
  })
  it.each(['Equal', 'NotEqual', 'Less', 'LessEqual', 'Greater', 'GreaterEqual'])(
    '%s gives what tfjs gives',
    async op => {
      await operator(op, { inputs: { a: reals([1, 2, 3, 2]), b: reals([2, 2, 1, 2]) } })
      await operator(op, { inputs: { a: ints([1, 2, 3, 2]), b: ints([2, 2, 1, 2]) } })
    },
  )
  it.each(['LogicalAnd', 'LogicalOr'])('%s gives what tfjs gives', async op => {
    const bools = (list: number[]): HostArray => ({ type: 'bool', shape: [4], data: Uint8Array.from(list) })
    await operator(op, { inputs: { a: bools([0, 0, 1, 1]), b: bools([0, 1, 0, 1]) } })
  })
  it.each(['Select', 'SelectV2'])('%s gives what tfjs gives', async op => {
    const c: HostArray = { type: 'bool', shape: [2, 2], data: Uint8Array.of(1, 0, 0, 1) }
    await operator(op, { inputs: { c, a: given([2, 2], 1), b: given([2, 2], 2) }, attr: { T: attr.type('DT_FLOAT') } })
  })
})

describe('convolutions', () => {
  const strides = ['1 1', '2 2', '2 1'].map(text => text.split(' ').map(Number) as [number, number])
  const cases = ['SAME', 'VALID', 'EXPLICIT']
    .flatMap(padding => strides.flatMap(s => [1, 2].map(dilation => ({ padding, strides: s, dilation }))))
    .filter(c => c.dilation === 1 || c.strides[0] === 1)
  const attrs = ({ padding, strides, dilation }: (typeof cases)[number]) => ({
    ...layout,
    strides: four(...strides),
    dilations: four(dilation, dilation),
    padding: attr.s(padding),
    ...(padding === 'EXPLICIT' && { explicit_paddings: attr.ints([0, 0, 1, 2, 0, 1, 0, 0]) }),
  })
  it.each(cases.map(c => [JSON.stringify(c), c] as const))('Conv2D %s', async (_, c) => {
    await operator('Conv2D', { inputs: { x }, constants: { w: given([3, 2, 4, 5], 2) }, attr: attrs(c) })
  })
  it.each(cases.filter(c => c.strides[0] === c.strides[1]).map(c => [JSON.stringify(c), c] as const))(
    'DepthwiseConv2dNative %s',
    async (_, c) => {
      await operator('DepthwiseConv2dNative', {
        inputs: { x },
        constants: { w: given([3, 2, 4, 3], 2) },
        attr: attrs(c),
      })
    },
  )
  const plain = { ...layout, strides: four(1, 1), padding: attr.s('SAME'), dilations: four(1, 1) }
  it.each([['Relu'], ['Relu6'], ['Elu'], ['Prelu'], ['LeakyRelu'], ['Sigmoid'], []])(
    '_FusedConv2D and FusedDepthwiseConv2dNative with a bias and %s',
    async (...after: string[]) => {
      const fused = {
        ...plain,
        fused_ops: attr.texts(['BiasAdd', ...after]),
        num_args: attr.i(after[0] === 'Prelu' ? 2 : 1),
        leakyrelu_alpha: attr.f(0.15),
      }
      const slope: Given = after[0] === 'Prelu' ? { a: given([1, 1, 4], 5) } : {}
      const big: HostArray = { ...x, data: (x.data as Float32Array).map(v => 5 * v) }
      await operator('_FusedConv2D', {
        inputs: { x: big },
        constants: { w: given([3, 3, 4, 4], 2), b: given([4], 3), ...slope },
        attr: fused,
      })
      // tfjs loses the slope of LeakyRelu here.
      if (after[0] === 'LeakyRelu') return
      await operator('FusedDepthwiseConv2dNative', {
        inputs: { x: big },
        constants: { w: given([3, 3, 4, 1], 2), b: given([4], 3), ...slope },
        attr: fused,
      })
    },
  )
  it.each([
    ['SAME', 1, 3, [2, 4, 5, 4]],
    ['SAME', 2, 3, [2, 8, 10, 4]],
    ['SAME', 2, 2, [2, 7, 9, 4]],
    ['VALID', 2, 3, [2, 9, 11, 4]],
    ['VALID', 2, 2, [2, 8, 10, 4]],
  ] as const)('Conv2DBackpropInput %s, strides %i, kernel %i to %j', async (padding, stride, kernel, shape) => {
    await operator('Conv2DBackpropInput', {
      inputs: { x: given([2, 4, 5, 3], 1) },
      constants: { shape: ints(shape), w: given([kernel, kernel, 4, 3], 2) },
      order: ['shape', 'w', 'x'],
      attr: { ...layout, strides: four(stride, stride), padding: attr.s(padding), dilations: four(1, 1) },
    })
  })
  it.each(['MaxPool', 'AvgPool'])('%s gives what tfjs gives', async op => {
    for (const padding of ['SAME', 'VALID']) {
      const at = { ...layout, padding: attr.s(padding) }
      await operator(op, { inputs: { x }, attr: { ...at, ksize: four(2, 2), strides: four(2, 2) } })
      await operator(op, { inputs: { x }, attr: { ...at, ksize: four(3, 2), strides: four(1, 2) } })
    }
  })
  it.each(['FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3'])('%s gives what tfjs gives', async op => {
    const constants = { s: given([4], 2), o: given([4], 3), m: given([4], 4), v: positive([4], 5) }
    await operator(op, {
      inputs: { x },
      constants,
      attr: { ...layout, epsilon: attr.f(0.01), is_training: attr.b(false) },
    })
  })
  it.each([[[1, 1, 2, 1]], [[0, 0, 1, 2]]])(
    'SpaceToBatchND and BatchToSpaceND, pads %j',
    async ([top, bottom, left, right]) => {
      const pads = ints([top!, bottom!, left!, right!], [2, 2])
      const block = ints([2, 2])
      await operator('SpaceToBatchND', { inputs: { x }, constants: { block, pads } })
      await operator('BatchToSpaceND', { inputs: { x: given([8, 4, 4, 3], 2) }, constants: { block, pads } })
      // A dilated convolution, as older files have it.
      const nodes: TfNode[] = [
        { name: 'apart', op: 'SpaceToBatchND', input: ['x', 'block', 'pads'], attr: {} },
        {
          name: 'conv',
          op: 'Conv2D',
          input: ['apart', 'w'],
          attr: { ...layout, strides: four(1, 1), padding: attr.s('VALID'), dilations: four(1, 1) },
        },
        { name: 'together', op: 'BatchToSpaceND', input: ['conv', 'block', 'crops'], attr: {} },
        { name: 'sum', op: 'Relu', input: ['together'], attr: {} },
      ]
      await same(nodes, { x }, { block, pads, crops: ints([0, 1, 1, 0], [2, 2]), w: given([2, 2, 4, 3], 2) })
    },
  )
  it('LRN', () =>
    operator('LRN', {
      inputs: { x },
      attr: { depth_radius: attr.i(1), bias: attr.f(1.2), alpha: attr.f(0.3), beta: attr.f(0.6) },
    }))
  it('DepthToSpace', () =>
    operator('DepthToSpace', { inputs: { x: given([2, 3, 4, 12], 1) }, attr: { ...layout, block_size: attr.i(2) } }))
  it.each([
    ['ResizeBilinear', false, false],
    ['ResizeBilinear', true, false],
    ['ResizeBilinear', false, true],
    ['ResizeNearestNeighbor', false, false],
    ['ResizeNearestNeighbor', true, false],
    ['ResizeNearestNeighbor', false, true],
  ] as const)('%s, corners aligned: %s, half pixels: %s', async (op, corners, half) => {
    const how = { align_corners: attr.b(corners), half_pixel_centers: attr.b(half) }
    for (const size of [[12, 10], [9, 7], [3, 2], [1, 5], [6, 5]]) await operator(op, { inputs: { x }, constants: { size: ints(size) }, attr: how }) // biome-ignore format: short
  })
})

describe('products', () => {
  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('MatMul, transposed: %s and %s', async (a, b) => {
    const at = { transpose_a: attr.b(a), transpose_b: attr.b(b) }
    const [p, q] = [given(a ? [3, 2] : [2, 3], 1), given(b ? [4, 3] : [3, 4], 2)]
    await operator('MatMul', { inputs: { p }, constants: { q }, attr: at })
    await operator('MatMul', { inputs: { p, q }, attr: at })
    const fused = { ...at, fused_ops: attr.texts(['BiasAdd', 'Relu']), num_args: attr.i(1) }
    await operator('_FusedMatMul', { inputs: { p }, constants: { q, b: given([4], 3) }, attr: fused })
  })
  it.each([
    [false, false],
    [true, false],
    [false, true],
  ])('BatchMatMulV2, transposed: %s and %s', async (a, b) => {
    const at = { adj_x: attr.b(a), adj_y: attr.b(b) }
    await operator('BatchMatMulV2', {
      inputs: { p: given(a ? [2, 3, 2] : [2, 2, 3], 1), q: given(b ? [2, 4, 3] : [2, 3, 4], 2) },
      attr: at,
    })
  })
  it('Einsum', () =>
    operator('Einsum', {
      inputs: { p: given([2, 3, 4], 1), q: given([2, 4, 5], 2) },
      attr: { equation: attr.s('bij,bjk->bik'), N: attr.i(2) },
    }))
})

describe('reductions', () => {
  it('Mean of integers is a real number', () =>
    operator('Mean', { inputs: { x: ints([1, 2, 4, 4], [2, 2]) }, constants: { axes: ints([1]) } }))

  it.each(['Sum', 'Mean', 'Max', 'Min', 'Prod'])('%s gives what tfjs gives', async op => {
    for (const axes of [[1, 2], [3], [-1], [0, 1, 2, 3], [2, 1]]) {
      for (const keep of [true, false]) {
        await operator(op, { inputs: { x }, constants: { axes: ints(axes) }, attr: { keep_dims: attr.b(keep) } })
      }
    }
  })
  it.each(['ArgMax', 'ArgMin'])('%s gives what tfjs gives', async op => {
    for (const axis of [3, 1]) await operator(op, { inputs: { x }, constants: { axis: int(axis) } })
  })
  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('Cumsum, exclusive: %s, reverse: %s', async (exclusive, reverse) => {
    await operator('Cumsum', {
      inputs: { x },
      constants: { axis: int(2) },
      attr: { exclusive: attr.b(exclusive), reverse: attr.b(reverse) },
    })
  })
  it.each(['All', 'Any'])('%s gives what tfjs gives', async op => {
    const b: HostArray = { type: 'bool', shape: [3, 2], data: Uint8Array.of(1, 1, 0, 1, 0, 0) }
    await operator(op, { inputs: { b }, constants: { axes: ints([1]) }, attr: { keep_dims: attr.b(false) } })
  })
  it('TopKV2', () =>
    operator('TopKV2', {
      inputs: { x: given([2, 7], 1) },
      constants: { k: int(3) },
      attr: { sorted: attr.b(true) },
      outputs: 2,
    }))
})

describe('shapes', () => {
  it('Reshape to known and open lengths', async () => {
    await operator('Reshape', { inputs: { x }, constants: { to: ints([2, 30, -1]) } })
    await operator('Reshape', { inputs: { x }, constants: { to: ints([-1, 120]) } })
  })
  it('ExpandDims and Squeeze', async () => {
    for (const axis of [0, 2, -1]) await operator('ExpandDims', { inputs: { x }, constants: { axis: int(axis) } })
    await operator('Squeeze', { inputs: { x: given([2, 1, 3, 1], 1) }, attr: { squeeze_dims: attr.ints([1]) } })
    await operator('Squeeze', { inputs: { x: given([2, 1, 3, 1], 1) }, attr: { squeeze_dims: attr.ints([-1, 1]) } })
    await operator('Squeeze', { inputs: { x: given([2, 1, 3, 1], 1) } })
  })
  it('Pack and Unpack', async () => {
    for (const axis of [0, 1, -1]) {
      await operator('Pack', {
        inputs: { x: given([2, 3], 1), y: given([2, 3], 2) },
        attr: { axis: attr.i(axis), N: attr.i(2) },
      })
    }
    await operator('Unpack', {
      inputs: { x: given([2, 3, 4], 1) },
      attr: { axis: attr.i(1), num: attr.i(3) },
      outputs: 3,
    })
    await operator('Unpack', {
      inputs: { x: given([2, 3, 4], 1) },
      attr: { axis: attr.i(-1), num: attr.i(4) },
      outputs: 4,
    })
  })
  it('ConcatV2, Split and SplitV', async () => {
    const y = given([2, 6, 5, 3], 2)
    await operator('ConcatV2', { inputs: { x, y }, constants: { axis: int(3) }, attr: { N: attr.i(2) } })
    await operator('ConcatV2', { inputs: { x, y }, constants: { axis: int(-1) }, attr: { N: attr.i(2) } })
    await operator('Split', {
      inputs: { x },
      constants: { axis: int(3) },
      order: ['axis', 'x'],
      attr: { num_split: attr.i(2) },
      outputs: 2,
    })
    await operator('SplitV', {
      inputs: { x },
      constants: { sizes: ints([1, 3]), axis: int(3) },
      attr: { num_split: attr.i(2) },
      outputs: 2,
    })
    await operator('SplitV', {
      inputs: { x },
      constants: { sizes: ints([1, -1, 2]), axis: int(1) },
      attr: { num_split: attr.i(3) },
      outputs: 3,
    })
  })
  it('Slice', async () => {
    await operator('Slice', { inputs: { x }, constants: { begin: ints([0, 1, 2, 0]), size: ints([-1, 3, 2, -1]) } })
  })
  it.each([
    [[0, 1, 0, 1], [2, 4, 5, 3], [1, 1, 2, 1], {}],
    [[0, -3, 0], [0, 0, 0], [1, 1, 1], { begin_mask: 1, end_mask: 7 }],
    [[0, 2], [0, 3], [1, 1], { begin_mask: 1, end_mask: 1, shrink_axis_mask: 2 }],
    [[0, -1], [0, 0], [1, 1], { begin_mask: 1, end_mask: 1, shrink_axis_mask: 2 }],
    [[0, 1], [0, 3], [1, 1], { ellipsis_mask: 1 }],
    [[0, 0, 1], [0, 0, 3], [1, 1, 2], { ellipsis_mask: 2, begin_mask: 1, end_mask: 1 }],
    [[0, 0, 0], [0, 0, 0], [1, 1, 1], { begin_mask: 5, end_mask: 5, new_axis_mask: 2 }],
    [[0, 0, 0], [0, 0, 1], [1, 1, 1], { ellipsis_mask: 1, new_axis_mask: 2, shrink_axis_mask: 4 }],
    [[0, -1, 0], [0, -7, 0], [1, -2, 1], { begin_mask: 5, end_mask: 5 }],
    [[0, 0], [0, 0], [1, -1], { begin_mask: 3, end_mask: 3 }],
  ] as const)('StridedSlice from %j to %j by %j, %j', async (begin, end, strides, masks) => {
    const names = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask']
    const at = Object.fromEntries(names.map(name => [name, attr.i((masks as Record<string, number>)[name] ?? 0)]))
    await operator('StridedSlice', {
      inputs: { x },
      constants: { begin: ints(begin), end: ints(end), strides: ints(strides) },
      attr: at,
    })
  })
  it('StridedSlice wants begin, end and strides of one length', () => {
    const constants = { begin: ints([0, 1]), end: ints([2]), strides: ints([1, 1]) }
    const cut = { name: 'y', op: 'StridedSlice', input: ['x', 'begin', 'end', 'strides'], attr: {} }
    expect(() => readFiles(graphFiles([input('x', [2, 6]), cut], constants))).toThrow(
      'begin, end and strides are of one length; they have 2, 1, 2',
    )
  })
  it('Transpose, Tile, Reverse, BroadcastTo', async () => {
    await operator('Transpose', { inputs: { x }, constants: { perm: ints([0, 3, 1, 2]) } })
    await operator('Tile', { inputs: { x }, constants: { times: ints([1, 2, 1, 3]) } })
    await operator('ReverseV2', { inputs: { x }, constants: { axes: ints([1, -1]) } })
    await operator('BroadcastTo', { inputs: { x: given([2, 1, 3], 1) }, constants: { to: ints([2, 4, 3]) } })
  })
  it('Pad, PadV2 and MirrorPad', async () => {
    const pads = ints([0, 0, 1, 2, 0, 3, 1, 0], [4, 2])
    await operator('Pad', { inputs: { x }, constants: { pads } })
    await operator('PadV2', { inputs: { x }, constants: { pads, value: reals([-0.5], []) } })
    await operator('MirrorPad', { inputs: { x }, constants: { pads }, attr: { mode: attr.s('REFLECT') } })
  })
  it('GatherV2 and GatherNd', async () => {
    await operator('GatherV2', {
      inputs: { x },
      constants: { at: ints([3, 0, 0]), axis: int(3) },
      attr: { batch_dims: attr.i(0) },
    })
    await operator('GatherNd', { inputs: { x }, constants: { at: ints([0, 1, 1, 5], [2, 2]) } })
  })
  it('Fill, ZerosLike, OnesLike, Range, OneHot', async () => {
    await operator('ZerosLike', { inputs: { x } })
    await operator('OnesLike', { inputs: { x } })
    await operator('OneHot', {
      inputs: { at: ints([1, 0, 3]) },
      constants: { depth: int(4), on: reals([2], []), off: reals([-1], []) },
      attr: { T: attr.type('DT_FLOAT'), axis: attr.i(-1), dtype: attr.type('DT_FLOAT') },
    })
  })

  it('shapes that are computed: Shape, StridedSlice, Pack, Mul, Range and Fill', async () => {
    const slice = (name: string, i: number): TfNode => ({
      name,
      op: 'StridedSlice',
      input: ['shape', `b${i}`, `e${i}`, 'one'],
      attr: { shrink_axis_mask: attr.i(1), T: attr.type('DT_INT32') },
    })
    const nodes: TfNode[] = [
      { name: 'shape', op: 'Shape', input: ['x'], attr: { T: attr.type('DT_FLOAT'), out_type: attr.type('DT_INT32') } },
      slice('n', 0),
      slice('c', 3),
      { name: 'half', op: 'FloorDiv', input: ['c', 'two'], attr: { T: attr.type('DT_INT32') } },
      { name: 'to', op: 'Pack', input: ['n', 'minus', 'half'], attr: { axis: attr.i(0), N: attr.i(3) } },
      { name: 'y', op: 'Reshape', input: ['x', 'to'], attr: { T: attr.type('DT_FLOAT') } },
      { name: 'places', op: 'Range', input: ['zero', 'c', 'step'], attr: { Tidx: attr.type('DT_INT32') } },
      {
        name: 'real',
        op: 'Cast',
        input: ['places'],
        attr: { SrcT: attr.type('DT_INT32'), DstT: attr.type('DT_FLOAT') },
      },
      { name: 'z', op: 'Add', input: ['x', 'real'], attr: {} },
      { name: 'size', op: 'Size', input: ['x'], attr: {} },
      { name: 'rank', op: 'Rank', input: ['x'], attr: {} },
    ]
    const constants = {
      b0: ints([0]),
      e0: ints([1]),
      b3: ints([3]),
      e3: ints([4]),
      one: ints([1]),
      two: int(2),
      minus: int(-1),
      zero: int(0),
      step: int(1),
    }
    await same(nodes, { x }, constants)
  })
})

describe('a graph', () => {
  const conv = (name: string, from: string, w: string, more: TfNode['attr'] = {}): TfNode => ({
    name,
    op: 'Conv2D',
    input: [from, w],
    attr: { ...layout, strides: four(1, 1), padding: attr.s('SAME'), dilations: four(1, 1), ...more },
  })
  const constants = { w: given([3, 3, 4, 4], 2), v: given([1, 1, 4, 4], 3), b: given([4], 4), axes: ints([1, 2]) }

  it('with its nodes in any order, control inputs, and several outputs called by its signature', async () => {
    const nodes: TfNode[] = [
      { name: 'y', op: 'AddV2', input: ['x', 'h'], attr: {} },
      { name: 'h', op: 'BiasAdd', input: ['c:0', 'b', '^nothing'], attr: layout },
      { name: 'nothing', op: 'NoOp', attr: {} },
      { name: 'mean', op: 'Mean', input: ['y', 'axes'], attr: { keep_dims: attr.b(false) } },
      conv('c', 'x', 'w'),
    ]
    const signature = {
      inputs: {
        image: {
          name: 'x:0',
          dtype: 'DT_FLOAT',
          tensorShape: { dim: [{ size: '-1' }, { size: '6' }, { size: '5' }, { size: '4' }] },
        },
      },
      outputs: { sum: { name: 'y:0' }, 'mean:0': { name: 'mean:0' } },
    }
    const files = graphFiles([input('x', [-1, 6, 5, 4]), ...nodes], constants, { signature })
    const graph = readFiles(files)
    expect(graph.inputs).toEqual([{ name: 'image', type: 'f32', shape: [null, 6, 5, 4] }])
    expect(graph.outputs.map(o => o.name)).toEqual(['sum', 'mean:0'])
    const expected = await executed(files, { image: x })
    const found = evaluated(graph, { image: x })
    for (const name of ['sum', 'mean:0']) expect(apart(found[name]!, expected[name]!)).toBeLessThanOrEqual(1e-5)
    // Values of the file have their names and their layout.
    const inner = evaluated(graph, { image: x }, 'f64', ['c', 'y', 'x'])
    expect([inner.c!.shape, inner.y!.shape, inner.x!.shape]).toEqual([x.shape, x.shape, x.shape])
    expect(apart(inner.y!, expected.sum!)).toBeLessThanOrEqual(1e-5)
  })

  it('with every operator that is not supported in one error, which names nodes and reasons', async () => {
    const nodes: TfNode[] = [
      { name: 'a', op: 'NonMaxSuppressionV3', input: ['x', 'x'], attr: {} },
      { name: 'p', op: 'MirrorPad', input: ['a', 'pads'], attr: { mode: attr.s('SYMMETRIC') } },
      { name: 'q', op: 'Unheard', input: ['p:1'], attr: {} },
      { name: 'merge', op: 'Merge', input: ['q', 'next'], attr: {} },
      { name: 'next', op: 'NextIteration', input: ['merge'], attr: {} },
    ]
    const graph = readFiles(
      graphFiles([input('x', [-1, 4]), ...nodes, { name: 'y', op: 'Relu', input: ['merge'], attr: {} }], {
        pads: ints([0, 0, 0, 0], [2, 2]),
      }),
    )
    expect(unsupported(graph).map(u => [u.operator, u.nodes[0]])).toEqual([
      ['tfjs.NonMaxSuppressionV3', 'a'],
      ['tfjs.MirrorPad', 'p'],
      ['tfjs.Unheard', 'q'],
      ['tfjs.NextIteration', 'next'],
      ['tfjs.Merge', 'merge'],
    ])
    expect(unsupported(graph)[1]!.why).toContain('its mode is "SYMMETRIC"')
    expect(() => evaluated(graph, { x: given([1, 4], 1) })).toThrow(GraphError)
    expect(() => evaluated(graph, { x: given([1, 4], 1) })).toThrow(/NonMaxSuppressionV3 of node "a".*nor are.*Unheard/)
  })
})
