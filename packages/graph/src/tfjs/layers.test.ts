import { describe, expect, it } from 'vitest'
import { apart, evaluated, given, predicted, readFiles, saved, shake, tfl } from '../oracles/tfjs.js'

// Every layer against TensorFlow.js: models that it saves give what it predicts.

type Symbolic = tfl.SymbolicTensor
type Build = (...inputs: Symbolic[]) => Symbolic | Symbolic[]
interface Input {
  readonly shape: readonly (number | null)[]
  readonly dtype?: 'int32'
}

const L = tfl.layers
const apply = (layer: tfl.layers.Layer, x: Symbolic | Symbolic[]) => layer.apply(x) as Symbolic

/** Says that a model gives what tfjs gives, whatever the batch. */
async function same(inputs: readonly Input[], build: Build): Promise<void> {
  const symbols = inputs.map(({ shape, dtype }, i) => tfl.input({ shape: [...shape], dtype, name: `in${i}` }))
  const outputs = [build(...symbols)].flat()
  const model = tfl.model({ inputs: symbols, outputs })
  shake(model)
  const graph = readFiles(await saved(model))
  for (const batch of [2, 1]) {
    const arrays = inputs.map(({ shape, dtype }, i) =>
      given([batch, ...shape.map(n => n ?? 5)], i + 3, dtype === 'int32' ? 'i32' : 'f32'),
    )
    const expected = predicted(model, arrays)
    const named = Object.fromEntries(arrays.map((array, i) => [`in${i}`, array]))
    for (const dtype of ['f64', 'f32'] as const) {
      const found = Object.values(evaluated(graph, named, dtype))
      expect(found.length).toBe(expected.length)
      found.forEach((y, i) => expect(apart(y, expected[i]!)).toBeLessThanOrEqual(5e-6)) // biome-ignore format: short
    }
  }
}

const one = (shape: readonly (number | null)[], layer: () => tfl.layers.Layer) => () =>
  same([{ shape }], x => apply(layer(), x))

const grid = <T extends object>(...lists: T[][]): T[] =>
  lists.reduce<T[]>((all, list) => all.flatMap(a => list.map(b => ({ ...a, ...b }))), [{} as T])
const titled = (options: object) =>
  Object.entries(options).map(([key, value]) => `${key} ${JSON.stringify(value)}`).join(', ') // biome-ignore format: short

describe('Conv2D', () => {
  const cases = grid<object>(
    [{ padding: 'same' }, { padding: 'valid' }],
    [{ strides: 1 }, { strides: 2 }, { strides: [2, 3] }, { dilationRate: 2 }],
    [{ kernelSize: 3 }, { kernelSize: [2, 5] }, { kernelSize: 1 }],
  )
  it.each(cases.map(c => [titled(c), c] as const))('%s: outputs of tfjs', async (_, options) => {
    await one([9, 10, 3], () => L.conv2d({ filters: 4, activation: 'relu', ...options } as never))()
  })

  it(
    'without a bias, of free sizes',
    one([null, null, 3], () => L.conv2d({ filters: 2, kernelSize: 3, useBias: false })),
  )
})

describe('DepthwiseConv2D and SeparableConv2D', () => {
  const cases = grid<object>(
    [{ padding: 'same' }, { padding: 'valid' }],
    [{ strides: [1, 1] }, { strides: [2, 2] }],
    [{ depthMultiplier: 1 }, { depthMultiplier: 3 }],
    [{ useBias: true }, { useBias: false }],
  )
  it.each(cases.map(c => [titled(c), c] as const))('%s: outputs of tfjs', async (_, options) => {
    await one([8, 7, 4], () => L.depthwiseConv2d({ kernelSize: 3, ...options } as never))()
    await one([8, 7, 4], () =>
      L.separableConv2d({ filters: 5, kernelSize: 3, activation: 'tanh', ...options } as never),
    )()
  })
})

describe('other convolutions', () => {
  it.each(['same', 'valid'] as const)('Conv1D, %s', async padding => {
    await one([9, 3], () => L.conv1d({ filters: 4, kernelSize: 3, padding }))()
    await one([9, 3], () => L.conv1d({ filters: 4, kernelSize: 2, padding, dilationRate: 2 }))()
  })
  it.each([
    ['same', 1, 3],
    ['same', 2, 3],
    ['same', 2, 4],
    ['same', 3, 2],
    ['valid', 1, 3],
    ['valid', 2, 3],
    ['valid', 3, 2],
  ] as const)('Conv2DTranspose, %s, strides %i, kernel %i', async (padding, strides, kernelSize) => {
    await one([4, 5, 3], () => L.conv2dTranspose({ filters: 2, kernelSize, strides, padding }))()
  })
  it(
    'Conv3D',
    one([4, 5, 4, 2], () => L.conv3d({ filters: 3, kernelSize: 2, strides: 2, padding: 'same' })),
  )
})

describe('pools', () => {
  const cases = grid<object>(
    [{ padding: 'same' }, { padding: 'valid' }],
    [{ poolSize: 2 }, { poolSize: 3, strides: 2 }, { poolSize: [3, 2], strides: [1, 2] }],
  )
  it.each(cases.map(c => [titled(c), c] as const))('2D, %s', async (_, options) => {
    await one([7, 8, 3], () => L.maxPooling2d(options as never))()
    await one([7, 8, 3], () => L.averagePooling2d(options as never))()
  })
  it('1D and 3D', async () => {
    await one([7, 3], () => L.maxPooling1d({ poolSize: 2, padding: 'same' }))()
    await one([7, 3], () => L.averagePooling1d({ poolSize: 3, strides: 2 }))()
    await one([4, 5, 6, 2], () => L.maxPooling3d({ poolSize: 2 }))()
    await one([4, 5, 6, 2], () => L.averagePooling3d({ poolSize: 2, padding: 'same' } as never))()
  })
  it('global', async () => {
    await one([7, 8, 3], () => L.globalAveragePooling2d({} as never))()
    await one([7, 8, 3], () => L.globalMaxPooling2d({} as never))()
    await one([7, 3], () => L.globalAveragePooling1d())()
    await one([7, 3], () => L.globalMaxPooling1d())()
  })
})

describe('norms', () => {
  it.each(
    grid<object>(
      [{ scale: true }, { scale: false }],
      [{ center: true }, { center: false }],
      [{}, { epsilon: 0.1 }],
    ).map(c => [titled(c), c] as const),
  )('BatchNormalization of images and of rows, %s', async (_, options) => {
    await one([4, 5, 3], () => L.batchNormalization(options))()
    await one([6], () => L.batchNormalization(options))()
    await one([4, 3], () => L.batchNormalization(options))()
  })
  it.each(
    grid<object>([{ scale: true }, { scale: false }], [{ center: true }, { center: false }]).map(
      c => [titled(c), c] as const,
    ),
  )('LayerNormalization, %s', async (_, options) => {
    await one([4, 6], () => L.layerNormalization(options))()
    await one([4, 5, 6], () => L.layerNormalization({ axis: [-2, -1], ...options }))()
  })
})

describe('activations', () => {
  const names = ['linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'tanh', 'softplus', 'softsign']
  it.each([...names, 'softmax', 'swish', 'mish', 'gelu', 'gelu_new'])('%s, by name and by layer', async name => {
    const activation = name as 'relu'
    await one([4, 5], () => L.activation({ activation }))()
    await one([3, 4, 2], () => L.dense({ units: 3, activation }))()
  })
  it('layers with parameters', async () => {
    await one([4, 5], () => L.reLU({ maxValue: 0.5 }))()
    await one([4, 5], () => L.reLU())()
    await one([4, 5], () => L.leakyReLU({ alpha: 0.1 }))()
    await one([4, 5], () => L.leakyReLU())()
    await one([4, 5], () => L.elu())()
    await one([4, 5], () => L.thresholdedReLU({ theta: 0.3 }))()
    await one([4, 5, 3], () => L.softmax({ axis: -1 }))()
  })
  it.each([[[1, 2]], [[1]], [undefined]] as const)('PReLU that shares axes %j', async sharedAxes => {
    await same([{ shape: [4, 5, 3] }], x =>
      apply(
        L.conv2d({ filters: 2, kernelSize: 1 }),
        apply(
          L.prelu({ sharedAxes: sharedAxes && [...sharedAxes] }),
          apply(L.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }), x),
        ),
      ),
    )
  })
})

describe('layers of several values', () => {
  it.each(['add', 'multiply', 'average', 'maximum', 'minimum'] as const)('%s gives what tfjs gives', async name => {
    const of = (shape: readonly number[]) =>
      same([{ shape }, { shape }, { shape }], (...xs) => apply(L[name]({} as never), xs))
    await of([4, 5, 3])
    await same([{ shape: [4, 5, 3] }, { shape: [3] }], (...xs) => apply(L[name]({} as never), xs))
  })
  it.each([-1, 1, 2, 3])('concatenate along %i', async axis => {
    await same([{ shape: [4, 4, 4] }, { shape: [4, 4, 4] }], (x, y) => {
      const [a, b] = [x!, y!].map(v => apply(L.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }), v))
      return apply(L.conv2d({ filters: 2, kernelSize: 1 }), apply(L.concatenate({ axis }), [a!, b!]))
    })
  })
  it('dot', async () => {
    await same([{ shape: [4] }, { shape: [4] }], (...xs) => apply(L.dot({ axes: -1 }), xs))
    await same([{ shape: [3, 4] }, { shape: [5, 4] }], (...xs) => apply(L.dot({ axes: 2 }), xs))
    await same([{ shape: [3, 4] }, { shape: [3, 5] }], (...xs) => apply(L.dot({ axes: [1, 1] }), xs))
  })
})

describe('shapes', () => {
  it('dense of rows, of matrices and of images', async () => {
    await one([6], () => L.dense({ units: 4 }))()
    await one([3, 6], () => L.dense({ units: 4, useBias: false }))()
    await one([3, 2, 6], () => L.dense({ units: 4, activation: 'sigmoid' }))()
  })
  it('flatten, reshape, permute, repeat', async () => {
    await one([3, 4, 2], () => L.flatten())()
    await one([3, 4, 2], () => L.reshape({ targetShape: [6, 4] }))()
    await one([3, 4, 2], () => L.reshape({ targetShape: [-1, 8] }))()
    await one([3, 4, 2], () => L.permute({ dims: [3, 1, 2] }))()
    await one([4], () => L.repeatVector({ n: 3 }))()
  })
  it(
    'flatten of channels first',
    one([3, 4, 2], () => L.flatten({ dataFormat: 'channelsFirst' })),
  )
  it('padding and cropping', async () => {
    await one([4, 5, 2], () => L.zeroPadding2d({ padding: [[1, 2], [0, 3]] }))() // biome-ignore format: short
    await one([4, 5, 2], () => L.zeroPadding2d({ padding: 2 }))()
    await one([4, 5, 2], () => L.zeroPadding2d())()
    await one([6, 7, 2], () => L.cropping2D({ cropping: [[1, 2], [0, 3]] }))() // biome-ignore format: short
    await one([6, 7, 2], () => L.cropping2D({ cropping: 1 } as never))()
  })
  it.each(['nearest', 'bilinear'] as const)('upsampling, %s', async interpolation => {
    await one([3, 4, 2], () => L.upSampling2d({ size: [2, 3], interpolation }))()
    await one([3, 4, 2], () => L.upSampling2d({ interpolation }))()
  })
  it('rescaling', async () => {
    await one([4, 5, 2], () => L.rescaling({ scale: 1 / 255, offset: -1 }))()
  })
  it('embedding', async () => {
    await same([{ shape: [7], dtype: 'int32' }], x => apply(L.embedding({ inputDim: 5, outputDim: 3 }), x))
    await same([{ shape: [7], dtype: 'int32' }], x =>
      apply(L.globalAveragePooling1d(), apply(L.embedding({ inputDim: 5, outputDim: 3, inputLength: 7 }), x)),
    )
  })
  it('layers that do nothing once a network is trained', async () => {
    await one([4, 5, 2], () => L.dropout({ rate: 0.5 }))()
    await one([4, 5, 2], () => L.spatialDropout1d({ rate: 0.5 } as never))().catch(() => one([5, 2], () => L.spatialDropout1d({ rate: 0.5 } as never))()) // biome-ignore format: short
    await one([4, 5, 2], () => L.gaussianNoise({ stddev: 1 }))()
    await one([4, 5, 2], () => L.gaussianDropout({ rate: 0.5 }))()
    await one([4, 5, 2], () => L.alphaDropout({ rate: 0.5 }))()
  })
})

describe('models', () => {
  it('of layers that are used twice', async () => {
    await same([{ shape: [4, 4, 3] }, { shape: [4, 4, 3] }], (x, y) => {
      const conv = L.conv2d({ filters: 3, kernelSize: 3, padding: 'same', activation: 'relu' })
      return apply(L.add(), [apply(conv, x!), apply(conv, apply(conv, y!))])
    })
  })

  it('in models, used twice, of both kinds', async () => {
    await same([{ shape: [4, 4, 3] }], x => {
      const inner = tfl.sequential({
        layers: [
          L.conv2d({ filters: 3, kernelSize: 3, padding: 'same', inputShape: [4, 4, 3], name: 'a' }),
          L.batchNormalization({ name: 'b' }),
        ],
      })
      const a = tfl.input({ shape: [4, 4, 3] })
      const outer = tfl.model({ inputs: a, outputs: apply(L.add(), [a, inner.apply(a) as Symbolic]) })
      return outer.apply(outer.apply(x)) as Symbolic
    })
  })

  it('with several outputs, of which one is within', async () => {
    await same([{ shape: [4, 4, 3] }], x => {
      const y = apply(L.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }), x)
      return [y, apply(L.flatten(), apply(L.reLU(), y))]
    })
  })

  it('in sequence, whose first layer says the shape of the input', async () => {
    const model = tfl.sequential({
      layers: [
        L.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same', inputShape: [9, 9, 1] }),
        L.maxPooling2d({ poolSize: 2 }),
        L.flatten(),
        L.dense({ units: 3, activation: 'softmax' }),
      ],
    })
    shake(model)
    const graph = readFiles(await saved(model))
    const x = given([3, 9, 9, 1], 1)
    expect(graph.inputs.map(i => i.shape)).toEqual([[null, 9, 9, 1]])
    const [y] = Object.values(evaluated(graph, { [graph.inputs[0]!.name]: x }))
    expect(apart(y!, predicted(model, [x])[0]!)).toBeLessThanOrEqual(5e-6)
  })
})
