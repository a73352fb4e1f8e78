import { js, type Shape } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { tensor, type Where } from './core/create.js'
import { kernelOf } from './core/kernels.js'
import { shown } from './core/messages.js'
import { backendOf } from './core/op.js'
import { checkedShape, sizeOf } from './core/shape.js'
import { allocate, checkBackend, type Dense, defaultBackend, type Tensor } from './core/tensor.js'
import { gather } from './ops/structure/gather.js'

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
      if (!Number.isSafeInteger(n) || n < 0)
        throw new RangeError(`Random: seed and offset are integers >= 0, got ${shown(n)}`)
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
    checkBackend(what, backend)
    const out = allocate(backend, checkedShape(what, shape), dtype, what)
    kernelOf(backend, 'random', reference.random)(kind, this.#seed, this.#offset, out.buffer)
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
  /** The numbers of a draw, which are the same on every backend. */
  #numbers(kind: 'uniform' | 'bits', count: number): Float64Array | Int32Array {
    const dtype = kind === 'bits' ? 'i32' : 'f64'
    return this.#draw(kind, [count], { dtype, backend: js() }).dataSync() as Float64Array | Int32Array
  }

  /** The integers 0..n−1 in random order (Fisher–Yates). */
  permutation(n: number): Int32Array {
    if (!Number.isSafeInteger(n) || n < 0)
      throw new RangeError(`random.permutation: wants an integer >= 0, got ${shown(n)}`)
    return shuffled(n, this.#numbers('uniform', Math.max(0, n - 1)))
  }

  /**
   * Integers from low to high − 1, each equally likely, i32. Words of 32 bits that would favour some of them are drawn again,
   * so that a call may take more numbers of the stream than it returns; how many depends on the seed alone.
   */
  integers(shape: Shape, low: number, high: number, where: Where = {}): Dense {
    const range = high - low
    const inside = (n: number) => Number.isInteger(n) && n >= -(2 ** 31) && n <= 2 ** 31
    if (!inside(low) || !inside(high) || range < 1) {
      throw new RangeError(
        `random.integers: wants integers low < high within i32, got ${shown(low)} and ${shown(high)}`,
      )
    }
    const out = new Float64Array(sizeOf(checkedShape('random.integers', shape)))
    // The largest multiple of the range that 32 bits hold.
    const limit = 2 ** 32 - (2 ** 32 % range)
    for (let filled = 0; filled < out.length; ) {
      for (const word of this.#numbers('bits', out.length - filled)) {
        const bits = word >>> 0
        if (bits < limit) out[filled++] = low + (bits % range)
      }
    }
    return tensor(out, { dtype: 'i32', ...where, shape })
  }

  /** 1 with the given probability, else 0. Default dtype f32. */
  bernoulli(shape: Shape, probability: number, where: Where = {}): Dense {
    checkProbabilities('bernoulli', [probability])
    if (probability > 1)
      throw new RangeError(`random.bernoulli: a probability is from 0 to 1, got ${shown(probability)}`)
    const u = this.#numbers('uniform', sizeOf(checkedShape('random.bernoulli', shape)))
    return tensor(Float64Array.from(u, x => (x < probability ? 1 : 0)), { dtype: 'f32', ...where, shape }) // biome-ignore format: short
  }

  /**
   * `count` of the integers 0..n−1 (i32), or of the rows of a tensor: each draw from all of them, or, without replacement, none
   * twice. `weights` say how likely each is (default: all alike); they need not sum to 1.
   */
  choice(from: number, count: number, options?: ChoiceOptions): Dense
  choice(from: Tensor, count: number, options?: ChoiceOptions): Tensor
  choice(from: number | Tensor, count: number, options: ChoiceOptions = {}): Tensor {
    const n = typeof from === 'number' ? from : (from.shape[0] ?? 0)
    const { replace = true, weights, ...where } = options
    if (!Number.isSafeInteger(n) || n < 1 || n > 2 ** 31 - 1) {
      throw new RangeError(`random.choice: wants at least one thing to choose from, got ${shown(from)}`)
    }
    checkedShape('random.choice', [count])
    if (weights !== undefined) {
      checkProbabilities('choice', weights)
      if (weights.length !== n) throw new RangeError(`random.choice: ${weights.length} weights for ${n} choices`)
    }
    const most = weights === undefined ? n : weights.filter(w => w > 0).length
    if (most === 0 || (!replace && count > most)) {
      throw new RangeError(`random.choice: ${count} of ${most} that can be chosen, none twice; use replace: true`)
    }
    const index = tensor(this.#chosen(n, count, replace, weights), {
      dtype: 'i32',
      ...(typeof from === 'number' ? where : { backend: backendOf(from) }),
    })
    return typeof from === 'number' ? index : gather(from, index, 0)
  }

  #chosen(n: number, count: number, replace: boolean, weights?: readonly number[]): Int32Array {
    if (weights === undefined) {
      if (replace) return this.integers([count], 0, n, { backend: js() }).dataSync() as Int32Array
      return this.permutation(n).slice(0, count)
    }
    if (!replace) {
      // Exponential clocks with the weights as rates ring in the order of draws without replacement.
      const rings = Float64Array.from(this.#numbers('uniform', n), (u, i) => -Math.log1p(-u) / weights[i]!)
      const possible = Array.from({ length: n }, (_, i) => i).filter(i => weights[i]! > 0)
      return Int32Array.from(possible.sort((i, j) => rings[i]! - rings[j]! || i - j).slice(0, count))
    }
    let total = 0
    const sums = weights.map(w => (total += w))
    return Int32Array.from(this.#numbers('uniform', count), u => firstAbove(sums, u * total))
  }
}

export interface ChoiceOptions extends Pick<Where, 'backend'> {
  /** Whether one may be chosen again (default: yes). */
  readonly replace?: boolean
  readonly weights?: readonly number[]
}

/** 0..n−1 in the order that n − 1 uniform numbers make. */
function shuffled(n: number, uniform: ArrayLike<number>): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform[n - 1 - i]! * (i + 1))
    const t = order[i]!
    order[i] = order[j]!
    order[j] = t
  }
  return order
}

function checkProbabilities(what: string, values: readonly number[]): void {
  const wrong = values.find(p => !(p >= 0 && p < Infinity))
  if (wrong !== undefined)
    throw new RangeError(`random.${what}: probabilities and weights are finite and >= 0, got ${shown(wrong)}`)
}

/** The first place whose sum is above x, by bisection; of sums that rise where weights are above 0. */
function firstAbove(sums: readonly number[], x: number): number {
  let [low, high] = [0, sums.length - 1]
  // Rounding may put x at the last sum: then the last place that has a weight.
  const top = sums[high]!
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sums[middle]! > x || sums[middle]! === top) high = middle
    else low = middle + 1
  }
  return low
}

function scaled(x: Dense, scale: number, shift: number): Dense {
  if (scale !== 1 || shift !== 0) x.backend.kernels.affine(x.buffer, scale, shift, x.buffer)
  return x
}
