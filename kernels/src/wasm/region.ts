import type { DType } from '../contract.js'
import { assertAlive, type CountedBuffer } from '../shared/counted.js'
import type { Block } from './allocator.js'
import type { Pin } from './slabs.js'

/** A handle on numbers in the module's memory: a whole block or part of a slab, or a view into one of them. */
export class Region implements CountedBuffer {
  readonly dtype: DType
  readonly length: number
  /** Byte address; only `addressOf` may read it, for it means nothing once the owner is gone. */
  readonly start: number
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

/** The byte address of a live region. */
export function addressOf(region: Region): number {
  assertAlive(region)
  return region.start
}
