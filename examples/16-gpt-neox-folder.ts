// GPT-NeoX (Pythia) as Hugging Face writes it: attention and MLP on one input are one block, so that n counts layers.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyse, gated, taylor } from '@unravel/expansion'
import { towerOf } from '@unravel/resnet'
import { readModel } from '@unravel/resnet/node'
import { formatSafetensors, Random, tensor } from '@unravel/tensor'

// A (very small) GPTNeoXForCausalLM with random weights; a downloaded folder has the same names.
const [width, inner, layers, vocabulary] = [16, 40, 4, 50]
const shapes: Record<string, number[]> = {
  'gpt_neox.embed_in.weight': [vocabulary, width],
  'gpt_neox.final_layer_norm.weight': [width],
  'gpt_neox.final_layer_norm.bias': [width],
  'embed_out.weight': [vocabulary, width],
}
for (let l = 0; l < layers; l++) {
  const layer = `gpt_neox.layers.${l}.`
  for (const norm of ['input_layernorm', 'post_attention_layernorm']) {
    shapes[`${layer}${norm}.weight`] = shapes[`${layer}${norm}.bias`] = [width]
  }
  const dense = {
    'attention.query_key_value': [3 * width, width],
    'attention.dense': [width, width],
    'mlp.dense_h_to_4h': [inner, width],
    'mlp.dense_4h_to_h': [width, inner],
  }
  for (const [name, shape] of Object.entries(dense)) {
    shapes[`${layer}${name}.weight`] = shape
    shapes[`${layer}${name}.bias`] = [shape[0]!]
  }
}
const random = new Random(1)
const folder = mkdtempSync(join(tmpdir(), 'gpt-neox-'))
const config = {
  ...{ model_type: 'gpt_neox', hidden_size: width, intermediate_size: inner, num_hidden_layers: layers },
  ...{ num_attention_heads: 4, vocab_size: vocabulary, rotary_pct: 0.5, use_parallel_residual: true },
}
writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
const drawn = Object.entries(shapes).map(([name, shape]) => {
  return [name, { shape, dtype: 'f32', data: random.normal(shape, 0, 0.2).dataSync() }] as const
})
writeFileSync(join(folder, 'model.safetensors'), formatSafetensors(Object.fromEntries(drawn)))

const model = readModel(folder, { dtype: 'f64' })
const prompt = tensor([[3, 14, 15, 9, 26, 5]], { dtype: 'i32' })
const { remainder, share } = await analyse(gated(towerOf(model), prompt, 'all'))
console.log(share.length - 1, 'blocks for', layers, 'layers; gated orders are exact:', remainder.at(-1)! < 1e-12)
//> 4 blocks for 4 layers; gated orders are exact: true

// The series in λ, at a scale where it converges.
const series = await analyse(taylor(towerOf(model, { scale: { rule: 'constant', value: 0.01 } }), prompt, 8))
console.log('the series at λ = 0.01 is exact, too:', series.remainder[8]! < 1e-8)
//> the series at λ = 0.01 is exact, too: true
