/** Memory of gpu.js with its own reference count: a WebGLTexture or a GPUBuffer. */
export interface Raw {
  _refs: number
}

export interface GpuBuffer extends Raw {
  readonly size: number
  destroy(): void
}

interface GLTexture {
  texture: Raw
  readonly size: Int32Array
  readonly internalFormat: number
}

/** The result of a launch: a texture of gpu.js, or its handle on a WebGPU buffer. */
export interface Result extends Partial<GLTexture> {
  readonly buffer?: GpuBuffer
  toArray(): Float32Array | Promise<Float32Array>
  delete(): void
}

/** The parts of a kernel of gpu.js that say where it writes: a texture on WebGL, a buffer on WebGPU. */
export interface Output {
  texture?: GLTexture | null
  _textureSwitched?: boolean | null
  readonly textureCache?: Raw[]
  outputBuffer?: Raw | null
  bindGroupDirty?: boolean
}

/** Stands where a kernel has no texture: gpu.js never deletes what others use, and makes a new one for its next result. */
const nowhere: Raw = { _refs: Number.POSITIVE_INFINITY }

interface Idle {
  readonly raw: Raw
  readonly shape: string
  readonly bytes: number
}

/**
 * Textures (on WebGPU buffers) that hold no result any more, for the next result of their shape, whichever kernel makes it.
 * gpu.js on its own makes a new one for almost every launch. The pool holds one reference to each texture, so that gpu.js
 * never deletes any; a kernel holds none between its launches.
 */
export class Pool {
  readonly #limit: number
  readonly #delete: (raw: Raw) => void
  readonly #byShape = new Map<string, Idle[]>()
  /** Idle for longest first. */
  readonly #idle = new Set<Idle>()
  bytes = 0

  /** Keeps at most `limit` bytes idle. */
  constructor(limit: number, remove: (raw: Raw) => void) {
    this.#limit = limit
    this.#delete = remove
  }

  /** Lets the next launch of `kernel` write where nothing is needed any more, if there is such a place of this shape. */
  lend(kernel: Output, shape: string): void {
    const idle = this.#byShape.get(shape)?.at(-1)
    if (idle === undefined) return
    this.#remove(idle)
    if (kernel.texture) {
      kernel.texture.texture = idle.raw
      kernel._textureSwitched = true
    } else {
      kernel.outputBuffer = idle.raw
      kernel.bindGroupDirty = true
    }
  }

  /** Takes the place of its latest result away from a kernel. */
  adopt(kernel: Output, result: Result): { readonly raw: Raw; readonly shape: string } {
    if (result.buffer !== undefined) {
      kernel.outputBuffer = null
      return { raw: result.buffer, shape: `${result.buffer.size}` }
    }
    const raw = result.texture!
    kernel.texture!.texture = nowhere
    const cached = kernel.textureCache!.indexOf(raw)
    if (cached >= 0) kernel.textureCache!.splice(cached, 1)
    return { raw, shape: `${result.size!.join('x')} ${result.internalFormat}` }
  }

  put(raw: Raw, shape: string, bytes: number): void {
    const idle = { raw, shape, bytes }
    const same = this.#byShape.get(shape)
    if (same === undefined) this.#byShape.set(shape, [idle])
    else same.push(idle)
    this.#idle.add(idle)
    this.bytes += bytes
    for (const oldest of this.#idle) {
      if (this.bytes <= this.#limit) return
      this.#remove(oldest)
      this.#delete(oldest.raw)
    }
  }

  #remove(idle: Idle): void {
    const same = this.#byShape.get(idle.shape)!
    same.splice(same.lastIndexOf(idle), 1)
    if (same.length === 0) this.#byShape.delete(idle.shape)
    this.#idle.delete(idle)
    this.bytes -= idle.bytes
  }
}
