import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Tokens } from '@unravel/report/data'
import { readBytes } from '@unravel/resnet/node'
import { type Backend, type Tensor, tensor } from '@unravel/tensor'
import { brief, fromJson, shown } from '@unravel/tensor/internals'
import { UsageError } from './errors.js'

/** The tokenizer of a model's folder. */
export interface Text {
  /** Ids of a prompt, with the special tokens that the tokenizer adds. */
  ids(prompt: string): readonly number[]
  /** Ids of a piece of text, without these; text that is not one token, but is spelt as one in the vocabulary (`##ing`), is that
   *  one. Throws UsageError where the vocabulary lacks a part of it. */
  pieces(text: string): readonly number[]
  /** The token of an id, in quotes. */
  name(id: number): string
}

/** The tokenizer of a folder with tokenizer.json; undefined where there is none. Throws UsageError naming the file. */
export async function readText(folder: string, path: string): Promise<Text | undefined> {
  const file = 'tokenizer.json'
  if (!existsSync(join(path, file))) return undefined
  const parsed = (name: string): object => {
    try {
      return fromJson(Buffer.from(readBytes(join(path, name))).toString('utf8')) as object
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      throw new UsageError(`${join(folder, name)} is not JSON: ${error.message}`)
    }
  }
  const settings = existsSync(join(path, 'tokenizer_config.json')) ? parsed('tokenizer_config.json') : {}
  const { Tokenizer } = await import('@huggingface/tokenizers')
  const made = parsed(file)
  /** What the library throws in the middle of its work says where it stopped, and not what the file lacks. */
  const reading = <T>(action: () => T): T => {
    try {
      return action()
    } catch (error) {
      const why =
        error instanceof TypeError || error instanceof RangeError
          ? 'it is not as Hugging Face writes it'
          : (error as Error).message
      throw new UsageError(`${join(folder, file)}: ${brief(why, 500)}; give ids by --input in place of prompts`)
    }
  }
  return textOf(
    reading(() => {
      const lacking = lack(made)
      if (lacking !== undefined) throw new Error(lacking)
      return new Tokenizer(made, settings)
    }),
    reading,
  )
}

/** What the parsed tokenizer.json lacks of what each of them has, in words. */
function lack(made: unknown): string | undefined {
  const object = (value: unknown) => (typeof value === 'object' ? value : null) as Record<string, unknown> | null
  const { model } = object(made) ?? {}
  if (!object(model)) return `"model" is ${shown(model)}; expected an object with "type" and "vocab"`
  const { type, vocab, merges } = object(model)!
  if (!object(vocab)) return `"model.vocab" is ${shown(vocab)}; expected the tokens and their ids`
  if (type === 'BPE' && !Array.isArray(merges)) return `"model.merges" is ${shown(merges)}; expected a list`
  return undefined
}

type Tokenizer = InstanceType<typeof import('@huggingface/tokenizers').Tokenizer>

/** `reading` runs what the library does, and throws UsageError where the file is not what it takes. */
function textOf(tokenizer: Tokenizer, reading: <T>(action: () => T) => T): Text {
  const encoded = (text: string, options = {}) => reading(() => tokenizer.encode(text, options).ids)
  const checked = (ids: readonly (number | undefined)[], text: string): readonly number[] => {
    if (ids.every(id => id !== undefined)) return ids as number[]
    throw new UsageError(`${JSON.stringify(brief(text))}: the tokenizer has no tokens for a part of it`)
  }
  return {
    ids: prompt => checked(encoded(prompt), prompt),
    pieces(text) {
      const found = encoded(text, { add_special_tokens: false })
      const unknown = tokenizer.model?.unk_token_id
      // What only continues a word, or is some bytes of a character, is no text of its own.
      const spelt = found.length === 1 && found[0] !== unknown ? undefined : tokenizer.token_to_id(text)
      if (spelt !== undefined) return [spelt]
      const ids = checked(found, text)
      if (unknown !== undefined && ids.includes(unknown)) {
        throw new UsageError(`${JSON.stringify(brief(text))}: the tokenizer has no tokens for a part of it`)
      }
      return ids
    },
    name(id) {
      const token = tokenizer.id_to_token(id)
      if (token === undefined) return `#${id}`
      const text = reading(() => tokenizer.decode([id], { clean_up_tokenization_spaces: false }))
      // Decoders of the ▁ kind drop the space before the first token of a text; bytes of a character have no text alone.
      if (text.includes('\ufffd')) return JSON.stringify(token)
      return JSON.stringify(token.startsWith('▁') && !text.startsWith(' ') ? ` ${text}` : text)
    },
  }
}

/** Prompts as ids `[prompts, tokens]`. Throws UsageError unless they have equally many tokens. */
export function promptIds(prompts: readonly string[], text: Text, backend: Backend): Tensor {
  const ids = prompts.map(prompt => text.ids(prompt))
  const length = ids[0]!.length
  if (ids.some(row => row.length !== length)) {
    const listed = prompts.map((prompt, i) => `${ids[i]!.length} of ${JSON.stringify(brief(prompt))}`).join(', ')
    throw new UsageError(
      `--prompt: the prompts of a batch must have equally many tokens, got ${listed}; give them equal lengths, or run each by itself`,
    )
  }
  if (length === 0) throw new UsageError('--prompt: the prompt has no tokens; give some text')
  return tensor(Int32Array.from(ids.flat()), { shape: [prompts.length, length], backend })
}

/** Texts of the ids of a batch `[batch, sequence]`. */
export function tokensOf(ids: Tensor, text: Text): Tokens {
  const [batch, sequence] = ids.shape as [number, number]
  const data = ids.dense()[0]!.dataSync()
  const name = (id: number) => text.name(id)
  const inputs = Array.from({ length: batch }, (_, b) =>
    Array.from(data.subarray(b * sequence, (b + 1) * sequence), id => name(Number(id))),
  )
  return { inputs, name }
}
