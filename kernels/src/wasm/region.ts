import type { DType } from '../contract.js'
import { assertAlive, CountedBuffer } from '../shared/counted.js'
import type { Block } from './allocator.js'
import type { Pin } from './slabs.js'

/** A handle on numbers in the module's memory: a whole block or part of a slab, or a view into one of them. */
export class Region extends CountedBuffer {
  declare readonly owner: Region
  /** Byte address; only `addressOf` may read it, for it means nothing once the owner is gone. */
  declare readonly start: number
  /** The block that it is, or the slab that it lies in. */
  declare readonly home: Block | Pin
  declare weight: ArrayBuffer | undefined

  constructor(dtype: DType, length: number, start: number, home: Block | Pin, owner?: Region) {
    super(dtype, length, owner)
    this.start = start
    this.home = home
    this.weight = undefined
  }
}

/** The byte address of a live region. */
export function addressOf(region: Region): number {
  assertAlive(region)
  return region.start
}
