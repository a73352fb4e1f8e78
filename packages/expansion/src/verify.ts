import { run, type Tower } from '@unravel/resnet'
import {
  addScaled,
  gated as freeze,
  jvp,
  mul,
  Random,
  reshape,
  scope,
  sub,
  type Tensor,
  tensor,
  vjp,
} from '@unravel/tensor'
import { gatedAttribution, runWithScales } from './attribution.js'
import { frozen, gated } from './gated.js'
import { embedded, gradient, oneElement } from './gradient.js'
import { norm } from './spectrum.js'
import { numbersOf } from './stacks.js'
import { subsets } from './subsets.js'
import { taylor } from './taylor.js'

/** One check of an expansion against something that does not share its algorithm. */
export interface Rung {
  readonly name: string
  /** Relative to the sizes that enter; null where the check does not apply, and `note` says why. */
  readonly error: number | null
  readonly tolerance: number
  readonly note?: string
}

/** Rounding: a few thousand roundings of f64. */
const EXACT = 1e-10
/** Central differences with step 1e-4: what truncation and rounding leave. */
const DIFFERENCES = 1e-5
/** Blocks of which all sets are enumerated. */
const ENUMERATED = 10
const MOEBIUS = 12

/**
 * Checks every expansion of a network in f64 against independent computations of the same numbers: sums against the run,
 * dynamic programming against enumeration, series against nested forward mode and differences, adjoints against tangents.
 * A rung passes when its error is at most its tolerance.
 *
 * @param x a batch of f64 inputs or of ids
 */
export async function verify(tower: Tower, x: Tensor): Promise<Rung[]> {
  const n = tower.blocks.length
  const rungs: Rung[] = []
  const rung = (name: string, error: number, tolerance: number) => rungs.push({ name, error, tolerance })
  const skip = (name: string, note: string) => rungs.push({ name, error: null, tolerance: 0, note })
  const output = await numbersOf(scope(() => run(tower, x)))
  const size = norm(output)

  const all = gated(tower, x, 'all')
  const orders = await split(all.coefficients)
  const largest = Math.max(size, ...orders.map(o => norm(o)))
  rung('gated: orders sum to the output', distance(total(orders), output) / largest, EXACT)
  if (n <= ENUMERATED) {
    const paths = await enumerated(tower, x)
    const error = Math.max(...orders.map((o, k) => distance(o, paths[k]!)))
    rung('gated: orders are the sums of all paths, one by one', error / largest, EXACT)
  } else skip('gated: orders are the sums of all paths, one by one', `${n} blocks have too many paths to enumerate`)
  const { totals, blocks } = await gatedAttribution(tower, x, 'all')
  const tied = blocks.map((row, k) => Math.abs(row.reduce((a, b) => a + b, 0) - k * totals[k]!) / Math.max(1, k))
  rung('gated: block attributions sum to k times order k', Math.max(...tied) / largest, EXACT)

  const depth = Math.min(4, Math.max(1, n))
  const series = taylor(tower, x, depth)
  const coefficients = await split(series.coefficients)
  const sizes = coefficients.map((_, k) => Math.max(...coefficients.slice(0, k + 1).map(c => norm(c))))
  const nested = await nestedDerivatives(tower, x, depth)
  const apart = coefficients.map((c, k) => distance(c, nested[k]!) / sizes[k]!)
  rung(`taylor: orders 0 to ${depth} are nested forward derivatives in λ`, Math.max(...apart), EXACT)
  const step = 1e-4
  if (series.kink !== undefined && (series.kink === null || series.kink > step)) {
    const at = async (t: number) => numbersOf(scope(() => run(scaled(tower, t), x)))
    const [up, here, down] = [await at(step), await at(0), await at(-step)]
    const first = up.map((v, i) => (v - down[i]!) / (2 * step))
    rung('taylor: order 1 is the difference quotient in λ', distance(coefficients[1]!, first) / sizes[1]!, DIFFERENCES)
    if (depth >= 2) {
      const second = up.map((v, i) => (v - 2 * here[i]! + down[i]!) / (2 * step * step))
      const error = distance(coefficients[2]!, second) / sizes[2]!
      rung('taylor: order 2 is the second difference in λ', error, DIFFERENCES)
    }
  } else skip('taylor: order 1 is the difference quotient in λ', 'a gate flips at λ = 0 or close to it')

  if (n <= MOEBIUS) {
    const found = await split(subsets(tower, x, 'all').coefficients)
    const scale = Math.max(size, ...found.map(o => norm(o)))
    rung('subsets: orders sum to the output', distance(total(found), output) / scale, EXACT)
  } else skip('subsets: orders sum to the output', `${n} blocks have too many sets to run`)

  const paths = gradient(tower, x, 0, 'all')
  const parts = await split(paths.coefficients)
  const slope = await numbersOf(paths.total)
  const most = Math.max(norm(slope), ...parts.map(o => norm(o)))
  rung('gradient: orders sum to the gradient', distance(total(parts), slope) / most, EXACT)
  rungs.push(...(await adjoints(embedded(tower, x), slope)))
  return rungs
}

const split = async (stack: Tensor): Promise<Float64Array[]> => {
  const data = await numbersOf(stack)
  const rows = stack.shape[0]!
  const each = data.length / rows
  return Array.from({ length: rows }, (_, k) => data.subarray(k * each, (k + 1) * each))
}
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => norm(Float64Array.from(a, (v, i) => v - b[i]!))
const total = (rows: readonly Float64Array[]): Float64Array => rows.reduce((sum, row) => sum.map((v, i) => v + row[i]!))
const scaled = (tower: Tower, t: number): Tower => ({
  encode: h => tower.encode(h),
  decode: h => tower.decode(h),
  blocks: tower.blocks.map(b => ({ ...b, scale: b.scale * t })),
})

/** What passes through every set of blocks of the frozen run, summed by the size of the set. */
async function enumerated(tower: Tower, x: Tensor): Promise<Float64Array[]> {
  const n = tower.blocks.length
  const sums = scope(() => {
    const values = [tower.encode(x)]
    for (const b of tower.blocks) {
      const h = values[values.length - 1]!
      values.push(addScaled(b.skip === undefined ? h : b.skip(h), b.branch(h), b.scale))
    }
    const one = (t: Tensor) => reshape(t, [1, ...t.shape])
    const byLength: Tensor[] = []
    for (let set = 0; set < 2 ** n; set++) {
      const length = set.toString(2).replaceAll('0', '').length
      byLength[length] = scope(() => {
        let path = one(values[0]!)
        let straight = true
        tower.blocks.forEach((block, l) => {
          const h = values[l]!
          if ((set >> l) & 1) {
            // The first branch of a path brings its bias, and so do the skips before it.
            path = mul(straight ? freeze(block.branch, h, path, 0).stack : frozen(block.branch, h, path), block.scale)
            straight = false
          } else if (block.skip !== undefined) {
            path = straight ? freeze(block.skip, h, path, 0).stack : frozen(block.skip, h, path)
          }
        })
        const out = straight ? freeze(tower.decode, values[n]!, path, 0).stack : frozen(tower.decode, values[n]!, path)
        const before = byLength[length]
        return before === undefined ? out : addScaled(before, out, 1)
      })
    }
    return byLength
  })
  return Promise.all(sums.map(numbersOf))
}

/** f^(k)(0)/k! in the common multiple t of all scales, by k nested directional derivatives. */
async function nestedDerivatives(tower: Tower, x: Tensor, depth: number): Promise<Float64Array[]> {
  const results = scope(() => {
    const where = { dtype: tower.encode(x).dtype, backend: x.dense()[0]!.backend } as const
    const [zero, one] = [tensor(0, where), tensor(1, where)]
    let f = (t: Tensor) =>
      runWithScales(
        tower,
        x,
        tower.blocks.map(b => mul(t, b.scale)),
      )
    const out: Tensor[] = []
    let factorial = 1
    for (let k = 0; k <= depth; k++) {
      if (k > 0) {
        factorial *= k
        const below = f
        f = t => jvp(below, t, one)[1]
      }
      out.push(mul(f(zero), 1 / factorial))
    }
    return out
  })
  return Promise.all(results.map(numbersOf))
}

/** The gradient of output 0 against a difference, and the tower's adjoint against its tangent, in a random direction. */
async function adjoints({ tower, x }: ReturnType<typeof embedded>, slope: Float64Array): Promise<Rung[]> {
  const random = new Random(7)
  const where = { dtype: x.dtype, backend: x.dense()[0]!.backend } as const
  const f = (input: Tensor) => run(tower, input)
  const step = 1e-5
  const found = scope(() => {
    const u = random.normal(x.shape, 0, 1, where)
    const { value, pullback } = vjp(f, x)
    const c = random.normal(value.shape, 0, 1, where)
    return {
      ...{ u, c, pulled: pullback(c), pushed: jvp(f, x, u)[1], seed: oneElement(value, 0) },
      gap: sub(f(addScaled(x, u, step)), f(addScaled(x, u, -step))),
    }
  })
  const [u, c, pulled, pushed] = await Promise.all([found.u, found.c, found.pulled, found.pushed].map(numbersOf))
  const [seed, gap] = await Promise.all([found.seed, found.gap].map(numbersOf))
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((s, v, i) => s + v * b[i]!, 0)
  const along = dot(slope, u!)
  const difference = dot(seed!, gap!) / (2 * step)
  return [
    {
      name: 'gradient: the gradient is the difference quotient in the input',
      error: Math.abs(along - difference) / (norm(slope) * norm(u!)),
      tolerance: DIFFERENCES,
    },
    {
      name: 'gradient: pulling back is the adjoint of pushing forward',
      error: Math.abs(dot(c!, pushed!) - dot(pulled!, u!)) / (norm(c!) * norm(pushed!)),
      tolerance: EXACT,
    },
  ]
}
