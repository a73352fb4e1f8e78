import { type Block, run, skip, type Tower } from '@unravel/resnet'
import { addScaled, argmax, crossEntropy, Random, scope, sub, type Tensor, zerosLike } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'
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

/**
 * The tower with blocks i and j of every pair exchanged, in the order given. Blocks can be exchanged that take states of equal
 * shapes to states of equal shapes, both with a skip of their own or both without. Shapes are those on the inputs `x`; without
 * `x`, blocks without a skip of their own have equal shapes if all blocks between them have none either, and no other has.
 * Throws RangeError for blocks that cannot be exchanged or are not there.
 */
export function withSwaps(tower: Tower, swaps: readonly (readonly [number, number])[], x?: Tensor): Tower {
  const blocks = [...tower.blocks]
  const kinds = kindsOf(tower, x)
  for (const [i, j] of swaps) {
    for (const l of [i, j]) {
      if (blocks[l] === undefined) throw new RangeError(`there is no block ${l}: the tower has ${blocks.length}`)
    }
    if (kinds[i] !== kinds[j]) {
      const advice = x === undefined ? '; give inputs x to tell shapes by' : ''
      throw new RangeError(
        `block ${i} has ${kinds[i]} and block ${j} has ${kinds[j]}: they cannot be exchanged${advice}`,
      )
    }
    ;[blocks[i], blocks[j]] = [blocks[j]!, blocks[i]!]
  }
  return { encode: tower.encode, decode: tower.decode, blocks }
}

/** The shapes and kind of each block, in words that are equal for blocks that can be exchanged. */
function kindsOf(tower: Tower, x?: Tensor): string[] {
  if (x === undefined) {
    let run = 0
    return tower.blocks.map(({ skip }, l) =>
      skip === undefined ? `no skip of its own (stage ${run})` : `a skip of its own (stage ${(run = l + 1)})`,
    )
  }
  return scope(() => {
    let h = tower.encode(x)
    return tower.blocks.map(block => {
      const before = h
      h = scope(() => addScaled(skip(block, before), block.branch(before), block.scale))
      return `${block.skip === undefined ? 'no' : 'a'} skip of its own, from [${before.shape}] to [${h.shape}]`
    })
  })
}

/** Groups of at least two blocks that can be exchanged with each other, on these inputs. */
export function exchangeable(tower: Tower, x: Tensor): number[][] {
  const groups = new Map<string, number[]>()
  for (const [l, kind] of kindsOf(tower, x).entries()) groups.set(kind, [...(groups.get(kind) ?? []), l])
  return [...groups.values()].filter(group => group.length > 1)
}

/** The change of a tower's outputs by an operation on it. */
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
  /** Of swaps, for each draw: the pairs of blocks, in the order in which they were exchanged. */
  readonly pairs?: readonly (readonly (readonly [number, number])[])[]
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
 * swaps of two blocks that can be exchanged, each measured against the whole tower.
 */
export async function lesion(
  tower: Tower,
  x: Tensor,
  counts: readonly number[],
  { labels, draws = 8, seed = 0, onProgress }: LesionOptions = {},
): Promise<{
  whole: Damage
  single: Damage[]
  removed: LesionCurve[]
  swapped: LesionCurve[]
  /** Blocks that were exchanged among each other. */
  exchangeable: number[][]
}> {
  const n = tower.blocks.length
  for (const m of counts) {
    if (!Number.isSafeInteger(m) || m < 0 || m > n)
      throw new RangeError(`lesion: 0 to ${n} blocks can go, got ${shown(m)}`)
  }
  const random = new Random(seed)
  const output = scope(() => run(tower, x))
  let runs = 0
  const measure = (t: Tower, from = x) => {
    onProgress?.(runs++, n + 2 * counts.length * draws + 1)
    return damage(t, from, output, labels)
  }
  const single: Damage[] = []
  // The blocks before the one that goes are as in the whole tower: their state is carried from one to the next.
  let h = scope(() => tower.encode(x))
  for (const [l, block] of tower.blocks.entries()) {
    const rest = { ...tower, encode: (state: Tensor) => state, blocks: tower.blocks.slice(l) }
    single.push(await measure(withoutBlocks(rest, new Set([0])), h))
    const before = h
    h = scope(() => addScaled(skip(block, before), block.branch(before), block.scale))
    if (before !== x) before.dispose()
  }
  if (h !== x) h.dispose()
  const groups = exchangeable(tower, x)
  const groupOf = new Map(groups.flatMap((group, g) => group.map(l => [l, g] as const)))
  const movable = [...groupOf.keys()].sort((a, b) => a - b)
  const removed: LesionCurve[] = []
  const swapped: LesionCurve[] = []
  for (const count of counts) {
    const cut: Damage[] = []
    const moved: Damage[] = []
    const pairs: (readonly [number, number])[][] = []
    for (let d = 0; d < draws; d++) {
      cut.push(await measure(withoutBlocks(tower, new Set(Array.from(random.permutation(n)).slice(0, count)))))
      if (movable.length < 2) continue
      const swaps = Array.from({ length: count }, () => {
        // Every pair that can be exchanged is equally likely.
        for (;;) {
          const [i, j] = Array.from(random.permutation(movable.length), m => movable[m]!) as [number, number]
          if (groupOf.get(i) === groupOf.get(j)) return [i, j] as const
        }
      })
      pairs.push(swaps)
      moved.push(await measure(withSwaps(tower, swaps, x)))
    }
    removed.push({ count, draws: cut })
    swapped.push({ count, draws: moved, pairs })
  }
  return { whole: await measure(tower), single, removed, swapped, exchangeable: groups }
}
