import type { DType, TypedArray } from '../contract.js'
import { assertAlive, assertLength, type CountedBuffer, CountedMemory } from '../shared/counted.js'
import { arrays, bytesPerElement } from '../shared/dtypes.js'
import { type Device, type Handle, maxLength } from './device.js'
import { kernelSource } from './source.js'

/** The numbers of a buffer: on the device, in an array, or the same on both. f64 and most i32 never leave the array. */
export interface Storage {
  readonly dtype: DType
  readonly length: number
  device: Handle | null
  host: TypedArray | null
}

/** A handle on `length` numbers: a whole storage, or a view into the region that owns one. */
export class Texels implements CountedBuffer {
  readonly dtype: DType
  readonly length: number
  readonly offset: number
  readonly storage: Storage
  readonly owner: Texels
  references: number
  watched = false

  constructor(dtype: DType, length: number, offset: number, storage: Storage, owner?: Texels) {
    this.dtype = dtype
    this.length = length
    this.offset = offset
    this.storage = storage
    this.owner = owner ?? this
    this.references = owner === undefined ? 1 : 0
  }
}

const merge = kernelSource(
  ['x', 'old'],
  ['at', 'n'],
  `const i = this.thread.x;
const r = i - at;
if (r >= 0.0 && r < n) { return x[r]; }
return old[i];`,
)

/** The refcounted buffers of one device. */
export class TexelHeap extends CountedMemory<Texels, Storage> {
  readonly #device: Device
  #bytes = 0
  #buffers = 0
  #reserved = 0

  constructor(device: Device) {
    super()
    this.#device = device
  }

  alloc(dtype: DType, length: number): Texels {
    if (dtype !== 'f64' && length > maxLength) {
      throw new RangeError(
        `A buffer on the gpu backend holds at most ${maxLength} elements, ${dtype}[${length}] was asked for: ` +
          'work in smaller batches, or on the wasm backend.',
      )
    }
    this.#bytes += length * bytesPerElement[dtype]
    this.#buffers++
    return new Texels(dtype, length, 0, { dtype, length, device: null, host: null })
  }

  protected memoryOf({ storage }: Texels): Storage {
    return storage
  }

  protected free(storage: Storage): void {
    this.#bytes -= storage.length * bytesPerElement[storage.dtype]
    this.#buffers--
    this.#setDevice(storage, null)
    storage.host = null
  }

  protected reclaim({ storage }: Texels): void {
    this.free(storage)
  }

  view(texels: Texels, offset: number, length: number): Texels {
    assertAlive(texels)
    return new Texels(texels.dtype, length, texels.offset + offset, texels.storage, texels.owner)
  }

  /** The whole storage under a buffer, on the device; i32 as f32. */
  device(texels: Texels): Handle {
    assertAlive(texels)
    const { storage } = texels
    if (storage.device === null) {
      // A texture has at least one element.
      const host = storage.length === 0 ? new Float32Array(1) : (storage.host ?? new Float32Array(storage.length))
      this.#setDevice(storage, this.#device.upload(host instanceof Float32Array ? host : Float32Array.from(host)))
    }
    return storage.device!
  }

  /** Makes `made` the contents of a buffer; a view changes its part of what owns it. */
  assign(texels: Texels, made: Handle): void {
    assertAlive(texels)
    const { storage } = texels
    if (texels.length === storage.length) {
      this.#setDevice(storage, made)
    } else {
      const old = storage.device === null && storage.host === null ? null : this.device(texels)
      // Where nothing was written before, anything may stand.
      const merged = this.#device.run(merge, storage.length, [made, old ?? made], [texels.offset, texels.length])
      this.#device.free(made)
      this.#setDevice(storage, merged)
    }
    storage.host = null
  }

  /** The contents of a buffer as an array that shares the storage's: for kernels that run on the processor. `write` says that
   *  they change it. Throws where the device cannot be read at once. */
  array(texels: Texels, write: boolean, why: string): TypedArray {
    assertAlive(texels)
    const { storage } = texels
    if (storage.host === null) {
      const whole = write && texels.length === storage.length
      if (storage.device === null || whole) storage.host = new arrays[storage.dtype](storage.length)
      else if (this.#device.waits) throw new Error(`${why}, and WebGPU cannot be read synchronously`)
      else storage.host = this.#fromDevice(storage.dtype, this.#device.readSync(storage.device))
    }
    if (write) this.#setDevice(storage, null)
    return storage.host.subarray(texels.offset, texels.offset + texels.length) as TypedArray
  }

  write(texels: Texels, data: TypedArray): void {
    assertAlive(texels)
    assertLength(texels, data)
    const { storage } = texels
    const whole = texels.length === storage.length
    if (!whole && storage.device !== null && storage.host === null) {
      return this.assign(texels, this.#device.upload(Float32Array.from(data)))
    }
    storage.host ??= new arrays[storage.dtype](storage.length)
    storage.host.set(data, texels.offset)
    this.#setDevice(storage, null)
  }

  async read(texels: Texels): Promise<TypedArray> {
    assertAlive(texels)
    const { storage, offset, length } = texels
    if (storage.host !== null || storage.device === null) return this.readSync(texels)
    const data = await this.#device.read(storage.device)
    return this.#fromDevice(storage.dtype, data).slice(offset, offset + length) as TypedArray
  }

  readSync(texels: Texels): TypedArray {
    return this.array(texels, false, 'These numbers are on the device: use await t.data()').slice() as TypedArray
  }

  report() {
    return { bytes: this.#bytes, buffers: this.#buffers, reserved: this.#reserved + this.#device.idleBytes }
  }

  #fromDevice(dtype: DType, data: Float32Array): TypedArray {
    return dtype === 'f32' ? data : new arrays[dtype](data)
  }

  #setDevice(storage: Storage, handle: Handle | null): void {
    const before = storage.device
    if (before === handle) return
    if (before !== null) {
      this.#reserved -= 4 * before.length
      this.#device.free(before)
    }
    if (handle !== null) this.#reserved += 4 * handle.length
    storage.device = handle
  }
}
