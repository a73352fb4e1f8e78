import type { Tower } from '@unravel/resnet'
import { run } from '@unravel/resnet'
import {
  abs,
  div,
  full,
  greater,
  less,
  max,
  mul,
  narrow,
  Random,
  reshape,
  scope,
  type Tensor,
  tensor,
  where,
} from '@unravel/tensor'
import { like, shown } from '@unravel/tensor/internals'
import { embedded, gradientPaths, together } from './gradient.js'
import { checkBatch, lastOrder, type Orders } from './orders.js'
import { products, taken } from './stacks.js'

/** A Gram matrix by order. */
export interface Gram {
  /** `[orders + 1][orders + 1]` */
  readonly gram: readonly Float64Array[]
  /** Σ of all entries. */
  readonly total: number
  /** Of `gram` and `total`, where they were estimated from probes; null where they are exact. */
  readonly standardError: { readonly gram: readonly Float64Array[]; readonly total: number } | null
}

export interface ComplexityOptions {
  /** Random cotangents in place of one for every output. Default: exact up to 64 outputs, 64 probes beyond. */
  readonly probes?: number
  /** Default 0. */
  readonly seed?: number
  /** Called with the blocks that cotangents have passed, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

const MAX_EXACT_OUTPUTS = 64
/** Cotangents that travel together. */
const TOGETHER = 16

/** ⟨a_i, a_j⟩ of the entries of a stack, flat, over the sizes that multiply them. */
interface RelativeGram {
  readonly products: Tensor
  readonly sizes: Tensor
}

/** Products of entries in f32 may leave its range where the entries do not: they are taken relative to the largest numbers. */
function relativeGram(stack: Tensor): RelativeGram {
  const rows = stack.shape[0]!
  const one = full([rows], 1, like(stack))
  if (stack.dtype !== 'f32' || stack.size === 0) return { products: products(stack, stack), sizes: one }
  const entries = reshape(stack, [rows, -1])
  const largest = max(abs(entries), 1)
  const sizes = where(mul(greater(largest, 0), less(largest, Infinity)), largest, one)
  const scaled = div(entries, reshape(sizes, [rows, 1]))
  return { products: products(scaled, scaled), sizes }
}

/** The numbers of a Gram matrix, which is freed. */
async function gramOf({ products, sizes }: RelativeGram): Promise<Float64Array> {
  const [flat, size] = [await taken(products), await taken(sizes)]
  return flat.map((v, at) => v * size[Math.floor(at / size.length)]! * size[at % size.length]!)
}

/**
 * Geometric complexity (Dherin et al., arXiv 2209.13083), the mean over inputs of ‖∂f/∂x‖_F², by order: with J = Σ_k J_k over
 * gradient paths of length k, entry (i, j) is the mean of ⟨J_i, J_j⟩_F and all entries sum to the complexity (for all orders;
 * for fewer, to that of the paths kept). The slope is in the embeddings where inputs are integer ids.
 */
export async function geometricComplexity(
  network: Tower,
  input: Tensor,
  orders: number | 'all',
  { probes, seed = 0, onProgress }: ComplexityOptions = {},
): Promise<Gram> {
  const { tower, x } = embedded(network, input)
  const most = lastOrder('geometricComplexity', orders, tower.blocks.length)
  checkBatch('geometricComplexity', x)
  const output = scope(() => {
    const y = run(tower, x)
    return { shape: y.shape, ...like(y) }
  })
  const batch = x.shape[0]!
  const outputs = output.shape.slice(1).reduce((a, b) => a * b, 1)
  const n = tower.blocks.length
  const exact = probes === undefined && outputs <= MAX_EXACT_OUTPUTS
  const atOnce = exact ? TOGETHER : Math.min(TOGETHER, together(tower, x, most + 1))
  const count = exact ? outputs : (probes ?? 64)
  let passed = 0
  /** `[orders + 1, cotangents, ...x]` */
  const pathsOf = (cotangents: Float64Array, many: number) => {
    const seeds = tensor(cotangents, { ...output, shape: [many, ...output.shape] })
    const onBlock = (done: number) => onProgress?.(passed * n + done * many, count * n)
    const paths = gradientPaths(tower, x, () => seeds, most, { onBlock })
    passed += many
    return paths
  }
  const rows = most + 1
  const add = (to: Float64Array, from: ArrayLike<number>) => {
    for (let i = 0; i < to.length; i++) to[i]! += from[i]! / batch
  }
  const table = (flat: Float64Array) => Array.from({ length: rows }, (_, i) => flat.slice(i * rows, (i + 1) * rows))
  const whole = (flat: ArrayLike<number>) => Array.from(flat).reduce((a, b) => a + b, 0)

  if (exact) {
    const flat = new Float64Array(rows * rows)
    for (let first = 0; first < outputs; first += atOnce) {
      const many = Math.min(atOnce, outputs - first)
      const cotangents = new Float64Array(many * batch * outputs)
      for (let c = 0; c < many; c++) {
        for (let b = 0; b < batch; b++) cotangents[(c * batch + b) * outputs + first + c] = 1
      }
      add(flat, await gramOf(scope(() => relativeGram(pathsOf(cotangents, many)))))
    }
    return { gram: table(flat), total: whole(flat), standardError: null }
  }
  if (!Number.isSafeInteger(count) || count < 2) {
    throw new RangeError(`geometricComplexity: probes must be an integer of at least 2, got ${shown(count)}`)
  }
  const random = new Random(seed)
  const samples: Float64Array[] = []
  for (let first = 0; first < count; first += atOnce) {
    const many = Math.min(atOnce, count - first)
    const signs = new Float64Array(many * batch * outputs)
    for (let p = 0; p < many; p++) {
      const drawn = random.uniform([batch * outputs], -1, 1).dataSync()
      for (const [i, u] of drawn.entries()) signs[p * drawn.length + i] = u < 0 ? -1 : 1
    }
    const grams = scope(() => {
      const paths = pathsOf(signs, many)
      return Array.from({ length: many }, (_, p) => relativeGram(narrow(paths, 1, p, 1)))
    })
    for (const gram of grams) {
      const flat = new Float64Array(rows * rows)
      add(flat, await gramOf(gram))
      samples.push(flat)
    }
  }
  const estimate = (values: readonly number[]) => {
    const mean = whole(values) / count
    return { mean, error: Math.sqrt(whole(values.map(v => (v - mean) ** 2)) / (count * (count - 1))) }
  }
  const cells = Array.from({ length: rows * rows }, (_, i) => estimate(samples.map(s => s[i]!)))
  const all = estimate(samples.map(whole))
  return {
    gram: table(Float64Array.from(cells, c => c.mean)),
    total: all.mean,
    standardError: { gram: table(Float64Array.from(cells, c => c.error)), total: all.error },
  }
}

/** The Gram matrix of an expansion's orders, the mean over the batch of ⟨S_i, S_j⟩; its entries sum to the mean of ‖Σ S‖². */
export async function orderGram({ coefficients }: Orders): Promise<Gram> {
  checkBatch('orderGram', coefficients)
  const [rows, batch] = coefficients.shape as [number, number]
  const flat = (await gramOf(scope(() => relativeGram(coefficients)))).map(v => v / batch)
  const gram = Array.from({ length: rows }, (_, i) => flat.slice(i * rows, (i + 1) * rows))
  return { gram, total: flat.reduce((a, b) => a + b, 0), standardError: null }
}
