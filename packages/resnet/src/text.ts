import { FormatError } from '@unravel/tensor'
import type { Examples } from './dataset.js'

/** A text as sequences of characters, each to be told from those before it. */
export interface Characters {
  readonly train: Examples
  readonly test: Examples
  /** The character of every id: those of the text, in the order of their code points. */
  readonly vocabulary: readonly string[]
}

/** Share of a text, at its end, that is held out. */
const HELD_OUT = 0.1

/**
 * A text for a model of its characters: windows of `context` ids that do not overlap, labelled by the ids that follow each; the last
 * tenth is the test set. Throws FormatError for a text that is too short for one window in each.
 */
export function charactersOf(text: string, context: number): Characters {
  const characters = Array.from(text)
  const vocabulary = [...new Set(characters)].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
  const idOf = new Map(vocabulary.map((character, id) => [character, id]))
  const ids = Int32Array.from(characters, character => idOf.get(character)!)
  const split = ids.length - Math.max(context + 1, Math.floor(HELD_OUT * ids.length))
  const windows = (part: Int32Array): Examples => {
    const size = Math.floor((part.length - 1) / context)
    if (size < 1) {
      throw new FormatError(
        `the text has ${ids.length} characters; ${2 * (context + 1)} are the least for sequences of ${context} to train and to test on`,
      )
    }
    return {
      inputs: part.slice(0, size * context),
      labels: part.slice(1, size * context + 1),
      shape: [context],
      size,
      classes: vocabulary.length,
      mean: 0,
      deviation: 1,
    }
  }
  return {
    train: windows(ids.subarray(0, Math.max(0, split))),
    test: windows(ids.subarray(Math.max(0, split))),
    vocabulary,
  }
}
