import type { Shape } from '@unravel/kernels'
import type { Where } from './core/create.js'
import { checkedShape, sizeOf } from './core/shape.js'
import { allocate, type Dense, defaultBackend } from './core/tensor.js'

/**
 * A stream of random numbers: Philox4x32-10, counted, so that the same seed gives the same numbers on every backend
 * and a stream can be stopped and taken up again from its `state`.
 */
export class Random {
  #seed: number
  #offset: number

  /** @param seed an integer of at least 0 */
  constructor(seed: number, offset = 0) {
    for (const n of [seed, offset]) {
      if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`Random: seed and offset are integers >= 0, got ${n}`)
    }
    this.#seed = seed
    this.#offset = offset
  }

  get state(): { readonly seed: number; readonly offset: number } {
    return { seed: this.#seed, offset: this.#offset }
  }

  #draw(kind: 'uniform' | 'normal' | 'bits', shape: Shape, where: Where): Dense {
    const { backend = defaultBackend(), dtype = kind === 'bits' ? 'i32' : 'f32' } = where
    const what = `random.${kind}`
    if (kind === 'bits' ? dtype !== 'i32' : dtype !== 'f32' && dtype !== 'f64') {
      throw new TypeError(`${what}: dtype must be ${kind === 'bits' ? 'i32' : 'f32 or f64'}, got ${dtype}`)
    }
    const out = allocate(backend, checkedShape(what, shape), dtype, what)
    backend.kernels.random(kind, this.#seed, this.#offset, out.buffer)
    this.#offset += sizeOf(shape)
    return out
  }

  /** Uniform on [low, high). */
  uniform(shape: Shape, low = 0, high = 1, where: Where = {}): Dense {
    return scaled(this.#draw('uniform', shape, where), high - low, low)
  }
  /** Normal with the given mean and standard deviation. */
  normal(shape: Shape, mean = 0, deviation = 1, where: Where = {}): Dense {
    return scaled(this.#draw('normal', shape, where), deviation, mean)
  }
  /** Raw 32-bit words, i32. */
  bits(shape: Shape, where: Where = {}): Dense {
    return this.#draw('bits', shape, where)
  }
  /** The integers 0..n−1 in random order (Fisher–Yates). */
  permutation(n: number): Int32Array {
    if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`random.permutation: wants an integer >= 0, got ${n}`)
    const order = Int32Array.from({ length: n }, (_, i) => i)
    const u = this.#draw('uniform', [Math.max(0, n - 1)], { dtype: 'f64' })
    const values = u.dataSync()
    u.dispose()
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(values[n - 1 - i]! * (i + 1))
      const t = order[i]!
      order[i] = order[j]!
      order[j] = t
    }
    return order
  }
}

function scaled(x: Dense, scale: number, shift: number): Dense {
  if (scale !== 1 || shift !== 0) x.backend.kernels.affine(x.buffer, scale, shift, x.buffer)
  return x
}
