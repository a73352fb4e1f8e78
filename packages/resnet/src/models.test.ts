import {
  type ArrayData,
  arrayData,
  FormatError,
  formatSafetensors,
  js,
  memory,
  Random,
  tensor,
  wasm,
} from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { describe, expect, it } from 'vitest'
import {
  initialise,
  inverseDepth,
  type Model,
  modelFiles,
  modelFrom,
  parseConfig,
  type ResidualMlpConfig,
  residualMlp,
  run,
  towerOf,
} from './index.js'
import { config } from './oracles/small.js'

const fresh = (changes: Partial<ResidualMlpConfig> = {}): Model =>
  initialise(
    residualMlp,
    { ...config, ...changes },
    { random: new Random(2), scale: inverseDepth(true), dtype: 'f64', backend: js() },
  ) as Model
const bytes = (model: Model) => modelFiles(model).weights
const arraysOf = ({ tensors }: Model): Record<string, ArrayData> =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, arrayData(t)]))

describe('model files', () => {
  const read = (config: object | string, weights = bytes(fresh())) =>
    modelFrom(typeof config === 'string' ? config : JSON.stringify(config), weights)

  it('a run tells of its blocks, and how many there are', () => {
    const tower = towerOf(fresh())
    const told: number[][] = []
    const x = new Random(1).normal([2, config.input], 0, 1, { dtype: 'f64', backend: js() })
    run(tower, x, { onBlock: (...now) => void told.push(now) })
    expect(told).toEqual(tower.blocks.map((_, l) => [l + 1, tower.blocks.length]))
  })

  it('config.json may begin with a byte order mark', () => {
    const { config: text } = modelFiles(fresh())
    expect(parseConfig(`\ufeff${text}`)).toEqual(parseConfig(text))
  })

  it('numbers beyond all doubles are shown as such, not as null', () => {
    const { config: text } = modelFiles(fresh())
    expect(() => parseConfig(text.replace(/"width": ?\d+/, '"width": 1e999'))).toThrow('width is Infinity')
  })

  it.each(['module.', '_orig_mod.', 'module._orig_mod.', '_orig_mod.module.'])('read weights named %s…', prefix => {
    const model = fresh()
    const named = (prefixOf: (i: number) => string) =>
      formatSafetensors(
        Object.fromEntries(Object.entries(arraysOf(model)).map(([name, array], i) => [prefixOf(i) + name, array])),
      )
    const json = JSON.stringify(model.config)
    expect(
      arraysOf(
        modelFrom(
          json,
          named(() => prefix),
          { dtype: 'f64' },
        ),
      ),
    ).toEqual(arraysOf(model))
    const [first] = prefix.split('.')
    expect(() =>
      modelFrom(
        json,
        named(i => (i === 1 ? '' : prefix)),
      ),
    ).toThrow(`tensor "${first}.`)
  })

  it.each([
    [{ ...config, norm: 'none' }, 'blocks.0.fc1.weight', [6, 8], '[8,6]: it is transposed; store its transpose'],
    [{ ...config, norm: 'none' }, 'blocks.0.fc1.weight', [6, 9], '[8,6]$'],
  ])('of another layout are refused with what to do: %#', (config, name, shape, message) => {
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1))
    const weights = formatSafetensors({ ...arraysOf(fresh()), [name]: { shape, dtype: 'f64', data } })
    const escaped = message.replace(/[[\]]/g, '\\$&')
    expect(() => read(config, weights)).toThrow(new RegExp(`config.json makes it ${escaped}`))
  })

  it('of hostile configurations and names are refused in one message of bounded length', () => {
    const long = 'n'.repeat(100_000)
    const many = Array.from({ length: 50_000 }, () => 'x')
    const named = (name: string, shape = [1]) =>
      formatSafetensors({ ...arraysOf(fresh()), [name]: { shape, dtype: 'f64', data: Float64Array.of(1) } })
    const cases: [config: object | string, weights: Uint8Array | undefined, message: RegExp][] = [
      [`{"architecture":"${long}"}`, undefined, /architecture is "n+….*expected one of residual-mlp/],
      [{ ...config, activation: long }, undefined, /activation is "n+….*; expected/],
      [{ ...config, width: many }, undefined, /width is \["x",/],
      [{ ...config, scale: { rule: 'per-block', values: many } }, undefined, /and \d+ more|scale/],
      [`{"architecture":${'['.repeat(1e6)}${']'.repeat(1e6)}}`, undefined, /architecture is/],
      [long, undefined, /is not JSON/],
      [config, named(long), /tensor "n+….*is not part of this residual-mlp/],
      [
        config,
        named('encoder.weight', new Array<number>(100_000).fill(1)),
        /encoder.weight" is \[1,1.*makes it \[6,2\]/,
      ],
    ]
    for (const [hostile, weights, message] of cases) {
      expect(() => read(hostile, weights)).toThrow(FormatError)
      expect(() => read(hostile, weights)).toThrow(message)
      try {
        read(hostile, weights)
      } catch (error) {
        expect((error as Error).message.length).toBeLessThan(2000)
      }
    }
  })

  it('come back as they were', () => {
    const model = fresh({ norm: 'layer' })
    const files = modelFiles(model)
    const again = modelFrom(files.config, files.weights, { dtype: 'f64', backend: js() })
    expect(again.config).toEqual(model.config)
    expect(bytes(again)).toEqual(files.weights)
    expect(towerOf(again).blocks[0]!.scale).toBe(1 / 3)
    expect(towerOf(again, { scale: { rule: 'constant', value: 2 } }).blocks[0]!.scale).toBe(2)
  })

  it.each([
    ['{', 'config.json is not JSON'],
    [{}, 'architecture is undefined; expected one of residual-mlp'],
    [{ architecture: 'constructor' }, 'expected one of residual-mlp'],
    [{ ...config, activation: 'swoosh' }, 'activation is "swoosh"; expected one of "identity"|"relu"'],
    [{ ...config, depth: -1 }, 'config.json: depth is -1; expected number to be >=0'],
    [{ ...config, width: 2.5 }, 'config.json: width is 2.5; expected int'],
    [{ ...config, input: undefined, norm: 'x' }, 'input is missing; expected number — norm is "x"; expected one of'],
    [{ ...config, scale: { rule: 'constant', value: 'x' } }, 'scale.value is "x"; expected number'],
    [{ ...config, scale: { rule: '1/n', value: 3 } }, 'scale is {"rule":"1/n","value":3}; Unrecognized key: "value"'],
    [{ ...config, scale: { rule: 'n' } }, "scale.rule is \"n\"; expected 'constant' | '1/n'"],
    [{ ...config, scale: { rule: 'per-block', values: [1] } }, 'config.json: scale per-block wants 3 values'],
    ['{"architecture": "residual-mlp", "norm_eps": NaN}', 'config.json is not JSON'],
    [{ ...config, depth: 1 << 20 }, 'the file has 19 tensors; config.json wants 1048576 blocks'],
    [{ ...config, depth: 4 }, 'tensor "blocks.3.fc1.weight" [8,6] is missing'],
    [{ ...config, depth: 2 }, 'tensor "blocks.2.fc1.weight" is not part of'],
    [{ ...config, hidden: 9 }, 'is [8,6]; config.json makes it [9,6]'],
  ])('say what is wrong: %j', (c, message) => {
    expect(() => read(c)).toThrow(message)
  })

  it('keep fields of config.json that they do not know', () => {
    const { config: kept } = parseConfig(JSON.stringify({ ...config, torch_dtype: 'float32' }))
    expect(kept).toMatchObject({ torch_dtype: 'float32' })
  })

  const arrays = (model: Model) => Object.fromEntries(Object.entries(model.tensors).map(([n, t]) => [n, arrayData(t)]))
  const counter = { shape: [], dtype: 'i32', data: Int32Array.of(7) } as const
  const from = (tensors: Record<string, ArrayData>, changes: Partial<ResidualMlpConfig> = {}) =>
    read({ ...config, ...changes }, formatSafetensors(tensors))

  it("take PyTorch's batch counters, where there is a batch norm", () => {
    const tensors = arrays(fresh({ norm: 'batch' }))
    const model = from({ ...tensors, 'blocks.1.norm.num_batches_tracked': counter }, { norm: 'batch' })
    expect(Object.keys(model.tensors)).toEqual(Object.keys(tensors))
    expect(() => from({ ...arrays(fresh()), 'encoder.num_batches_tracked': counter })).toThrow(
      'tensor "encoder.num_batches_tracked" is not part of this residual-mlp',
    )
  })

  it('take absent biases for zeros', () => {
    const model = fresh()
    const few = Object.entries(arrays(model)).filter(([name]) => !name.endsWith('.bias'))
    const x = tensor([[1, -2]], { dtype: 'f64', backend: js() })
    const y = (m: Model) => [...run(towerOf(m), x).dataSync()]
    const again = modelFrom(JSON.stringify(model.config), formatSafetensors(Object.fromEntries(few)), {
      dtype: 'f64',
      backend: js(),
    })
    expect(Object.keys(again.tensors)).toHaveLength(few.length)
    expect(y(again)).toEqual(y(model))
  })

  it('refuse integers for weights', () => {
    const data = { shape: [8], dtype: 'i32', data: new Int32Array(8) } as const
    expect(() => from({ ...arrays(fresh()), 'blocks.0.fc1.bias': data })).toThrow(
      'tensor "blocks.0.fc1.bias" holds i32; expected f64, f32, f16 or bf16',
    )
  })

  it('weights that are cut short or have a wrong byte in their header are refused', () => {
    const backend = wasm()
    const { config: json, weights } = modelFiles(fresh())
    const before = memory(backend).bytes
    const header = 8 + Number(new DataView(weights.buffer).getBigUint64(0, true))
    for (let n = 0; n < weights.length; n += 1 + (n >> 4)) {
      expect(() => modelFrom(json, weights.subarray(0, n), { backend })).toThrow(FormatError)
    }
    for (let i = 0; i < header; i += 7) {
      const broken = weights.slice()
      broken[i]! ^= 0x5
      try {
        // A byte of the metadata or of the padding may be any.
        for (const t of Object.values(modelFrom(json, broken, { backend }).tensors)) (t as Dense).dispose()
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        expect((error as Error).message).not.toContain('\n')
      }
    }
    expect(memory(backend).bytes).toBe(before)
  })
})
