/**
 * Two-level segregated fit over a linear address space (Masmano et al., *TLSF: a new dynamic memory allocator for
 * real-time systems*, ECRTS 2004): constant time, immediate coalescing. Sizes are rounded up to their size class
 * (1/32 of a power of two, so at most 3 % is lost), and every block found in a class fits every request of the class:
 * a program that repeats its requests reaches a steady state after few rounds and never grows again.
 *
 * Bookkeeping lives in ordinary objects, outside the memory that is handed out. Sizes are counted in units of 16 bytes,
 * the alignment of every block.
 */

const unitBits = 4
const stepBits = 5
const steps = 1 << stepBits
const maxUnits = 1 << (32 - unitBits)

/** A run of addresses, free or in use, between its two neighbours. */
export class Block {
  /** First address, in units. */
  start: number
  /** In units. */
  size: number
  free = false
  before: Block | undefined
  after: Block | undefined
  previousFree: Block | undefined
  nextFree: Block | undefined
  /** Bytes that the present owner asked for. */
  bytes = 0

  constructor(start: number, size: number) {
    this.start = start
    this.size = size
  }
}

const log2 = (size: number) => 31 - Math.clz32(size)

/** The least size ≥ `size` that begins a class. */
function roundUp(size: number): number {
  if (size < 2 * steps) return size
  const step = 1 << (log2(size) - stepBits)
  return (size + step - 1) & -step
}

/** The class of a size: classes 0…2·steps−1 hold one size each, then `steps` classes for every power of two. */
function classOf(size: number): number {
  if (size < steps) return size
  const e = log2(size)
  return ((e - stepBits) << stepBits) + (size >>> (e - stepBits))
}

export class Allocator {
  /** Live bytes as asked for, live blocks. */
  bytes = 0
  blocks = 0
  #end: number
  #last: Block | undefined
  readonly #grow: (end: number) => number
  readonly #lists: (Block | undefined)[] = new Array((32 - unitBits - stepBits + 2) << stepBits).fill(undefined)
  // Bit b of #levels: #steps[b] ≠ 0. Bit s of #steps[b]: list b·steps + s is not empty.
  #levels = 0
  readonly #steps = new Int32Array(32)

  /**
   * Hands out the addresses start…end−1, both multiples of 16. `grow(end)` is asked for the addresses below `end`
   * when they run out and returns the new end, or a smaller number when it cannot.
   */
  constructor(start: number, end: number, grow: (end: number) => number) {
    this.#end = start >>> unitBits
    this.#grow = grow
    this.#extend(end >>> unitBits)
  }

  /** A block of at least `bytes` bytes at an address divisible by 16, or undefined when memory is exhausted. */
  alloc(bytes: number): Block | undefined {
    const units = Math.ceil(bytes / (1 << unitBits))
    if (units >= maxUnits) return undefined
    const size = roundUp(units === 0 ? 1 : units)
    const block = this.#take(size) ?? this.#takeNew(size)
    if (block === undefined) return undefined
    if (block.size > size) this.#split(block, size)
    block.bytes = bytes
    this.bytes += bytes
    this.blocks++
    return block
  }

  /** Gives `block` back and joins it with its free neighbours. */
  release(block: Block): void {
    this.bytes -= block.bytes
    this.blocks--
    const { before, after } = block
    if (after?.free) {
      this.#unlink(after)
      this.#absorb(block, after)
    }
    if (before?.free) {
      this.#unlink(before)
      this.#absorb(before, block)
      this.#link(before)
    } else {
      this.#link(block)
    }
  }

  /** Removes and returns a free block of at least `size`, the smallest class first. */
  #take(size: number): Block | undefined {
    const from = classOf(size)
    let level = from >>> stepBits
    let found = this.#steps[level]! & (-1 << (from & (steps - 1)))
    if (found === 0) {
      const higher = this.#levels & (-2 << level)
      if (higher === 0) return undefined
      level = log2(higher & -higher)
      found = this.#steps[level]!
    }
    const block = this.#lists[(level << stepBits) + log2(found & -found)]!
    this.#unlink(block)
    return block
  }

  #takeNew(size: number): Block | undefined {
    const spare = this.#last?.free ? this.#last.size : 0
    const end = this.#end + size - spare
    if (end >= maxUnits) return undefined
    this.#extend(this.#grow(end * (1 << unitBits)) >>> unitBits)
    return this.#take(size)
  }

  /** Appends the addresses up to `end` as free. */
  #extend(end: number): void {
    if (end <= this.#end) return
    const block = new Block(this.#end, end - this.#end)
    const last = this.#last
    this.#end = end
    this.#last = block
    if (last !== undefined) {
      last.after = block
      block.before = last
    }
    this.blocks++
    this.release(block)
  }

  #split(block: Block, size: number): void {
    const rest = new Block(block.start + size, block.size - size)
    block.size = size
    rest.before = block
    rest.after = block.after
    block.after = rest
    if (rest.after === undefined) this.#last = rest
    else rest.after.before = rest
    this.#link(rest)
  }

  /** Makes `block` as long as itself and the block after it. */
  #absorb(block: Block, after: Block): void {
    block.size += after.size
    block.after = after.after
    if (block.after === undefined) this.#last = block
    else block.after.before = block
  }

  #link(block: Block): void {
    const list = classOf(block.size)
    const next = this.#lists[list]
    block.free = true
    block.previousFree = undefined
    block.nextFree = next
    if (next !== undefined) next.previousFree = block
    this.#lists[list] = block
    const level = list >>> stepBits
    this.#steps[level]! |= 1 << (list & (steps - 1))
    this.#levels |= 1 << level
  }

  #unlink(block: Block): void {
    const { previousFree, nextFree } = block
    block.free = false
    if (nextFree !== undefined) nextFree.previousFree = previousFree
    if (previousFree !== undefined) {
      previousFree.nextFree = nextFree
      return
    }
    const list = classOf(block.size)
    this.#lists[list] = nextFree
    if (nextFree !== undefined) return
    const level = list >>> stepBits
    this.#steps[level]! &= ~(1 << (list & (steps - 1)))
    if (this.#steps[level] === 0) this.#levels &= ~(1 << level)
  }
}
