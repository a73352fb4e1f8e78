import { type Block, run, type Tower } from '@unravel/resnet'
import { argmax, crossEntropy, Random, scope, sub, type Tensor, zerosLike } from '@unravel/tensor'
import { norm } from './spectrum.js'
import { numbersOf } from './stacks.js'

/** The tower without the branches of some blocks; their skips stay. */
export function withoutBlocks(tower: Tower, removed: ReadonlySet<number>): Tower {
  const blocks = tower.blocks.flatMap((block, l): Block[] => {
    if (!removed.has(l)) return [block]
    const { skip } = block
    return skip === undefined ? [] : [{ skip, branch: h => zerosLike(skip(h)), scale: 0 }]
  })
  return { encode: tower.encode, decode: tower.decode, blocks }
}

/** The tower with blocks i and j of every pair exchanged, in the order given. Throws RangeError for blocks that change the
 *  shape of the state or are not there. */
export function withSwaps(tower: Tower, swaps: readonly (readonly [number, number])[]): Tower {
  const blocks = [...tower.blocks]
  for (const pair of swaps) {
    for (const i of pair) {
      if (blocks[i] === undefined) throw new RangeError(`there is no block ${i}: the tower has ${blocks.length}`)
      if (blocks[i].skip !== undefined) throw new RangeError(`block ${i} has a skip of its own and cannot be moved`)
    }
    const [i, j] = pair
    ;[blocks[i], blocks[j]] = [blocks[j]!, blocks[i]!]
  }
  return { encode: tower.encode, decode: tower.decode, blocks }
}

/** What an operation on a tower does to its outputs. */
export interface Damage {
  /** ‖output − whole output‖/‖whole output‖ over the batch. */
  readonly change: number
  /** Share of inputs whose largest output is their label; null without labels. */
  readonly accuracy: number | null
  /** Mean cross entropy in nats; null without labels. */
  readonly loss: number | null
}

/** Measures a tower against the output of another on the same batch; `labels` are class numbers `[batch]`. */
export async function damage(tower: Tower, x: Tensor, whole: Tensor, labels?: Tensor): Promise<Damage> {
  const found = scope(() => {
    const output = run(tower, x)
    const judged = labels === undefined ? null : { guess: argmax(output), loss: crossEntropy(output, labels) }
    return { gap: sub(output, whole), judged }
  })
  const change = norm(await numbersOf(found.gap)) / norm(await numbersOf(whole))
  if (found.judged === null || labels === undefined) return { change, accuracy: null, loss: null }
  const [guess, truth] = [await numbersOf(found.judged.guess), await numbersOf(labels)]
  const right = guess.reduce((count, g, i) => count + Number(g === truth[i]), 0)
  return { change, accuracy: right / truth.length, loss: (await numbersOf(found.judged.loss))[0]! }
}

export interface LesionCurve {
  /** Blocks removed, or swaps made. */
  readonly count: number
  /** One for each draw. */
  readonly draws: readonly Damage[]
}

export interface LesionOptions {
  readonly labels?: Tensor
  /** How often blocks are drawn for each count (default 8). */
  readonly draws?: number
  /** Default 0. */
  readonly seed?: number
  /** Called with the runs done, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/**
 * Veit's lesion study (arXiv 1605.06431, §4): each block removed alone, then random sets of 1, 2, … blocks, then random
 * swaps of two blocks, each measured against the whole tower.
 */
export async function lesion(
  tower: Tower,
  x: Tensor,
  counts: readonly number[],
  { labels, draws = 8, seed = 0, onProgress }: LesionOptions = {},
): Promise<{ whole: Damage; single: Damage[]; removed: LesionCurve[]; swapped: LesionCurve[] }> {
  const n = tower.blocks.length
  for (const m of counts) {
    if (!Number.isSafeInteger(m) || m < 0 || m > n) throw new RangeError(`lesion: 0 to ${n} blocks can go, got ${m}`)
  }
  const random = new Random(seed)
  const output = scope(() => run(tower, x))
  let runs = 0
  const measure = (t: Tower) => {
    onProgress?.(runs++, n + 2 * counts.length * draws + 1)
    return damage(t, x, output, labels)
  }
  const single: Damage[] = []
  for (let l = 0; l < n; l++) single.push(await measure(withoutBlocks(tower, new Set([l]))))
  const movable = tower.blocks.flatMap((b, l) => (b.skip === undefined ? [l] : []))
  const removed: LesionCurve[] = []
  const swapped: LesionCurve[] = []
  for (const count of counts) {
    const cut: Damage[] = []
    const moved: Damage[] = []
    for (let d = 0; d < draws; d++) {
      cut.push(await measure(withoutBlocks(tower, new Set(Array.from(random.permutation(n)).slice(0, count)))))
      if (movable.length < 2) continue
      const swaps = Array.from({ length: count }, () => {
        const [i, j] = Array.from(random.permutation(movable.length)) as [number, number]
        return [movable[i]!, movable[j]!] as const
      })
      moved.push(await measure(withSwaps(tower, swaps)))
    }
    removed.push({ count, draws: cut })
    swapped.push({ count, draws: moved })
  }
  return { whole: await measure(tower), single, removed, swapped }
}
