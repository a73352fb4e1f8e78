// A ViT as Hugging Face writes it: its own names, and queries, keys and values in three tensors.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyse, gated } from '@unravel/expansion'
import { towerOf } from '@unravel/resnet'
import { readModel } from '@unravel/resnet/node'
import { formatSafetensors, Random } from '@unravel/tensor'

// A (very small) ViTForImageClassification with random weights; a downloaded folder has the same names.
const [width, inner, layers] = [16, 40, 2]
const shapes: Record<string, number[]> = {
  'vit.embeddings.cls_token': [1, 1, width],
  'vit.embeddings.position_embeddings': [1, 5, width],
  'vit.embeddings.patch_embeddings.projection.weight': [width, 3, 4, 4],
  'vit.embeddings.patch_embeddings.projection.bias': [width],
  'vit.layernorm.weight': [width],
  'vit.layernorm.bias': [width],
  'classifier.weight': [3, width],
  'classifier.bias': [3],
}
for (let l = 0; l < layers; l++) {
  const layer = `vit.encoder.layer.${l}.`
  for (const norm of ['layernorm_before', 'layernorm_after']) {
    shapes[`${layer}${norm}.weight`] = shapes[`${layer}${norm}.bias`] = [width]
  }
  const attention = ['query', 'key', 'value'].map(part => `attention.attention.${part}`)
  for (const name of [...attention, 'attention.output.dense', 'intermediate.dense', 'output.dense']) {
    const [out, from] =
      name === 'intermediate.dense' ? [inner, width] : [width, name === 'output.dense' ? inner : width]
    shapes[`${layer}${name}.weight`] = [out, from]
    shapes[`${layer}${name}.bias`] = [out]
  }
}
const random = new Random(1)
const folder = mkdtempSync(join(tmpdir(), 'vit-'))
const config = {
  ...{ model_type: 'vit', architectures: ['ViTForImageClassification'], hidden_size: width, num_hidden_layers: layers },
  ...{ num_attention_heads: 4, intermediate_size: inner, image_size: 8, patch_size: 4, layer_norm_eps: 1e-12 },
  id2label: { 0: 'cat', 1: 'dog', 2: 'owl' },
}
writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
const drawn = Object.entries(shapes).map(([name, shape]) => {
  return [name, { shape, dtype: 'f32', data: random.normal(shape, 0, 0.2).dataSync() }] as const
})
writeFileSync(join(folder, 'model.safetensors'), formatSafetensors(Object.fromEntries(drawn)))

const model = readModel(folder, { dtype: 'f64' })
console.log(
  Object.keys(model.tensors).filter(name => name.includes('attn')).length,
  'tensors of attention, by our names',
)
//> 8 tensors of attention, by our names

const images = random.normal([2, 3, 8, 8], 0, 1, { dtype: 'f64' })
const { share, remainder } = await analyse(gated(towerOf(model), images, 'all'))
console.log(share.length - 1, 'blocks; missing after all orders is rounding:', remainder.at(-1)! < 1e-12)
//> 4 blocks; missing after all orders is rounding: true
