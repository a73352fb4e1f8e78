import { shown } from '@unravel/tensor/internals'
import { z } from 'zod'
import type { Architecture, Config } from './architecture.js'
import { isForm } from './residual.js'
import type { ScaleRule } from './scale.js'

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
/** Fields that a schema knows and no code reads: they leave no trace in the type of a configuration. */
type Unread = Record<never, z.ZodOptional<z.ZodUnknown>>

/** A length of an axis: a positive integer of a sane size. */
export const length = z
  .int()
  .min(1)
  .max(1 << 24)

/** A number of layers. */
export const depth = z
  .int()
  .min(0)
  .max(1 << 19)

/** Fields that change nothing about the network's function: kept, and passed over. */
export const harmless = (...names: readonly string[]): Unread =>
  Object.fromEntries(names.map(name => [name, z.unknown().optional()])) as Unread

/** Fields that change the network's function, each with the values of it that are supported; another is refused. */
export const only = (fields: Readonly<Record<string, readonly Json[]>>): Unread =>
  Object.fromEntries(
    Object.entries(fields).map(([name, values]) => {
      const texts = values.map(value => JSON.stringify(value))
      const supported = z.custom(value => texts.includes(JSON.stringify(value)), `expected ${texts.join(' or ')}`)
      return [name, supported.optional()]
    }),
  ) as unknown as Unread

/** Fields that Hugging Face and timm write into every config.json beside those of the network: records of how the file
 *  came to be, sizes and settings of training, what generation starts from, and which of the same numbers are returned. */
export const records = harmless(
  ...['architectures', '_name_or_path', 'name_or_path', '_commit_hash', 'transformers_version', 'torch_dtype', 'dtype'],
  ...['id2label', 'label2id', 'finetuning_task', 'task_specific_params', 'problem_type', 'tokenizer_class', 'prefix'],
  ...['pretrained_cfg', 'license', 'tags', 'language', 'library_name', 'label_names', 'label_descriptions'],
  ...['_num_labels', 'transformers.js_config'],
  ...['return_dict', 'output_hidden_states', 'output_attentions', 'use_cache', 'use_return_dict', 'torchscript'],
  ...['attn_implementation', '_attn_implementation', '_attn_implementation_autoset', 'chunk_size_feed_forward'],
  ...['use_bfloat16', 'tf_legacy_loss', 'gradient_checkpointing', 'is_decoder', 'tie_encoder_decoder', 'auto_map'],
  ...['initializer_range', 'initializer_factor'],
  ...[
    'bos_token_id',
    'eos_token_id',
    'pad_token_id',
    'sep_token_id',
    'decoder_start_token_id',
    'max_length',
    'min_length',
  ],
  ...[
    'do_sample',
    'early_stopping',
    'num_beams',
    'num_beam_groups',
    'diversity_penalty',
    'temperature',
    'top_k',
    'top_p',
  ],
  ...['typical_p', 'repetition_penalty', 'length_penalty', 'no_repeat_ngram_size', 'encoder_no_repeat_ngram_size'],
  ...['bad_words_ids', 'num_return_sequences', 'output_scores', 'return_dict_in_generate', 'forced_bos_token_id'],
  ...['forced_eos_token_id', 'remove_invalid_values', 'exponential_decay_length_penalty', 'suppress_tokens'],
  'begin_suppress_tokens',
)

/** Number of labels of a classifier of Hugging Face: those that have names, or `num_labels`, or its default. */
export function labelCount(config: Readonly<Record<string, unknown>>): unknown {
  const { id2label: names, num_labels: count } = config
  return typeof names === 'object' && names !== null ? Object.keys(names).length : (count ?? 2)
}

/** Which of two classes of Hugging Face wrote a configuration: the one with a classifier (also where it does not say), or
 *  the one without. Throws an Error for another. */
export function hasClassifier(config: Readonly<Record<string, unknown>>, classifier: string, base: string): boolean {
  const { architectures: classes } = config
  const [name] = Array.isArray(classes) && classes.length === 1 ? classes : [classes ?? classifier]
  if (name === classifier || name === base) return name === classifier
  throw new Error(`architectures is ${shown(classes)}; expected ["${classifier}"] or ["${base}"]`)
}

/** Settings of Hugging Face that change any network. */
export const unchanged = only({
  pruned_heads: [{}, null],
  quantization_config: [null],
  is_encoder_decoder: [false],
  cross_attention_hidden_size: [null],
})

/** A configuration as a family reads it, and the names of the fields that the family does not know; they are kept. Throws
 *  an Error, one line that names every wrong field with its value. */
export function checkedConfig<C extends Config>(
  architecture: Architecture<C>,
  given: object,
): { readonly config: C; readonly unknown: readonly string[] } {
  const fields: Record<string, unknown> = { ...given }
  /** How the file spells the fields that it has by another name only. */
  const spelling: Record<string, string> = {}
  for (const [synonym, name] of Object.entries(architecture.synonyms ?? {})) {
    if (!Object.hasOwn(fields, synonym)) continue
    if (fields[name] === undefined) {
      fields[name] = fields[synonym]
      spelling[name] = synonym
    } else if (JSON.stringify(fields[name]) !== JSON.stringify(fields[synonym])) {
      const values = [synonym, name].map(field => `${field} is ${shown(fields[field])}`)
      throw new Error(`${values.join(' and ')}; expected the same value, as they are names of one setting`)
    }
  }
  const parsed = architecture.schema.safeParse(fields)
  if (!parsed.success) throw new Error(issues(parsed.error, fields, spelling))
  if (parsed.data.scale !== undefined) checkRule(architecture, parsed.data, parsed.data.scale)
  const known = new Set([...Object.keys(parsed.data), ...Object.keys(architecture.synonyms ?? {})])
  return {
    config: { ...fields, ...parsed.data },
    unknown: Object.keys(fields).filter(name => !known.has(name)),
  }
}

/** Throws an Error where networks of this configuration do not have the rule. */
function checkRule<C extends Config>(architecture: Architecture<C>, config: C, { rule }: ScaleRule): void {
  const why =
    rule === 'layer-scale'
      ? architecture.channels === undefined && `the family ${architecture.name} does not say its channels`
      : isForm(rule) &&
        (architecture.refuses === undefined
          ? `a ${architecture.name} has no such blocks`
          : architecture.refuses(config, rule))
  if (why) throw new Error(`scale.rule is "${rule}"; expected another: ${why}`)
}

/** Says which fields of a configuration are passed over because the family does not know them. */
export function unknownFields(architecture: Architecture, config: object, unknown: readonly string[]): string {
  const MOST = 8
  const named = unknown
    .slice(0, MOST)
    .map(name => `${shown(name)}: ${shown((config as Record<string, unknown>)[name])}`)
    .join(', ')
  const more = unknown.length > MOST ? ` and ${unknown.length - MOST} more` : ''
  return `config.json has fields that a ${architecture.name} does not know, and that are passed over: ${named}${more}; if they change the network, what is computed here is another one`
}

/** Every complaint of a schema about `config`, on one line. */
function issues(error: z.ZodError, config: unknown, spelling: Readonly<Record<string, string>>): string {
  const MOST = 8
  const complaints = error.issues.slice(0, MOST).map(({ path, message }) => {
    const found = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], config)
    const got = found === undefined ? 'missing' : shown(found)
    const wanted = message.replace(/^.*?expected/i, 'expected').replace(/, received .*$/, '')
    const [field, ...rest] = path.map(String)
    return `${[spelling[field!] ?? field, ...rest].join('.')} is ${got}; ${wanted}`
  })
  const more = error.issues.length > MOST ? ` — and ${error.issues.length - MOST} more` : ''
  return complaints.join(' — ') + more
}
