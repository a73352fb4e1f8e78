// A language model as Hugging Face writes it: Granite's residual multiplier is λ, attention and MLP are blocks.
import { analyse, gated } from '@unravel/expansion'
import { architectures, initialise, towerOf } from '@unravel/resnet'
import { Random, tensor } from '@unravel/tensor'

// config.json of a (very small) Granite. `readModel(folder)` reads one from disk with its weights.
const config = {
  architecture: 'llama',
  model_type: 'granite',
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 50,
  rms_norm_eps: 1e-5,
  residual_multiplier: 0.22,
  embedding_multiplier: 12,
  attention_multiplier: 0.25,
  logits_scaling: 8,
}
const model = initialise(architectures.llama!, config, { random: new Random(1), dtype: 'f64' })
const prompt = tensor([[3, 14, 15, 9, 26, 5]], { dtype: 'i32' })
const tower = towerOf(model)
console.log(tower.names?.join(' '))
//> layers.0.self_attn layers.0.mlp layers.1.self_attn layers.1.mlp layers.2.self_attn layers.2.mlp

const found = await analyse(gated(tower, prompt, 'all'))
console.log('λ =', found.scale, 'missing after all orders is rounding:', found.remainder.at(-1)! < 1e-12)
//> λ = 0.22 missing after all orders is rounding: true
