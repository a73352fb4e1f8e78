import * as resnet from '@unravel/resnet'
import * as tensor from '@unravel/tensor'
import { wasm } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { against } from '../check.js'
import { baseSteps, modelOf, steps } from '../peers/steps.js'
import type { Case, Size, Suite, Values } from '../types.js'
import { normal, type StepsWork } from '../works.js'

const resnet20 = (widths: readonly number[], norm: 'batch' | 'none') => ({
  ...{ architecture: 'resnet', block: 'basic', layers: [3, 3, 3], widths, stem: 'cifar', in_channels: 3, classes: 10 },
  ...{ norm, preactivation: norm === 'none' },
})
const vit = (width: number, layers: number) => ({
  ...{
    architecture: 'vit',
    img_size: 32,
    patch_size: 4,
    num_classes: 10,
    embed_dim: width,
    depth: layers,
    num_heads: 3,
  },
})

type Network = Pick<StepsWork, 'architecture' | 'config' | 'skipInit' | 'torch' | 'optimiser' | 'rate'>

/** Weights that its initialiser draws; every number that starts at zero is 0.05 in place of it, so that all of the network works. */
function weightsOf(network: Network): Record<string, Float32Array> {
  return tensor.scope(() => {
    const model = modelOf(network, { resnet, tensor }, { dtype: 'f32', backend: wasm() })
    const names = Object.keys(resnet.parametersOf(model)).sort()
    return Object.fromEntries(
      names.map(name => {
        const data = Float32Array.from((model.tensors[name] as Dense).dataSync())
        return [name, data.every(v => v === 0) ? data.fill(0.05) : data]
      }),
    )
  })
}

/** The losses of the first three steps in f64. */
async function losses(work: StepsWork): Promise<Values> {
  const { result, dispose } = steps(work, 'ours', 'f64')
  const values = await result()
  await dispose?.()
  return values
}

function networkCase(name: string, what: string, batch: number, network: Network): Case {
  const work: StepsWork = {
    kind: 'steps',
    ...network,
    weights: weightsOf(network),
    x: normal('f32', batch * 3 * 32 * 32, 1, 21) as Float32Array,
    shape: [batch, 3, 32, 32],
    labels: Int32Array.from({ length: batch }, (_, i) => (i * 7) % 10),
  }
  let exact: Values | undefined
  return {
    name,
    what: `training step of ${what}, images of 3×32×32, batch ${batch}, ${network.optimiser === 'sgd' ? 'SGD with momentum' : 'AdamW'}, f32`,
    work,
    own: [() => steps(work), () => steps(work, 'ours 2 threads'), () => baseSteps(work)],
    // Losses of the first three steps.
    check: async values => {
      exact ??= await losses(work)
      return against(() => exact!, 1e-3)(values)
    },
  }
}

const casesOf = ({ quick }: Size) => {
  const batch = quick ? 8 : 64
  const widths = quick ? [8, 16, 32] : [16, 32, 64]
  const [width, layers] = quick ? [48, 3] : [192, 12]
  const sgd = { optimiser: 'sgd', rate: 0.01 } as const
  return [
    () =>
      networkCase('resnet20-batch-norm', 'ResNet-20 with batch norm', batch, {
        ...{ architecture: 'resnet', config: resnet20(widths, 'batch'), skipInit: false, ...sgd },
        torch: { network: 'ResNet20', arguments: [widths, 10, true] },
      }),
    () =>
      networkCase('resnet20-skip-init', 'a pre-activation ResNet-20 without norms, SkipInit', batch, {
        ...{ architecture: 'resnet', config: resnet20(widths, 'none'), skipInit: true, ...sgd },
        torch: { network: 'ResNet20', arguments: [widths, 10, false] },
      }),
    () =>
      networkCase('vit-tiny', `ViT of ${layers} layers of width ${width}, 65 tokens`, quick ? 8 : 32, {
        ...{ architecture: 'vit', config: vit(width, layers), skipInit: false, optimiser: 'adamw', rate: 1e-4 },
        torch: { network: 'ViT', arguments: [32, 4, width, layers, 3, 4 * width, 10] },
      }),
  ]
}

export const networkSteps: Suite = {
  name: 'steps',
  what: 'training steps of networks on images: loss, all gradients, optimiser',
  cases: casesOf,
}
