// GPT-2 as Hugging Face writes it: a folder with config.json and model.safetensors, read as it is.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyse, gated } from '@unravel/expansion'
import { towerOf } from '@unravel/resnet'
import { readModel } from '@unravel/resnet/node'
import { formatSafetensors, Random, tensor } from '@unravel/tensor'

// A (very small) GPT2LMHeadModel with random weights; a downloaded folder has the same names.
const [width, layers, vocabulary, positions] = [16, 3, 50, 12]
const shapes: Record<string, number[]> = {
  'transformer.wte.weight': [vocabulary, width],
  'transformer.wpe.weight': [positions, width],
  'transformer.ln_f.weight': [width],
  'transformer.ln_f.bias': [width],
}
for (let l = 0; l < layers; l++) {
  const block = `transformer.h.${l}.`
  for (const norm of ['ln_1', 'ln_2']) shapes[`${block}${norm}.weight`] = shapes[`${block}${norm}.bias`] = [width]
  const dense = { 'attn.c_attn': 3 * width, 'attn.c_proj': width, 'mlp.c_fc': 4 * width, 'mlp.c_proj': width }
  for (const [name, out] of Object.entries(dense)) {
    shapes[`${block}${name}.weight`] = [name === 'mlp.c_proj' ? 4 * width : width, out]
    shapes[`${block}${name}.bias`] = [out]
  }
}
const random = new Random(1)
const folder = mkdtempSync(join(tmpdir(), 'gpt2-'))
const config = { n_embd: width, n_layer: layers, n_head: 4, vocab_size: vocabulary, n_positions: positions }
writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: 'gpt2', ...config }))
const drawn = Object.entries(shapes).map(([name, shape]) => {
  return [name, { shape, dtype: 'f32', data: random.normal(shape, 0, 0.2).dataSync() }] as const
})
writeFileSync(join(folder, 'model.safetensors'), formatSafetensors(Object.fromEntries(drawn)))

const tower = towerOf(readModel(folder, { dtype: 'f64' }))
console.log(tower.names?.join(' '))
//> h.0.attn h.0.mlp h.1.attn h.1.mlp h.2.attn h.2.mlp

const prompt = tensor([[3, 14, 15, 9, 26, 5]], { dtype: 'i32' })
const { share, remainder } = await analyse(gated(tower, prompt, 'all'))
console.log(share.length, 'orders; missing after all of them is rounding:', remainder.at(-1)! < 1e-12)
//> 7 orders; missing after all of them is rounding: true
