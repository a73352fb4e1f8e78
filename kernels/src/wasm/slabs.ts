import type { Allocator, Block } from './allocator.js'
import { ballast } from './ballast.js'

/** Bytes of a slab, and of the largest buffer that lives in one. */
const slabBytes = 1 << 14
export const smallBytes = 1 << 10
/** Sizes of slots are multiples of this, a cache line. */
const slotBits = 6

/** Empty slabs that are kept for every size. */
const MOST_SPARE = 16

/** A block cut into slots of one size. */
class Slab {
  /** Buffers that live in it, and their bytes. */
  live = 0
  bytes = 0
  readonly #free: number[] = []
  #next: number
  readonly #end: number

  constructor(
    readonly block: Block,
    readonly size: number,
  ) {
    this.#next = block.start * 16
    this.#end = this.#next + slabBytes - (slabBytes % size)
  }
  get full(): boolean {
    return this.#free.length === 0 && this.#next === this.#end
  }
  take(bytes: number): number {
    this.live++
    this.bytes += bytes
    return this.#free.length > 0 ? this.#free.pop()! : (this.#next += this.size) - this.size
  }
  give(address: number, bytes: number): void {
    this.live--
    this.bytes -= bytes
    this.#free.push(address)
  }
}

/** The object that every buffer in a slab refers to: when the garbage collector collects it, all slots are free. */
export class Pin {
  /** Slabs seem heavier than they are, so that a few megabytes of them make the collector look. */
  readonly weight = ballast(32 * slabBytes)
  constructor(readonly slab: Slab) {}
}

/**
 * Small buffers, hundreds to a block. The garbage collector is asked to watch slabs, not buffers: what it watches lives until
 * its next full collection, at a cost many times that of the sum of a few numbers.
 */
export class Slabs {
  bytes = 0
  buffers = 0
  /** Number of slabs, which the allocator counts as blocks. */
  slabs = 0
  readonly #allocator: Allocator
  /** For every size of slots the slab that is filled now, and empty ones, so that work which repeats itself makes none. */
  readonly #current: (Pin | undefined)[] = new Array((smallBytes >> slotBits) + 1).fill(undefined)
  readonly #spare: Pin[][] = Array.from(this.#current, () => [])
  readonly #forgotten = new FinalizationRegistry<Slab>(slab => {
    this.bytes -= slab.bytes
    this.buffers -= slab.live
    this.#free(slab)
  })

  constructor(allocator: Allocator) {
    this.#allocator = allocator
  }

  /** Bytes that the allocator counts for slabs. */
  get reserved(): number {
    return this.slabs * slabBytes
  }

  /** A slab with room for `bytes` bytes more; undefined when memory is exhausted. */
  pinFor(bytes: number): Pin | undefined {
    const c = bytes === 0 ? 1 : (bytes + (1 << slotBits) - 1) >> slotBits
    const pin = this.#current[c]
    return pin === undefined || pin.slab.full ? this.#open(c) : pin
  }

  #open(c: number): Pin | undefined {
    const spare = this.#spare[c]!.pop()
    if (spare !== undefined) return (this.#current[c] = spare)
    const block = this.#allocator.alloc(slabBytes)
    if (block === undefined) return undefined
    const slab = new Slab(block, c << slotBits)
    const pin = new Pin(slab)
    this.slabs++
    this.#forgotten.register(pin, slab, pin)
    this.#current[c] = pin
    return pin
  }

  take(pin: Pin, bytes: number): number {
    this.bytes += bytes
    this.buffers++
    return pin.slab.take(bytes)
  }

  give(pin: Pin, address: number, bytes: number): void {
    const { slab } = pin
    this.bytes -= bytes
    this.buffers--
    slab.give(address, bytes)
    const c = slab.size >> slotBits
    if (slab.live > 0 || this.#current[c] === pin) return
    if (this.#spare[c]!.length < MOST_SPARE) {
      this.#spare[c]!.push(pin)
      return
    }
    this.#forgotten.unregister(pin)
    this.#free(slab)
  }

  #free(slab: Slab): void {
    this.slabs--
    this.#allocator.release(slab.block)
  }
}
