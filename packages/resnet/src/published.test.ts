import { expect, it } from 'vitest'
import { parseConfig, specsOf } from './models.js'

// config.json as it was published, and the number of parameters that its authors or Hugging Face state.
const text = { initializer_range: 0.02, use_cache: true, transformers_version: '4.43.1' }
const llama = {
  ...text,
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  bos_token_id: 1,
  eos_token_id: 2,
}
const qwen = { ...llama, attention_dropout: 0, rms_norm_eps: 1e-6, rope_theta: 1e6, use_sliding_window: false }
const gpt2 = {
  ...{ activation_function: 'gelu_new', architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', n_ctx: 1024 },
  ...{ attn_pdrop: 0.1, embd_pdrop: 0.1, resid_pdrop: 0.1, bos_token_id: 50256, eos_token_id: 50256 },
  ...{
    layer_norm_epsilon: 1e-5,
    n_embd: 768,
    n_head: 12,
    n_positions: 1024,
    vocab_size: 50257,
    summary_activation: null,
  },
  ...{ summary_first_dropout: 0.1, summary_proj_to_labels: true, summary_type: 'cls_index', summary_use_proj: true },
  task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } },
}
const neox = {
  ...{ ...text, architectures: ['GPTNeoXForCausalLM'], model_type: 'gpt_neox', bos_token_id: 0, eos_token_id: 0 },
  ...{ layer_norm_eps: 1e-5, max_position_embeddings: 2048, rotary_emb_base: 10000, rotary_pct: 0.25 },
  ...{ tie_word_embeddings: false, torch_dtype: 'float16' },
}

it.each<[string, number, object]>([
  ['GPT-2', 124_439_808, { ...gpt2, n_layer: 12 }],
  [
    'DistilGPT-2',
    81_912_576,
    { ...gpt2, _num_labels: 1, n_layer: 6, id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 } },
  ],
  [
    'Llama 7B',
    6_738_415_616,
    {
      ...{ ...llama, hidden_size: 4096, intermediate_size: 11008, max_sequence_length: 2048, num_attention_heads: 32 },
      ...{ num_hidden_layers: 32, pad_token_id: 0, rms_norm_eps: 1e-6, tie_word_embeddings: false, vocab_size: 32000 },
    },
  ],
  [
    'Llama 3 8B',
    8_030_261_248,
    {
      ...{ ...llama, attention_bias: false, attention_dropout: 0, hidden_size: 4096, intermediate_size: 14336 },
      ...{ max_position_embeddings: 8192, num_attention_heads: 32, num_hidden_layers: 32, num_key_value_heads: 8 },
      ...{ pretraining_tp: 1, rms_norm_eps: 1e-5, rope_scaling: null, rope_theta: 500000, tie_word_embeddings: false },
      ...{ eos_token_id: [128001, 128009], vocab_size: 128256 },
    },
  ],
  [
    'SmolLM2 135M',
    134_515_008,
    {
      ...{ ...llama, attention_bias: false, hidden_size: 576, intermediate_size: 1536, is_llama_config: true },
      ...{ max_position_embeddings: 8192, mlp_bias: false, num_attention_heads: 9, num_hidden_layers: 30 },
      ...{ num_key_value_heads: 3, pretraining_tp: 1, rms_norm_eps: 1e-5, rope_interleaved: false, rope_scaling: null },
      ...{ rope_theta: 100000, tie_word_embeddings: true, vocab_size: 49152 },
      'transformers.js_config': { kv_cache_dtype: { q4f16: 'float16', fp16: 'float16' } },
    },
  ],
  [
    'Mistral 7B',
    7_241_732_096,
    {
      ...{
        ...llama,
        architectures: ['MistralForCausalLM'],
        model_type: 'mistral',
        hidden_size: 4096,
        rope_theta: 10000,
      },
      ...{ intermediate_size: 14336, max_position_embeddings: 32768, num_attention_heads: 32, num_hidden_layers: 32 },
      ...{
        num_key_value_heads: 8,
        rms_norm_eps: 1e-5,
        sliding_window: 4096,
        tie_word_embeddings: false,
        vocab_size: 32000,
      },
    },
  ],
  [
    'Qwen2.5-Math 1.5B',
    1_543_714_304,
    {
      ...{ ...qwen, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', hidden_size: 1536, use_mrope: false },
      ...{ intermediate_size: 8960, max_position_embeddings: 4096, max_window_layers: 21, num_attention_heads: 12 },
      ...{ num_hidden_layers: 28, num_key_value_heads: 2, sliding_window: 4096, tie_word_embeddings: true },
      vocab_size: 151936,
    },
  ],
  [
    'Qwen3 0.6B, written by a later version',
    596_049_920,
    {
      ...{ ...qwen, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', head_dim: 128, hidden_size: 1024 },
      ...{ intermediate_size: 3072, layer_types: new Array(28).fill('full_attention'), max_window_layers: 28 },
      ...{ num_attention_heads: 16, num_hidden_layers: 28, num_key_value_heads: 8, rope_theta: undefined },
      ...{
        rope_parameters: { rope_theta: 1e6, rope_type: 'default' },
        sliding_window: null,
        tie_word_embeddings: true,
      },
      ...{ dtype: 'bfloat16', pad_token_id: null, vocab_size: 151936 },
    },
  ],
  [
    'Granite 3.0 2B',
    2_533_531_648,
    {
      ...{ ...llama, architectures: ['GraniteForCausalLM'], model_type: 'granite', attention_multiplier: 0.015625 },
      ...{ embedding_multiplier: 12, residual_multiplier: 0.22, logits_scaling: 8, hidden_size: 2048, mlp_bias: false },
      ...{ intermediate_size: 8192, num_attention_heads: 32, num_hidden_layers: 40, num_key_value_heads: 8 },
      ...{ rms_norm_eps: 1e-5, rope_scaling: null, rope_theta: 10000, tie_word_embeddings: true, vocab_size: 49155 },
    },
  ],
  [
    'MiniCPM 2B',
    2_724_880_896,
    {
      ...{ ...llama, architectures: ['MiniCPMForCausalLM'], model_type: 'minicpm', scale_emb: 12, scale_depth: 1.4 },
      ...{
        dim_model_base: 256,
        hidden_size: 2304,
        intermediate_size: 5760,
        num_attention_heads: 36,
        rope_scaling: null,
      },
      ...{ num_hidden_layers: 40, num_key_value_heads: 36, rms_norm_eps: 1e-5, vocab_size: 122753 },
      auto_map: { AutoConfig: 'configuration_minicpm.MiniCPMConfig' },
    },
  ],
  [
    'Pythia 70M',
    70_426_624,
    {
      ...{ ...neox, hidden_act: 'gelu', hidden_size: 512, intermediate_size: 2048, num_attention_heads: 8 },
      ...{ num_hidden_layers: 6, use_parallel_residual: true, vocab_size: 50304 },
    },
  ],
  [
    'GPT-NeoX 20B',
    20_554_567_680,
    {
      ...{ ...neox, attention_probs_dropout_prob: 0, hidden_dropout_prob: 0, hidden_act: 'gelu_fast' },
      ...{
        hidden_size: 6144,
        intermediate_size: 24576,
        num_attention_heads: 64,
        num_hidden_layers: 44,
        vocab_size: 50432,
      },
    },
  ],
  [
    'ResNet-18 of timm, as Hugging Face wraps it',
    11_689_512,
    {
      ...{ architecture: 'resnet18', architectures: ['TimmWrapperForImageClassification'], do_pooling: true },
      ...{ initializer_range: 0.02, label_names: ['tench'], model_args: null, model_type: 'timm_wrapper' },
      ...{ num_classes: 1000, num_features: 512, pretrained_cfg: { num_classes: 1000, classifier: 'fc' } },
    },
  ],
])('%s has its %d parameters, and no field that is unknown', (_, count, published) => {
  const warnings: string[] = []
  const { architecture, config } = parseConfig(JSON.stringify(published), { onWarning: w => void warnings.push(w) })
  const specs = Object.values(specsOf(architecture, config)).filter(s => s.kind === 'parameter' && s.start !== 'scale')
  expect(specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(count)
  expect(warnings).toEqual([])
})

it.each([
  ['gpt2', { ...gpt2, n_layer: 12 }],
  [
    'gpt_neox',
    {
      ...neox,
      hidden_act: 'gelu',
      hidden_size: 8,
      intermediate_size: 8,
      num_attention_heads: 1,
      num_hidden_layers: 1,
      vocab_size: 9,
    },
  ],
  [
    'minicpm',
    {
      ...llama,
      architectures: ['MiniCPMForCausalLM'],
      hidden_size: 8,
      intermediate_size: 8,
      num_attention_heads: 1,
      num_hidden_layers: 4,
      vocab_size: 9,
    },
  ],
] as const)('a configuration without model_type is recognised by the class that it names: %s', (type, published) => {
  const read = (fields: object) => parseConfig(JSON.stringify({ ...published, ...fields }))
  const { architecture, config } = read({ model_type: undefined })
  expect(architecture).toBe(read({ model_type: type }).architecture)
  expect(config).toMatchObject({ model_type: type })
  expect(read({ model_type: undefined, architecture: null }).config).toMatchObject({ model_type: type })
})

it('a configuration that names no family is told by what it has, with the names that are read', () => {
  expect(() => parseConfig('{"architectures": ["GemmaForCausalLM"]}')).toThrow(
    /architectures is \["GemmaForCausalLM"\]; expected .* model_type of Hugging Face: gpt2, .*gpt_neox$/,
  )
})
