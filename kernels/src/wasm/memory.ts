import type { DType, TypedArray } from '../contract.js'
import { assertLength, CountedMemory } from '../shared/counted.js'
import { arrays, bytesPerElement } from '../shared/dtypes.js'
import { Allocator, type Block } from './allocator.js'
import { ballast } from './ballast.js'
import { addressOf, Region } from './region.js'
import { Pin, Slabs, smallBytes } from './slabs.js'

export const pageBytes = 65_536
/** One page short of 4 GiB, so that the address after any buffer fits in 32 bits. */
const maxPages = 65_535
/** Vector loads may read this far past the end of a buffer; the end of the memory is never handed out. */
const guardBytes = 256
/** So many bytes of watched buffers weigh on the garbage collector together. */
const ballastBytes = 1 << 20
/** Ballasts that are kept for later. */
const MOST_BALLASTS = 8
/** Memory grows by at least this share of what it is, and at least by this much. */
const growthShare = 1 / 8
const growthBytes = 1 << 20

/** A memory that may grow as far as the engine lets it. */
export function newMemory(initial: number, shared = false): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial, maximum: maxPages, shared })
  } catch {
    return new WebAssembly.Memory({ initial, maximum: maxPages >>> 2, shared }) // engines that reserve the maximum at once
  }
}

const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** The refcounted buffers of one WebAssembly memory. Nothing else may grow that memory. */
export class Heap extends CountedMemory<Region, Block> {
  readonly #memory: WebAssembly.Memory
  readonly #allocator: Allocator
  readonly #slabs: Slabs
  #maximum = maxPages * pageBytes
  readonly #ballasts: ArrayBuffer[] = []
  /** Bytes of watched buffers that the garbage collector has not been made to feel. */
  #unweighed = 0
  // The whole memory under each dtype; growing the memory detaches them.
  f32!: Float32Array
  f64!: Float64Array
  i32!: Int32Array

  /** Buffers take the addresses from `base` on. */
  constructor(memory: WebAssembly.Memory, base: number, maximum = maxPages * pageBytes) {
    super()
    this.#memory = memory
    this.#maximum = maximum
    this.#attach()
    const align = (address: number) => Math.ceil(address / 16) * 16
    this.#allocator = new Allocator(align(base), memory.buffer.byteLength - guardBytes, end => this.#grow(end))
    this.#slabs = new Slabs(this.#allocator)
  }

  alloc(dtype: DType, length: number): Region {
    const bytes = length * bytesPerElement[dtype]
    // A slab would give such bytes away and count them for good.
    if (!(bytes >= 0 && Number.isInteger(length))) {
      throw new RangeError(`alloc: wants f32, f64 or i32 and an integer of at least 0, got ${dtype} and ${length}`)
    }
    const home = bytes > smallBytes ? this.#allocator.alloc(bytes) : this.#slabs.pinFor(bytes)
    if (home === undefined) throw this.#exhausted(dtype, length, bytes)
    return new Region(dtype, length, home instanceof Pin ? this.#slabs.take(home, bytes) : home.start * 16, home)
  }

  /** Slabs are always watched. */
  protected memoryOf({ home }: Region): Block | undefined {
    return home instanceof Pin ? undefined : home
  }

  protected free(block: Block): void {
    this.#allocator.release(block)
  }

  protected reclaim(region: Region): void {
    const { home } = region
    if (home instanceof Pin) {
      this.#slabs.give(home, region.start, region.length * bytesPerElement[region.dtype])
      return
    }
    if (region.weight !== undefined && this.#ballasts.length < MOST_BALLASTS) this.#ballasts.push(region.weight)
    region.weight = undefined
    this.free(home)
  }

  override watch(region: Region): boolean {
    if (!super.watch(region)) return false
    this.#unweighed += region.length * bytesPerElement[region.dtype]
    if (this.#unweighed >= ballastBytes) {
      region.weight = this.#ballast(this.#unweighed)
      this.#unweighed = 0
    }
    return true
  }

  /** Ballast for about so many bytes: what is disposed by hand leaves its own to the next, or it would weigh on for nothing. */
  #ballast(bytes: number): ArrayBuffer | undefined {
    const at = this.#ballasts.findIndex(b => b.byteLength >= bytes / 2 && b.byteLength <= bytes * 2)
    return at < 0 ? ballast(bytes) : this.#ballasts.splice(at, 1)[0]
  }

  /** Runs `body`, which may take working memory: it is released when the body ends, however it ends. */
  scratch<T>(body: (alloc: Heap['alloc']) => T): T {
    const taken: Region[] = []
    try {
      return body((dtype, length) => {
        const region = this.alloc(dtype, length)
        taken.push(region)
        return region
      })
    } finally {
      for (const region of taken) this.release(region)
    }
  }

  view(region: Region, offset: number, length: number): Region {
    const start = addressOf(region) + offset * bytesPerElement[region.dtype]
    return new Region(region.dtype, length, start, region.home, region.owner)
  }

  /** A typed array on the region's memory, good until the next allocation. */
  array(region: Region): TypedArray {
    return new arrays[region.dtype](this.f32.buffer as ArrayBuffer, addressOf(region), region.length)
  }

  write(region: Region, data: TypedArray): void {
    assertLength(region, data)
    const start = addressOf(region)
    if (region.dtype === 'f32') this.f32.set(data, start >>> 2)
    else if (region.dtype === 'f64') this.f64.set(data, start / 8)
    else this.i32.set(data, start >>> 2)
  }

  readSync(region: Region): TypedArray {
    return this.array(region).slice()
  }

  async read(region: Region): Promise<TypedArray> {
    return this.readSync(region)
  }

  report() {
    const { bytes, blocks } = this.#allocator
    const small = this.#slabs
    return {
      bytes: bytes - small.reserved + small.bytes,
      buffers: blocks - small.slabs + small.buffers,
      reserved: this.#memory.buffer.byteLength,
    }
  }

  #attach(): void {
    const { buffer } = this.#memory
    this.f32 = new Float32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.i32 = new Int32Array(buffer)
  }

  /** Makes the addresses below `end` usable if possible; returns the end of what is usable. */
  #grow(end: number): number {
    const size = this.#memory.buffer.byteLength
    const least = Math.ceil((end + guardBytes) / pageBytes) * pageBytes
    const amply = Math.ceil((size + Math.max(size * growthShare, growthBytes)) / pageBytes) * pageBytes
    if (least <= this.#maximum) {
      const grown = this.#growTo(Math.min(Math.max(least, amply), this.#maximum)) || this.#growTo(least)
      if (grown) this.#attach()
    }
    return this.#memory.buffer.byteLength - guardBytes
  }

  #growTo(size: number): boolean {
    try {
      this.#memory.grow((size - this.#memory.buffer.byteLength) / pageBytes)
      return true
    } catch {
      return false
    }
  }

  #exhausted(dtype: DType, length: number, bytes: number): RangeError {
    const { bytes: used, buffers, reserved } = this.report()
    return new RangeError(
      `Out of WebAssembly memory: ${dtype}[${length}] needs ${megabytes(bytes)}, ${buffers} live buffers hold ` +
        `${megabytes(used)}, ${megabytes(reserved)} are reserved of at most ${megabytes(this.#maximum)}. ` +
        'Release buffers that are no longer needed, or work in smaller batches.',
    )
  }
}
