// Byte-pair encoding of bytes as GPT-2 has it (Radford et al. 2019), from its definition, and the tokenizer.json of it.

/** A character for every byte: itself where it can be seen, else one from 256 on. */
const characters: readonly string[] = (() => {
  const seen = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(seen(b) ? b : next++))
})()

/** Pieces of text that are encoded by themselves. */
const pieces = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

const END = '<|endoftext|>'

/** A tokenizer whose tokens are the bytes, the results of its merges in turn, and the end of a text. */
export interface ByteTokenizer {
  /** The content of tokenizer.json. */
  readonly json: object
  readonly size: number
  encode(text: string): number[]
}

/** @param words texts of which the first characters are merged one by one, so that each becomes a token */
export function byteTokenizer(words: readonly string[]): ByteTokenizer {
  const merges: (readonly [string, string])[] = []
  const vocabulary = new Map(characters.map((c, b) => [c, b]))
  for (const word of words) {
    const symbols = spelt(word)
    let made = symbols[0]!
    for (const next of symbols.slice(1)) {
      if (!vocabulary.has(made + next)) {
        vocabulary.set(made + next, vocabulary.size)
        merges.push([made, next])
      }
      made += next
    }
  }
  const rank = new Map(merges.map(([a, b], i) => [`${a} ${b}`, i]))
  const end = vocabulary.size

  const encodePiece = (piece: string): number[] => {
    const symbols = spelt(piece)
    for (;;) {
      const ranks = symbols.slice(1).map((s, i) => rank.get(`${symbols[i]} ${s}`) ?? Infinity)
      const best = Math.min(...ranks)
      if (best === Infinity) return symbols.map(s => vocabulary.get(s)!)
      const [a, b] = merges[best]!
      for (let i = 0; i + 1 < symbols.length; i++) {
        if (symbols[i] === a && symbols[i + 1] === b) symbols.splice(i, 2, a + b)
      }
    }
  }
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
    size: vocabulary.size + 1,
    encode: text =>
      text
        .split(new RegExp(`(${END.replaceAll('|', '\\|')})`))
        .flatMap(part => (part === END ? [end] : (part.match(pieces) ?? []).flatMap(encodePiece))),
    json: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [
        { id: end, content: END, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
      ],
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: { ...byteLevel, trim_offsets: false },
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries(vocabulary),
        merges: merges.map(pair => pair.join(' ')),
      },
    },
  }
}

const spelt = (text: string): string[] => Array.from(new TextEncoder().encode(text), b => characters[b]!)
