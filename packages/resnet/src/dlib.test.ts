import { FormatError, js, memory, tensor, wasm } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import {
  InputError,
  isDlibNetwork,
  type Model,
  modelFiles,
  modelFrom,
  modelFromDlib,
  parseConfig,
  run,
  towerOf,
} from './index.js'
import { type DlibSpec, dlibFile, dlibForward, integer, real, string } from './oracles/dlib.js'

// After the stem and its pooling 8×8; then 4×4 of which the branch gives 3×3, and 2×2 of which it gives 1×1.
const spec: DlibSpec = {
  size: [39, 39],
  mean: [122.5, 117, 104.25],
  stem: 2,
  blocks: [
    { width: 2, down: false },
    { width: 3, down: true },
    { width: 3, down: false },
    { width: 3, down: true },
  ],
  outputs: 2,
}
const config = {
  architecture: 'dlib-resnet',
  size: [39, 39],
  mean: [122.5, 117, 104.25],
  layers: [1, 2, 1],
  widths: [2, 3, 3],
  outputs: 2,
}
const [rows, columns] = spec.size
const image = (seed: number) =>
  Array.from({ length: 3 }, (_, c) =>
    Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) =>
        Math.round(127 + 120 * Math.sin(seed + c + i * 0.3 + j * 0.2 * (c + 1))),
      ),
    ),
  )

describe.each([false, true])('a network of dlib (newer: %s)', newer => {
  const file = dlibFile({ ...spec, newer })

  it('a file is read as it was written', () => {
    expect(isDlibNetwork(file.bytes)).toBe(true)
    const model = modelFromDlib(file.bytes, { backend: js() })
    expect(model.config).toEqual(config)
    expect(Object.keys(model.tensors).sort()).toEqual(Object.keys(file.tensors).sort())
    for (const [name, { shape, data }] of Object.entries(file.tensors)) {
      expect(model.tensors[name]!.shape).toEqual(shape)
      expect(model.tensors[name]!.dataSync()).toEqual(data)
    }
    const files = modelFiles(model as Model)
    const again = modelFrom(files.config, files.weights, { backend: js() })
    expect(modelFiles(again).weights).toEqual(files.weights)
  })

  it.each([js(), wasm()])('computes what dlib defines, on $name', backend => {
    const tower = towerOf(modelFromDlib(file.bytes, { dtype: 'f64', backend }) as Model)
    const images = [image(1), image(2)]
    const x = tensor(images.flat(4), { shape: [2, 3, rows, columns], dtype: 'f64', backend })
    const y = run(tower, x)
    const wanted = images.flatMap(x => dlibForward(spec, file, x))
    expect(y.shape).toEqual([2, 2])
    y.dataSync().forEach((v, i) => void expect(v).toBeCloseTo(wanted[i]!, 10))
    expect(Math.hypot(...wanted)).toBeGreaterThan(0.1)
    expect(tower.blocks.map(b => b.skip !== undefined)).toEqual([false, true, true, true])
  })

  it('a file that is cut short is refused, and no tensor is left', () => {
    const backend = wasm()
    const before = memory(backend).bytes
    for (let n = 0; n < file.bytes.length; n++) {
      expect(() => modelFromDlib(file.bytes.subarray(0, n), { backend })).toThrow(FormatError)
    }
    expect(memory(backend).bytes).toBe(before)
  })

  it('a file with a wrong byte is read or refused in one line', () => {
    for (const wrong of [0x00, 0x08, 0xff]) {
      for (let i = 0; i < file.bytes.length; i++) {
        const broken = file.bytes.slice()
        broken[i] = wrong
        try {
          for (const t of Object.values(modelFromDlib(broken, { backend: js() }).tensors)) (t as Dense).dispose()
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
          expect((error as Error).message).toMatch(/^dlib: byte \d+: .*expected [^\n]*$/)
        }
      }
    }
  })
})

describe('a file that is no such network', () => {
  const huge = integer(2 ** 31 - 1)
  const most = [8, 255, 255, 255, 255, 255, 255, 255, 255]
  const shapes = (...lengths: number[]) => lengths.flatMap(integer)
  it.each<[label: string, bytes: number[], message: string, also?: Partial<DlibSpec>]>([
    ['version', integer(2), 'the version of the loss layer is 2; expected 1'],
    ['loss', string('loss_mmod_'), 'the loss layer is called "loss_mmod_"; expected "loss_metric_2"'],
    [
      'loss',
      [...integer(2 ** 40), 0x6c],
      'the name of the loss layer has 1099511627776 bytes; expected "loss_metric_2"',
    ],
    ['margins', [...integer(1), ...integer(32002)], 'the margin of the loss layer is not finite; expected a number'],
    ['versions', integer(4), 'the version of a layer is 4; expected 1 or 2 or 3'],
    ['mean', most, 'the average red is 18446744073709551615; expected at most 2^53 − 1'],
    ['mean', [9], 'the average red begins with 9; expected an integer of 1 to 8 bytes'],
    ['size', shapes(-39, 39), 'the number of rows of the input is -39; expected an integer from 1 to 16777216'],
    ['conv1 name', string('con_3'), 'conv1 is called "con_3"; expected "con_4" or "con_5"'],
    ['conv1 params', [...integer(3), ...shapes(1, 1, 1, 1)], 'the version of the parameters of conv1 is 3; expected 2'],
    [
      'conv1 params',
      [...integer(2), ...huge, ...huge, ...huge, ...huge],
      'the parameters of conv1 claims [2147483647,',
    ],
    ['conv1 params', [...integer(2), ...shapes(1, 1, 1, 1), 0, 0, 0, 0], 'conv1 has 1 parameters; expected 296'],
    ['conv1 filters', integer(0), 'the number of filters of conv1 is 0; expected an integer from 1 to 16777216'],
    ['conv1 weight', [1, 1, ...shapes(2, 3, 7, 5)], 'the weight of conv1 has the shape [2,3,7,5]; expected [2,3,7,7]'],
    ['conv1 bias', [1, 1, ...shapes(0, 0, 0, 0)], 'conv1 has no biases; expected [1,2,1,1]'],
    ['conv1 bias', [1, 1, ...shapes(1, 3, 1, 1)], 'the biases of conv1 have the shape [1,3,1,1]; expected [1,2,1,1]'],
    ['conv1 states', [0x32], "the first state of conv1 is byte 50; expected '0' or '1'"],
    ['affine1 mode', integer(1), 'the mode of affine1 is 1; expected 0'],
    ['affine1 use', [0x31], 'affine1 is disabled; expected one that is in use', { newer: true }],
    ['relu name', string('prelu_'), 'the ReLU of the stem is called "prelu_"; expected "relu_"'],
    ['blocks.0.conv1 filters', integer(3), 'the number of filters of blocks.0.conv1 is 3; expected 2'],
    [
      'blocks.1.conv1 filters',
      integer(1),
      'the number of filters of blocks.1.conv1 is 1; expected an integer from 2 to',
    ],
    ['fc mode', integer(0), 'the bias mode of fc is 0; expected 1'],
    ['inputs', integer(4), 'the number of inputs of fc is 4; expected 3'],
  ])('%s %j: %s', (label, bytes, message, also) => {
    const { bytes: broken, offsets } = dlibFile({ ...spec, ...also, spoilt: { [label]: bytes } })
    expect(() => modelFromDlib(broken)).toThrow(FormatError)
    expect(() => modelFromDlib(broken)).toThrow(`dlib: byte ${offsets[label]}: ${message}`)
  })

  it.each<[what: string, spec: Partial<DlibSpec>, message: RegExp]>([
    [
      'a window',
      { spoilt: { pool: [], 'pool window': shapes(3, 3, 2, 2, 1, 1) } },
      /vertical padding of the pooling of the stem is 1; expected 0$/,
    ],
    [
      'an image that is too small',
      { size: [38, 8] },
      /^dlib: byte \d+: the input is \[3,38,8\]; expected images as large/,
    ],
    [
      'too many stages',
      { size: [4000, 4000], blocks: Array.from({ length: 16 }, () => ({ width: 2, down: true })) },
      /^dlib: byte \d+: block 15 begins a stage; expected at most 16$/,
    ],
    [
      'too few layers',
      { spoilt: { versions: [2, 2, 3].flatMap(integer) } },
      /the network has no more layers; expected /,
    ],
    [
      'too many layers',
      { spoilt: { versions: Array.from({ length: 65537 }, () => [1, 2]).flat() } },
      /one layer more; expected at most 65536$/,
    ],
    [
      'a tag for a layer',
      { spoilt: { versions: [2, 1, 3].flatMap(integer) } },
      /a layer of version 1; expected 2 for affine1$/,
    ],
    [
      'a weight that is not finite',
      {
        spoilt: {
          'fc params': [
            ...integer(2),
            ...shapes(6, 1, 1, 1),
            ...new Uint8Array(Float32Array.of(1, 2, Number.NaN, 4, 5, 6).buffer),
          ],
        },
      },
      /a weight is NaN; expected a finite number$/,
    ],
    [
      'more bytes',
      { spoilt: { 'fc leftovers': [...Array.from({ length: 3 }, () => [1, 2, ...shapes(0, 0, 0, 0)]).flat(), 0, 0] } },
      /2 bytes after the network; expected the end of the file$/,
    ],
  ])('%s', (_, changes, message) => {
    const backend = js()
    const before = memory(backend).bytes
    const { bytes } = dlibFile({ ...spec, ...changes })
    expect(() => modelFromDlib(bytes, { backend })).toThrow(FormatError)
    expect(() => modelFromDlib(bytes, { backend })).toThrow(message)
    expect(memory(backend).bytes).toBe(before)
  })

  it('a dlib file is told by its first bytes', () => {
    expect(isDlibNetwork(new Uint8Array())).toBe(false)
    expect(isDlibNetwork(Uint8Array.of(...integer(1), ...string('input_rgb')))).toBe(false)
    expect(isDlibNetwork(Uint8Array.of(...integer(1), ...string('loss_mmod_')))).toBe(true)
    expect(real(0.5)).toEqual([1, 1, 0x81, 1])
  })
})

describe('dlib-resnet', () => {
  it.each([
    [{ layers: [1, 2] }, 'widths is [2,3,3]; expected one width for each of the layers'],
    [{ layers: [1, 0, 1] }, 'layers is [1,0,1]; expected at least one block in every stage after the first'],
    [{ widths: [2, 3, 1] }, 'widths is [2,3,1]; expected no stage narrower than the one before it'],
    [{ size: [39, 18] }, 'size is [39,18]; expected images as large as the windows'],
    [{ mean: [1, 2] }, 'mean is [1,2]; expected'],
  ])('refuses %j', (changes, message) => {
    expect(() => parseConfig(JSON.stringify({ ...config, ...changes }))).toThrow(message)
  })

  it('takes images of its own size', () => {
    const tower = towerOf(modelFromDlib(dlibFile(spec).bytes, { backend: js() }) as Model)
    const x = tensor(new Float32Array(3 * 40 * 39), { shape: [1, 3, 40, 39], backend: js() })
    expect(() => run(tower, x)).toThrow(InputError)
    expect(() => run(tower, x)).toThrow('dlib-resnet takes images [batch, 3, 39, 39], got [1, 3, 40, 39]')
  })
})
