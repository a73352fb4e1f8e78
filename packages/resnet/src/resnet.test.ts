import { js, Random, scope, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import {
  constantRate,
  initialise,
  type Model,
  modelFrom,
  type ResnetConfig,
  resnet,
  run,
  sgd,
  towerOf,
  train,
} from './index.js'
import { distance, recorded } from './oracles/recorded.js'

const names = [
  'resnet-basic',
  'resnet-bottleneck',
  'resnet-preactivation',
  'resnet-preactivation-bottleneck',
  'resnet-no-norm',
]

describe.each([js(), wasm()])('resnet on $name', backend => {
  it.each(names)('%s agrees with PyTorch', name => {
    const { model, x, output, training } = recorded(name, backend)
    expect(distance(run(towerOf(model), x), output)).toBeLessThan(1e-13)
    const seen: string[] = []
    const tower = towerOf(model, { training: { moments: layer => void seen.push(layer) } })
    const norms = Object.keys(model.tensors).filter(n => n.endsWith('.running_mean'))
    if (training !== null) expect(distance(run(tower, x), training)).toBeLessThan(1e-12)
    expect(seen.map(layer => `${layer}.running_mean`).sort()).toEqual(norms.sort())
  })
})

describe('resnet', () => {
  const config: ResnetConfig = {
    architecture: 'resnet',
    block: 'basic',
    layers: [2, 2, 2, 2],
    widths: [64, 128, 256, 512],
    stem: 'imagenet',
    preactivation: false,
    norm: 'batch',
    classes: 1000,
    in_channels: 3,
  }
  const count = (changes: Partial<ResnetConfig>) =>
    Object.values(resnet.tensors({ ...config, ...changes }))
      .filter(spec => spec.kind === 'parameter')
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

  it("a resnet has as many parameters as torchvision's", () => {
    expect(count({})).toBe(11_689_512)
    expect(count({ layers: [3, 4, 6, 3] })).toBe(21_797_672)
    expect(count({ layers: [3, 4, 6, 3], block: 'bottleneck' })).toBe(25_557_032)
    expect(count({ layers: [3, 4, 23, 3], block: 'bottleneck' })).toBe(44_549_160)
    // ResNet-20 of He et al. 2016a, with convolutions in its shortcuts
    expect(count({ layers: [3, 3, 3], widths: [16, 32, 64], stem: 'cifar', classes: 10 })).toBe(272_474)
  })

  it('the skip map of a block is the identity where the form allows it', () => {
    const skips = (name: string) => towerOf(recorded(name, js()).model).blocks.map(b => b.skip !== undefined)
    expect(skips('resnet-basic')).toEqual([false, true, true])
    expect(skips('resnet-bottleneck')).toEqual([true, true, true])
    expect(skips('resnet-preactivation')).toEqual([false, false, true])
  })

  const { config: json, weights } = recorded('resnet-basic', js())
  it.each([
    [{ layers: [1, 2, 3] }, 'widths is [3,4]; expected one width for each of the layers'],
    [{ layers: [1, 1e9] }, 'layers.1 is 1000000000; expected'],
    [{ layers: [] }, 'layers is []; expected'],
    [{ layers: [1, 1 << 16] }, 'config.json wants 65537 blocks'],
    [{ widths: [3, 2 ** 30] }, 'widths.1 is 1073741824; expected'],
    [{ block: 'wide' }, 'block is "wide"; expected one of "basic"|"bottleneck"'],
    [{ preactivation: true }, 'tensor "layer2.0.bn1.weight" is [4]; config.json makes it [3]'],
    [{ norm: 'none' }, 'tensor "bn1.weight" is not part of this resnet'],
    [{ stem: 'cifar' }, 'tensor "conv1.weight" is [3,3,7,7]; config.json makes it [3,3,3,3]'],
  ])('refuses %j', (changes, message) => {
    expect(() => modelFrom(JSON.stringify({ ...JSON.parse(json), ...changes }), weights)).toThrow(message)
  })

  it('refuses what is no batch of its images', () => {
    const { model } = recorded('resnet-basic', js())
    const at = (...shape: number[]) =>
      run(towerOf(model), new Random(1).normal(shape, 0, 1, { dtype: 'f64', backend: js() }))
    expect(() => at(1, 1, 8, 8)).toThrow('resnet takes images [batch, 3, height, width], got [1, 1, 8, 8]')
    expect(at(1, 3, 1, 1).shape).toEqual([1, 5])
  })

  it.each([false, true])('trains (preactivation: %s), and its running statistics follow', async preactivation => {
    const small = {
      ...config,
      layers: [1, 1],
      widths: [4, 6],
      stem: 'cifar',
      classes: 2,
      in_channels: 1,
      preactivation,
    }
    const model = initialise(resnet, small as ResnetConfig, { random: new Random(1), backend: wasm() }) as Model
    // A bright upper or a bright lower half.
    const noise = new Random(2).normal([40, 36], 0, 0.3).dataSync()
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % 2)
    const inputs = Float32Array.from(
      noise,
      (z, i) => z + (Math.floor((i % 36) / 18) === labels[Math.floor(i / 36)] ? 1 : 0),
    )
    const data = { inputs, labels, shape: [6, 6], size: 40, classes: 2, mean: 0, deviation: 1 }
    const losses: number[] = []
    const { state, ended } = await train(model, {
      data,
      steps: 30,
      batchSize: 20,
      optimiser: sgd({ momentum: 0.9 }),
      schedule: constantRate(0.05),
      seed: 3,
      onStep: ({ loss }) => void losses.push(loss),
    })
    expect(ended).toBe('done')
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 4)
    const moved = scope(() => distance(state.model.tensors['bn1.running_mean']!, model.tensors['bn1.running_mean']!))
    expect(moved).toBeGreaterThan(0.1)
  })
})
