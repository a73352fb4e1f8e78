import type { Buffer, DType } from '../contract.js'
import type { Block } from './allocator.js'
import type { Pin } from './slabs.js'

/** A buffer was used after its memory was given back. */
export class DisposedError extends Error {
  override readonly name = 'DisposedError'
}

/**
 * A handle on `length` numbers in the module's memory: a whole block, or a view into the region that owns one.
 * Once the last reference is released every use of the handle, and of its views, throws `DisposedError`.
 */
export class Region implements Buffer {
  readonly dtype: DType
  readonly length: number
  /** Byte address; only `addressOf` may read it, for it means nothing once the owner is gone. */
  readonly start: number
  /** The region whose references keep the memory: this one, unless it is a view. */
  readonly owner: Region
  /** The block that it is, or the slab that it lies in. */
  readonly home: Block | Pin
  references: number
  watched = false
  weight: ArrayBuffer | undefined = undefined

  constructor(dtype: DType, length: number, start: number, home: Block | Pin, owner?: Region) {
    this.dtype = dtype
    this.length = length
    this.start = start
    this.home = home
    this.owner = owner ?? this
    this.references = owner === undefined ? 1 : 0
  }
}

function disposed(region: Region): DisposedError {
  const what = region.owner === region ? 'This buffer' : 'The buffer under this view'
  return new DisposedError(
    `${what} (${region.dtype}[${region.length}]) was released: its memory may already hold other data. ` +
      'Retain it for as long as you use it, or copy its contents out before you release it.',
  )
}

/** The byte address of a live region. */
export function addressOf(region: Region): number {
  if (region.owner.references === 0) throw disposed(region)
  return region.start
}

/** Throws unless `region` is alive and no view. */
export function assertOwner(region: Region, verb: 'retain' | 'release'): void {
  if (region.owner.references === 0) throw disposed(region)
  if (region.owner !== region) {
    throw new TypeError(`A view has no references of its own: ${verb} the buffer it was made from.`)
  }
}
