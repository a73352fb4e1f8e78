import { shown } from '../../core/messages.js'
/** One number, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number]

/** Zeros around a plane: one number; [vertical, horizontal]; [[top, bottom], [left, right]]; 'valid', none; or 'same', as
 *  many as make the output of ⌈length / stride⌉ elements, the odd one at the bottom or right. */
export type Padding = Pair | readonly [readonly [number, number], readonly [number, number]] | 'same' | 'valid'

type Sides = readonly [number, number]

/** Both numbers of an option; throws RangeError unless they are integers of at least `least`. */
export function pairOf(what: string, p: Pair, least: number): readonly [number, number] {
  const pair: readonly [number, number] = typeof p === 'number' ? [p, p] : p
  if (!Array.isArray(pair) || pair.length !== 2 || pair.some(n => !Number.isSafeInteger(n) || n < least)) {
    throw new RangeError(`${what} is one integer of at least ${least}, or [vertical, horizontal], got ${shown(p)}`)
  }
  return pair
}

/** Zeros before and after each of the two axes, whose windows span `span` elements and stand `stride` apart. */
export function sidesOf(
  what: string,
  padding: Padding,
  size: Sides,
  span: Sides,
  stride: Sides,
): readonly [Sides, Sides] {
  if (padding === 'valid') return [[0, 0], [0, 0]] // biome-ignore format: two axes
  if (padding === 'same') {
    const side = (d: 0 | 1): Sides => {
      const total = Math.max(0, (Math.ceil(size[d] / stride[d]) - 1) * stride[d] + span[d] - size[d])
      return [Math.floor(total / 2), Math.ceil(total / 2)]
    }
    return [side(0), side(1)]
  }
  if (Array.isArray(padding) && padding.some(Array.isArray)) {
    const sides = padding as readonly [Sides, Sides]
    const fits =
      sides.length === 2 && sides.every(s => s.length === 2 && s.every(n => Number.isSafeInteger(n) && n >= 0))
    if (!fits)
      throw new RangeError(
        `${what} is [[top, bottom], [left, right]] of integers of at least 0, got ${JSON.stringify(padding)}`,
      )
    return sides
  }
  if (typeof padding === 'string') throw new RangeError(`${what} is numbers, 'same' or 'valid', got '${padding}'`)
  const [v, h] = pairOf(what, padding as Pair, 0)
  return [[v, v], [h, h]] // biome-ignore format: two axes
}

/** The padding that both sides of an axis have, which kernels add themselves. */
export const common = ([before, after]: Sides): number => Math.min(before, after)
