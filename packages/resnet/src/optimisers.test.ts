import { js, mapTree, Random, type Tensor, tensor, wasm } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  adamw,
  averaged,
  averageOf,
  initialise,
  type Model,
  type Optimiser,
  resnet,
  sgd,
  skipInit,
  undecayed,
  vit,
} from './index.js'

describe('optimisers', () => {
  const where = { dtype: 'f64' as const, backend: js() }
  /** Three steps on one number, with gradients 1, −2, 0.5. */
  function path(optimiser: Optimiser): number[] {
    let parameters: Readonly<Record<string, ReturnType<typeof tensor> | Dense>> = { p: tensor(1, where) }
    let state = optimiser.init(parameters)
    return [1, -2, 0.5].map((g, i) => {
      const next = optimiser.step(parameters, { p: tensor(g, where) }, state, 0.1, i + 1)
      parameters = next.parameters as typeof parameters
      state = next.state
      return next.parameters.p!.item()
    })
  }
  const expectPath = (got: number[], want: number[]) => want.forEach((x, i) => expect(got[i]).toBeCloseTo(x, 12))

  it('step as those of PyTorch', () => {
    expectPath(path(sgd()), [0.9, 1.1, 1.05])
    // v: 1, −1.1, −0.49
    expectPath(path(sgd({ momentum: 0.9 })), [0.9, 1.01, 1.059])
    // steps: 1 + 0.9·1, −2 + 0.9·(−1.1), 0.5 + 0.9·(−0.49)
    expectPath(path(sgd({ momentum: 0.9, nesterov: true })), [0.81, 1.109, 1.1031])
    expectPath(path(sgd({ weightDecay: 0.5 })), [0.85, 1.0075, 0.907125])
    // torch.optim.AdamW and SGD of PyTorch 1.13, in f64
    expectPath(path(adamw()), [0.899000001, 0.9347113534710749, 0.9474457083193505])
    const far = adamw({ beta1: 0.5, beta2: 0.75, eps: 0.1, weightDecay: 0.3 })
    expectPath(path(far), [0.879090909090909, 0.9099424955776683, 0.892966289954908])
    const both = { momentum: 0.9, weightDecay: 0.5 }
    expectPath(path(sgd(both)), [0.85, 0.8725, 0.799125])
    expectPath(path(sgd({ ...both, nesterov: true })), [0.715, 0.905575, 0.748237875])
    expect(() => sgd({ nesterov: true })).toThrow('momentum')
  })

  it.each([
    ['sgd', sgd({ momentum: 0.9, weightDecay: 0.5 })],
    ['adamw', adamw()],
    ['averaged', averaged(adamw(), 0.5)],
  ])('%s steps a nested tree as it steps its tensors by name, and keeps its type', (_, optimiser) => {
    const parameters = { layers: [{ w: tensor([1, 2], where) }, { w: tensor([3], where) }] as const, name: 'tree' }
    const gradients = { layers: [{ w: tensor([4, -5], where) }, { w: tensor([6], where) }] as const, name: 'tree' }
    const flat = (tree: typeof parameters) => ({ 'layers.0.w': tree.layers[0].w, 'layers.1.w': tree.layers[1].w })
    const state = optimiser.init(parameters)
    const tree = optimiser.step(parameters, gradients, state, 0.1, 1)
    expectTypeOf(tree.parameters).toEqualTypeOf<typeof parameters>()
    const byName = optimiser.step(flat(parameters), flat(gradients), optimiser.init(flat(parameters)), 0.1, 1)
    expect(flat(tree.parameters)['layers.1.w'].item()).not.toBe(3)
    const numbers = (t: Readonly<Record<string, Tensor>>) => mapTree(x => x.toArray(), t)
    expect(numbers(flat(tree.parameters))).toEqual(numbers(byName.parameters))
    expect(numbers(tree.state)).toEqual(numbers(byName.state))
    expect(tree.parameters.name).toBe('tree')
  })

  it.each([js(), wasm()])('AdamW makes no step where the square of a gradient overflows (%#)', backend => {
    const f32 = { dtype: 'f32', backend } as const
    const optimiser = adamw({ weightDecay: 0.5 })
    const parameters = { p: tensor([2, 2, 2, 2, 2], f32) }
    const gradients = { p: tensor([1e25, -1e30, 1e20, 3, 1e22], f32) }
    // 0.95·2, and where (1 − β₂)·g² is below 3.4e38 a step of 0.1 against the sign
    const { p } = optimiser.step(parameters, gradients, optimiser.init(parameters), 0.1, 1).parameters
    const want = [1.9, 1.9, 1.8, 1.8, 1.9]
    ;[...p!.dataSync()].forEach((x, i) => expect(x, `gradient ${i}`).toBeCloseTo(want[i]!, 6))
  })

  it('leave the parameters that do not decay to their gradients alone', () => {
    const undecayed = new Set(['p'])
    expectPath(path(sgd({ weightDecay: 0.5, undecayed })), path(sgd()))
    expectPath(path(sgd({ momentum: 0.9, weightDecay: 0.5, undecayed })), path(sgd({ momentum: 0.9 })))
    expectPath(path(adamw({ weightDecay: 0.5, undecayed })), path(adamw({ weightDecay: 0 })))
    expect(path(adamw({ weightDecay: 0.5, undecayed: new Set(['q']) }))).toEqual(path(adamw({ weightDecay: 0.5 })))
    expect(sgd({ undecayed }).description).not.toBe(sgd().description)
  })

  it('decay of a resnet spares its norms, biases and learned scales', () => {
    const config = { architecture: 'resnet' as const, block: 'basic' as const, layers: [1], widths: [4] }
    const model = initialise(
      resnet,
      { ...config, stem: 'cifar', norm: 'batch', preactivation: false, classes: 2, in_channels: 3 },
      { random: new Random(1), scale: skipInit() },
    ) as unknown as Model
    const spared = undecayed(model)
    const all = Object.keys(model.tensors)
    expect(all.filter(name => !spared.has(name) && !name.includes('running'))).toEqual([
      'conv1.weight',
      'layer1.0.conv1.weight',
      'layer1.0.conv2.weight',
      'fc.weight',
    ])
    expect(spared).toContain('layer1.0.scale')
    expect(spared).toContain('bn1.weight')
    expect(spared).toContain('fc.bias')
  })

  it('decay of a vit spares its positions and class token too, as timm does, and its registers', () => {
    const sizes = { img_size: 8, patch_size: 4, in_chans: 1, num_classes: 2, embed_dim: 4, depth: 1, num_heads: 2 }
    const config = { architecture: 'vit' as const, ...sizes, reg_tokens: 1, qkv_bias: true, norm_eps: 1e-6 }
    const model = initialise(vit, config, { random: new Random(1) }) as unknown as Model
    const spared = undecayed(model)
    // no_weight_decay of timm's VisionTransformer: pos_embed, cls_token; of the others, tensors of rank 1 and biases.
    expect(Object.keys(model.tensors).filter(name => !spared.has(name))).toEqual([
      'patch_embed.proj.weight',
      'blocks.0.attn.qkv.weight',
      'blocks.0.attn.proj.weight',
      'blocks.0.mlp.fc1.weight',
      'blocks.0.mlp.fc2.weight',
      'head.weight',
    ])
  })

  it('averaged keeps a·d + p·(1 − d) beside parameters that it leaves alone', () => {
    const optimiser = averaged(sgd(), 0.5)
    let parameters: Readonly<Record<string, ReturnType<typeof tensor> | Dense>> = { p: tensor(1, where) }
    let state = optimiser.init(parameters)
    let average = 1
    ;[1, -2, 0.5, 3, 1, 1, 2, 2, 1].forEach((g, i) => {
      const next = optimiser.step(parameters, { p: tensor(g, where) }, state, 0.1, i + 1)
      parameters = next.parameters as typeof parameters
      state = next.state
      // The first steps weigh more: 2/11, 3/12, …, 1/2 from the eighth on.
      const d = Math.min(0.5, (i + 2) / (i + 11))
      average = d * average + (1 - d) * parameters.p!.item()
      expect(state['average.p']!.item()).toBeCloseTo(average, 12)
    })
    const model = { architecture: resnet, config: {}, tensors: { ...parameters, buffer: tensor(7, where) } }
    const mean = averageOf({ model: model as unknown as Model, optimiser: state, step: 9 })
    expect([mean.tensors.p!.item(), mean.tensors.buffer!.item()]).toEqual([state['average.p']!.item(), 7])
    expect(() => averaged(sgd(), 1)).toThrow('averaged: decay must be at least 0 and below 1, got 1')
  })

  describe.each([
    ['sgd', sgd({ momentum: 0.9 })],
    ['adamw', adamw()],
    ['averaged', averaged(adamw(), 0.5)],
  ])('%s', (_, optimiser) => {
    const parameters = { p: tensor([1, 2], where), q: tensor([3], where) }
    const step = (gradients: object, rate: number, t: number) =>
      optimiser.step(parameters, gradients as typeof parameters, optimiser.init(parameters), rate, t)
    it('names the parameter that has no gradient', () => {
      expect(() => step({ p: parameters.p }, 0.1, 1)).toThrow(RangeError)
      expect(() => step({ p: parameters.p }, 0.1, 1)).toThrow('the gradients have none of "q"')
    })
    it.each([0, Number.NaN, 1.5, -1])('has no step %d', t => {
      expect(() => step(parameters, 0.1, t)).toThrow(
        `the step must be an integer of at least 1 (the first step is 1), got ${t}`,
      )
    })
    it.each([Number.NaN, Infinity])('makes no step of rate %d', rate => {
      expect(() => step(parameters, rate, 1)).toThrow(`the learning rate must be finite, got ${rate}`)
    })
  })

  it('refuse settings that PyTorch refuses', () => {
    expect(() => sgd({ momentum: -1 })).toThrow('sgd: momentum must be at least 0 and finite, got -1')
    expect(() => sgd({ weightDecay: Number.NaN })).toThrow('weightDecay')
    expect(() => adamw({ beta1: 1 })).toThrow('adamw: beta1 must be at least 0 and below 1, got 1')
    expect(() => adamw({ beta2: -0.1 })).toThrow('beta2')
    expect(() => adamw({ eps: -1e-8 })).toThrow('eps')
    expect(() => adamw({ weightDecay: -1 })).toThrow('weightDecay')
  })
})
