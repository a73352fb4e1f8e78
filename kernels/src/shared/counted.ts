import type { Buffer, DType, TypedArray } from '../contract.js'

/** A buffer was used after its memory was freed. */
export class DisposedError extends Error {
  override readonly name = 'DisposedError'
}

/**
 * A buffer of `length` numbers in memory that is counted: all of that memory, or a view into the buffer that owns it. Once the last
 * reference is released every use of the buffer, and of its views, throws `DisposedError`.
 */
export interface CountedBuffer extends Buffer {
  readonly dtype: DType
  /** The buffer whose references keep the memory: this one, unless it is a view. */
  readonly owner: CountedBuffer
  references: number
  watched: boolean
}

/** Whether an argument of a kernel is a buffer: geometries and numbers have no owner. */
export const isCounted = (arg: unknown): arg is CountedBuffer =>
  typeof arg === 'object' && arg !== null && 'owner' in arg

export function assertAlive(buffer: CountedBuffer): void {
  if (buffer.owner.references > 0) return
  const what = buffer.owner === buffer ? 'This buffer' : 'The buffer under this view'
  throw new DisposedError(
    `${what} (${buffer.dtype}[${buffer.length}]) was released: its memory may already hold other data. ` +
      'Retain it for as long as you use it, or copy its contents out before you release it.',
  )
}

/** Throws unless `buffer` is alive and no view. */
function assertOwner(buffer: CountedBuffer, verb: 'retain' | 'release'): void {
  assertAlive(buffer)
  if (buffer.owner !== buffer) {
    throw new TypeError(`A view has no references of its own: ${verb} the buffer it was made from.`)
  }
}

export function assertLength(buffer: CountedBuffer, data: TypedArray): void {
  if (data.length !== buffer.length) {
    throw new RangeError(`write: the buffer has ${buffer.length} elements, the data ${data.length}.`)
  }
}

/** Counts the references to buffers, one of which may be the garbage collector's to release. `Memory` is what is freed. */
export abstract class CountedMemory<B extends CountedBuffer, Memory extends object> {
  readonly #collected = new FinalizationRegistry<Memory>(memory => this.free(memory))

  /** The memory of a buffer, where the garbage collector may free it. */
  protected abstract memoryOf(buffer: B): Memory | undefined
  protected abstract free(memory: Memory): void
  /** Frees the memory of a buffer that has lost its last reference. */
  protected abstract reclaim(buffer: B): void

  retain(buffer: B): void {
    assertOwner(buffer, 'retain')
    buffer.references++
  }

  release(buffer: B): void {
    assertOwner(buffer, 'release')
    if (--buffer.references > 0) return
    this.unwatch(buffer)
    this.reclaim(buffer)
  }

  /** Whether that is new: nothing happens to what is watched already, or cannot be. */
  watch(buffer: B): boolean {
    assertOwner(buffer, 'retain')
    const memory = buffer.watched ? undefined : this.memoryOf(buffer)
    if (memory === undefined) return false
    buffer.watched = true
    this.#collected.register(buffer, memory, buffer)
    return true
  }

  unwatch(buffer: B): void {
    if (!buffer.watched) return
    buffer.watched = false
    this.#collected.unregister(buffer)
  }
}
