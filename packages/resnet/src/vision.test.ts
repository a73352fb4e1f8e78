import { js, parseSafetensors, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { modelFiles, modelFrom, parseConfig, type ResnetConfig, run, towerOf, type VitConfig } from './index.js'
import { specsOf } from './models.js'
import { distance, recorded } from './oracles/recorded.js'

// Folders as Hugging Face and timm write them, and the outputs of independent forward passes: fixtures/vision/record.py.
const vits = ['hf-vit', 'hf-vit-model', 'timm-vit', 'timm-vit-registers', 'timm-vit-average', 'timm-vit-gap']
const names = [...vits, 'timm-vit-clip', 'hf-resnet', 'hf-resnet-model', 'timm-resnet18d', 'timm-resnet26t']

describe.each([js(), wasm()])('on $name', backend => {
  it.each([...names, 'timm-resnext', 'timm-wide'])('%s: the output of the folder as it is, and written by us', name => {
    const { config, weights, x, output } = recorded(`vision/${name}`, backend)
    const warnings: string[] = []
    const options = { dtype: 'f64', backend, onWarning: (w: string) => void warnings.push(w) } as const
    const model = modelFrom(config, weights, options)
    expect(distance(run(towerOf(model), x), output)).toBeLessThan(1e-13)
    const ours = modelFiles(model)
    const again = modelFrom(ours.config, ours.weights, options)
    expect(distance(run(towerOf(again), x), output)).toBeLessThan(1e-13)
    expect(warnings).toEqual([])
  })
})

const changed =
  (name: string, changes: object, { dropped = [] as readonly string[] } = {}) =>
  () => {
    const { config, weights } = recorded(`vision/${name}`, js())
    const stored = new Map([...parseSafetensors(weights).tensors].filter(([tensor]) => !dropped.includes(tensor)))
    return modelFrom(JSON.stringify({ ...JSON.parse(config), ...changes }), stored, { dtype: 'f64', backend: js() })
  }

describe('what is not supported is refused by name', () => {
  it.each<[string, object, string]>([
    ['hf-vit', { hidden_act: 'mish' }, 'hidden_act is "mish"; expected one of'],
    ['hf-vit', { architectures: ['ViTForMaskedImageModeling'] }, 'architectures is ["ViTForMaskedImageModeling"]'],
    ['hf-vit', { id2label: { 0: 'a' } }, 'tensor "classifier.weight" is [3,8]; config.json makes it [1,8]'],
    ['hf-vit', { model_type: 'swin' }, 'model_type is "swin"; expected one of'],
    ['hf-resnet', { hidden_sizes: [8, 13] }, 'hidden_sizes is [8,13]; expected multiples of 4'],
    ['hf-resnet', { layer_type: 'wide' }, 'is "wide"; expected one of "basic"|"bottleneck"'],
    ['hf-resnet', { architectures: ['ResNetBackbone'] }, 'architectures is ["ResNetBackbone"]; expected'],
    ['timm-vit', { architecture: 'vit_base_patch16_siglip_224' }, 'architecture is "vit_base_patch16_siglip_224"'],
    ['timm-vit', { architecture: 'vit_giant_patch14_dinov2' }, 'architecture is "vit_giant_patch14_dinov2"; expected'],
    ['timm-vit', { global_pool: 'map' }, 'global_pool is "map"; expected one of "token"|"avg"'],
    ['timm-vit', { model_args: { block_fn: 'ResPostBlock' } }, 'block_fn is "ResPostBlock"; expected'],
    [
      'timm-vit',
      { model_args: { class_token: false } },
      'class_token is false; expected true, or a global_pool of "avg"',
    ],
    ['timm-resnet18d', { architecture: 'resnet50_gn' }, 'architecture is "resnet50_gn"; expected one of'],
    ['timm-resnet18d', { architecture: 'seresnet50' }, 'architecture is "seresnet50"; expected one of'],
    ['timm-resnet18d', { model_args: { aa_layer: 'blurpool' } }, 'aa_layer is "blurpool"; expected null'],
    ['timm-resnet18d', { model_args: { output_stride: 16 } }, 'output_stride is 16; expected 32'],
    [
      'timm-resnet18d',
      { model_args: { replace_stride_with_dilation: [true] } },
      'replace_stride_with_dilation is [true]',
    ],
  ])('%s with %j', (name, changes, message) => {
    expect(changed(name, changes)).toThrow(message)
  })

  it('queries without their keys, and another size of one', () => {
    const key = 'vit.encoder.layer.1.attention.attention.key.weight'
    expect(changed('hf-vit', {}, { dropped: [key] })).toThrow(
      'tensor "blocks.1.attn.qkv.weight" [24,8] is there in part: 2 of 3 is missing',
    )
    expect(changed('hf-vit', { hidden_size: 6 })).toThrow('config.json makes it')
  })

  it('an unknown field is named in a warning', () => {
    const { config, weights } = recorded('vision/timm-resnet18d', js())
    const warnings: string[] = []
    const model_args = { ...JSON.parse(config).model_args, anything: 3 }
    modelFrom(JSON.stringify({ ...JSON.parse(config), model_args }), weights, {
      onWarning: w => void warnings.push(w),
    })
    expect(warnings.join()).toContain('"anything": 3')
  })
})

describe('names of timm', () => {
  const configOf = (architecture: string, more: object = {}) => parseConfig(JSON.stringify({ architecture, ...more }))

  // Published numbers of parameters (of timm's results and torchvision's documentation).
  it.each([
    ['vit_tiny_patch16_224', 5_717_416],
    ['vit_small_patch16_224', 22_050_664],
    ['vit_base_patch16_224', 86_567_656],
    ['vit_base_patch32_224.augreg_in21k_ft_in1k', 88_224_232],
    ['vit_large_patch16_224', 304_326_632],
    ['deit_small_patch16_224', 22_050_664],
    ['resnet18', 11_689_512],
    ['resnet34', 21_797_672],
    ['resnet50', 25_557_032],
    ['resnet50d', 25_576_264],
    ['tv_resnet101', 44_549_160],
    ['resnet152', 60_192_808],
    ['resnext50_32x4d', 25_028_904],
    ['resnext101_32x8d', 88_791_336],
    ['wide_resnet50_2', 68_883_240],
    ['wide_resnet101_2', 126_886_696],
  ])('%s has its %d parameters', (name, count) => {
    const { architecture, config } = configOf(name)
    const parameters = Object.values(specsOf(architecture, config)).filter(
      spec => spec.kind === 'parameter' && spec.start !== 'scale',
    )
    expect(parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(count)
  })

  it('pretrained_cfg completes a configuration, and num_classes and model_args complete it', () => {
    const pretrained_cfg = { num_classes: 21843, input_size: [1, 384, 256], global_pool: 'token' }
    const vit = (more: object) => configOf('vit_small_patch16_224', { pretrained_cfg, ...more }).config as VitConfig
    expect(vit({})).toMatchObject({
      num_classes: 21843,
      img_size: [384, 256],
      in_chans: 1,
      patch_size: 16,
      num_heads: 6,
    })
    expect(vit({ num_classes: 5, model_args: { img_size: 96 } })).toMatchObject({ num_classes: 5, img_size: 96 })
    const { config } = configOf('resnet26t', { pretrained_cfg: { num_classes: 0 }, num_classes: 7 })
    expect(config as ResnetConfig).toMatchObject({ stem_type: 'deep_tiered', avg_down: true, classes: 7 })
  })
})
