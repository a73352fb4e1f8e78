import { run, type Tower } from '@unravel/resnet'
import {
  addScaled,
  gated as freeze,
  jvp,
  mul,
  Random,
  release,
  reshape,
  scope,
  sum,
  type Tensor,
  tensor,
  vjp,
} from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { gatedAttribution, runWithScales } from './attribution.js'
import { frozen, gated } from './gated.js'
import { cotangentOf, embedded, gradient, statesOf } from './gradient.js'
import { withoutBlocks } from './lesion.js'
import { type Derivative, differenceQuotients, type Line, watchedLine } from './quotients.js'
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
/** Tolerance of difference quotients: errors of extrapolation and rounding. */
const DIFFERENCES = 1e-5
/** Blocks of which all sets are enumerated. */
const ENUMERATED = 10
const MOEBIUS = 12
/** Numbers in the path sums of all blocks that attributions keep. */
const MAX_KEPT = 2 ** 24
/** The multiple of the scales on paths at which polynomials in it are compared: orders enter with alternating signs. */
const ELSEWHERE = -0.5

/**
 * Checks every expansion of a network in f64 against independent computations of the same numbers: sums against the run,
 * dynamic programming against enumeration, series against nested forward mode and differences, adjoints against tangents.
 * A rung passes when its error is at most its tolerance. Difference quotients take steps on which no gate flips; where that,
 * or the size of the network, leaves nothing to compare, the rung says so and counts neither way.
 *
 * @param x a batch of f64 inputs or of ids
 */
export async function verify(tower: Tower, x: Tensor, { onProgress }: VerifyOptions = {}): Promise<Rung[]> {
  const n = tower.blocks.length
  const rungs: Rung[] = []
  const rung = (name: string, error: number, tolerance: number) => rungs.push({ name, error, tolerance })
  const skip = (name: string, note: string) => rungs.push({ name, error: null, tolerance: 0, note })
  const stage = (done: number) => onProgress?.(done, STAGES)
  const within = (first: number, stages: number) => (done: number, of: number) => stage(first + (stages * done) / of)
  const output = await numbersOf(scope(() => run(tower, x)))
  const size = norm(output)

  const all = gated(tower, x, 'all', { onBlock: done => within(0, 2)(done, n) })
  const orders = await split(all.coefficients)
  const largest = largestOf([size, ...orders.map(o => norm(o))])
  rung('gated: orders sum to the output', relative(distance(total(orders), output), largest), EXACT)
  const frozenRun = await numbersOf(scope(() => affineRun(tower, x, ELSEWHERE)))
  rung(
    `gated: orders times powers of ${ELSEWHERE} sum to the frozen network with branches times ${ELSEWHERE}`,
    relative(distance(polynomial(orders, ELSEWHERE), frozenRun), largest),
    EXACT,
  )
  const enumeration = 'gated: orders are the sums of all paths, one by one'
  if (n <= ENUMERATED) {
    const paths = await enumerated(tower, x)
    const error = largestOf(orders.map((o, k) => distance(o, paths[k]!)))
    rung(enumeration, relative(error, largest), EXACT)
  } else skip(enumeration, `${n} blocks have too many paths to enumerate`)
  const state = scope(() => tower.encode(x).size)
  const kept = Math.min(n, Math.max(1, Math.floor(MAX_KEPT / Math.max(1, n * state))))
  const { totals, blocks } = await gatedAttribution(tower, x, kept, { onProgress: within(2, 1) })
  const tied = blocks.map((row, k) => Math.abs(row.reduce((a, b) => a + b, 0) - k * totals[k]!) / Math.max(1, k))
  const which = kept < n ? ` (orders 0 to ${kept} of ${n})` : ''
  rung(`gated: block attributions sum to k times order k${which}`, relative(largestOf([...tied]), largest), EXACT)
  if (tower.blocks.some(({ heads }) => heads !== undefined)) {
    const { parts } = await gatedAttribution(tower, x, kept, { by: 'head' })
    const gaps = blocks.flatMap((row, k) =>
      Array.from(row, (block, l) => parts!.values[k]![l]!.reduce((a, b) => a + b, parts!.rest[k]![l]!) - block),
    )
    rung(
      `gated: heads and what is beside them sum to their block${which}`,
      relative(largestOf(gaps.map(Math.abs)), largest),
      EXACT,
    )
  }

  const depth = Math.min(4, Math.max(1, n))
  const series = taylor(tower, x, depth)
  const coefficients = await split(series.coefficients)
  const norms = coefficients.map(c => norm(c))
  const sizes = norms.map((_, k) => largestOf(norms.slice(0, k + 1)))
  stage(4)
  const nested = await nestedDerivatives(tower, x, depth)
  const apart = coefficients.map((c, k) => relative(distance(c, nested[k]!), sizes[k]!))
  rung(`taylor: orders 0 to ${depth} are nested forward derivatives in λ`, largestOf(apart), EXACT)
  stage(5)
  // Orders far below those before them drown in the rounding of values.
  const least = [norms[0]! * 1e-3, Math.max(norms[0]!, norms[1]!) * 1e-3]
  const encoded = scope(() => tower.encode(x))
  const quotients = differenceQuotients(
    watchedLine(t => {
      const { blocks, decode } = scaled(tower, t)
      return { f: h => run({ encode: state => state, blocks, decode }, h), h: encoded }
    }),
    // A few percent of where the series would stop converging if its orders went on as they begin.
    Math.min(1, 0.1 * (norms[1]! > 0 && norms[0]! > 0 ? norms[0]! / norms[1]! : 1)),
    { first: 0.01 * DIFFERENCES * least[0]!, second: 0.01 * DIFFERENCES * least[1]! },
  )
  const againstQuotient = (name: string, value: ArrayLike<number>, found: Derivative | undefined, floor: number) => {
    if (found === undefined) return skip(name, 'a gate flips within every step that rounding allows')
    const size = Math.max(norm(value), norm(found.value), floor)
    if (size === 0) return rung(name, 0, DIFFERENCES)
    // A quotient that has not settled to a tenth of the tolerance decides nothing.
    if (!(found.uncertainty <= 0.1 * DIFFERENCES * size)) {
      return skip(name, `difference quotients only settle to ${(found.uncertainty / size).toExponential(0)}`)
    }
    return rung(name, distance(value, found.value) / size, DIFFERENCES)
  }
  againstQuotient('taylor: order 1 is the difference quotient in λ', coefficients[1]!, quotients?.first, least[0]!)
  if (depth >= 2) {
    const second = quotients && {
      value: quotients.second.value.map(v => v / 2),
      uncertainty: quotients.second.uncertainty / 2,
    }
    againstQuotient(
      'taylor: order 2 is the second difference quotient in λ',
      coefficients[2]!,
      second ?? undefined,
      least[1]!,
    )
  }
  if (encoded !== x) encoded.dispose()
  stage(6)

  const sums = 'subsets: orders sum to the output'
  const pairs = 'subsets: orders 1 and 2 are differences of runs with one and two blocks'
  if (n <= MOEBIUS) {
    const found = await split(subsets(tower, x, 'all').coefficients)
    const scale = largestOf([size, ...found.map(o => norm(o))])
    rung(sums, relative(distance(total(found), output), scale), EXACT)
    const few = await fewBlocks(tower, x)
    rung(pairs, relative(largestOf(few.map((order, k) => distance(found[k]!, order))), scale), EXACT)
  } else for (const name of [sums, pairs]) skip(name, `${n} blocks have too many sets to run`)
  stage(7)

  const paths = gradient(tower, x, 0, 'all', { onBlock: done => within(7, 2)(done, n) })
  const parts = await split(paths.coefficients)
  const slope = await numbersOf(paths.total)
  const most = largestOf([norm(slope), ...parts.map(o => norm(o))])
  rung('gradient: orders sum to the gradient', relative(distance(total(parts), slope), most), EXACT)
  const network = embedded(tower, x)
  const chain = await numbersOf(scope(() => chainRule(network, ELSEWHERE)))
  rung(
    `gradient: orders times powers of ${ELSEWHERE} sum to the chain rule with branches times ${ELSEWHERE}`,
    relative(distance(polynomial(parts, ELSEWHERE), chain), most),
    EXACT,
  )
  const { adjoint, u, line } = await adjoints(network)
  const along = Float64Array.of(dot(slope, u))
  const floor = (1e-3 * norm(slope) * norm(u)) / Math.sqrt(slope.length)
  const step = (0.1 * Math.max(norm(await numbersOf(network.x)), 1e-3)) / norm(u)
  const difference = differenceQuotients(line, step, { first: 0.01 * DIFFERENCES * floor, second: Infinity })
  againstQuotient('gradient: the gradient is the difference quotient in the input', along, difference?.first, floor)
  rung('gradient: pulling back is the adjoint of pushing forward', adjoint, EXACT)
  stage(STAGES)
  return rungs
}

const STAGES = 10

export interface VerifyOptions {
  /** Called with the part done, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

const split = async (stack: Tensor): Promise<Float64Array[]> => {
  const data = await numbersOf(stack)
  const rows = stack.shape[0]!
  const each = data.length / rows
  return Array.from({ length: rows }, (_, k) => data.subarray(k * each, (k + 1) * each))
}
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => norm(Float64Array.from(a, (v, i) => v - b[i]!))
/** Σ_k rows_k t^k */
function polynomial(rows: readonly Float64Array[], t: number): Float64Array {
  const sum = new Float64Array(rows[0]!.length)
  for (const row of rows.toReversed()) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! * t + row[i]!
  return sum
}
const total = (rows: readonly Float64Array[]): Float64Array => polynomial(rows, 1)
const largestOf = (values: readonly number[]): number =>
  // A number that is not one stays in sight.
  values.reduce((a, b) => (Number.isNaN(b) || b > a ? b : a), 0)
/** An error over a size; none of a network that is 0 is 0. */
const relative = (error: number, size: number): number => (error === 0 ? 0 : error / size)
const dot = (a: Float64Array, b: Float64Array) => a.reduce((s, v, i) => s + v * b[i]!, 0)
const scaled = (tower: Tower, t: number): Tower => ({
  encode: h => tower.encode(h),
  decode: h => tower.decode(h),
  blocks: tower.blocks.map(b => ({ ...b, scale: b.scale * t })),
})

/** Path sums through every set of blocks of the frozen run, summed by the size of the set. */
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
    const where = like(tower.encode(x))
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

/** The run with its gates frozen and every branch times t, in one affine pass. */
function affineRun(tower: Tower, x: Tensor, t: number): Tensor {
  let value = tower.encode(x)
  let path = reshape(value, [1, ...value.shape])
  for (const block of tower.blocks) {
    const before = { value, path }
    const after = scope(() => {
      const skipped = block.skip === undefined ? path : freeze(block.skip, value, path, 0).stack
      const branch = freeze(block.branch, value, path, 0)
      return {
        value: addScaled(block.skip === undefined ? value : block.skip(value), branch.value, block.scale),
        path: addScaled(skipped, branch.stack, block.scale * t),
      }
    })
    value = after.value
    path = after.path
    release(before.value, before.path)
  }
  return freeze(tower.decode, value, path, 0).stack
}

/** The gradient of output 0 with the cotangent that comes through every branch times t, by the chain rule. */
function chainRule({ tower, x }: ReturnType<typeof embedded>, t: number): Tensor {
  const states = statesOf(tower, x)
  const top = vjp(tower.decode, states[states.length - 1]!)
  let g = top.pullback(cotangentOf(top.value, 0))
  for (let l = tower.blocks.length - 1; l >= 0; l--) {
    const { skip, branch, scale } = tower.blocks[l]!
    const h = states[l]!
    const after = g
    g = scope(() => {
      const through = vjp(branch, h).pullback(after)
      return addScaled(skip === undefined ? after : vjp(skip, h).pullback(after), through, scale * t)
    })
    release(after)
  }
  return vjp(tower.encode, x).pullback(g)
}

/** Orders 0, 1 and 2 of the Möbius expansion, from runs with no, one and two blocks. */
async function fewBlocks(tower: Tower, x: Tensor): Promise<Float64Array[]> {
  const places = [...tower.blocks.keys()]
  const runOf = (...active: readonly number[]) =>
    numbersOf(scope(() => run(withoutBlocks(tower, new Set(places.filter(l => !active.includes(l)))), x)))
  const none = await runOf()
  const minus = (a: Float64Array, b: Float64Array) => a.map((v, i) => v - b[i]!)
  const single: Float64Array[] = []
  for (const l of places) single.push(minus(await runOf(l), none))
  const orders = [none, none.map(() => 0), none.map(() => 0)]
  const add = (k: number, value: Float64Array) => {
    for (let i = 0; i < value.length; i++) orders[k]![i]! += value[i]!
  }
  for (const [j, alone] of single.entries()) {
    add(1, alone)
    for (let i = 0; i < j; i++) add(2, minus(minus(minus(await runOf(i, j), none), alone), single[i]!))
  }
  return orders.slice(0, places.length + 1)
}

/** The tower's adjoint against its tangent, and output 0 on a line through the input, both in random directions. */
async function adjoints({ tower, x }: ReturnType<typeof embedded>): Promise<{
  readonly adjoint: number
  readonly u: Float64Array
  readonly line: Line
}> {
  const random = new Random(7)
  const where = like(x)
  const f = (input: Tensor) => run(tower, input)
  const direction = random.normal(x.shape, 0, 1, where)
  const found = scope(() => {
    const { value, pullback } = vjp(f, x)
    const c = random.normal(value.shape, 0, 1, where)
    return { c, pulled: pullback(c), pushed: jvp(f, x, direction)[1] }
  })
  const seed = scope(() => cotangentOf(f(x), 0))
  const [u, c, pulled, pushed] = await Promise.all([direction, found.c, found.pulled, found.pushed].map(numbersOf))
  return {
    adjoint: relative(Math.abs(dot(c!, pushed!) - dot(pulled!, u!)), norm(c!) * norm(pushed!)),
    u: u!,
    line: watchedLine(t => ({ f: h => sum(mul(f(h), seed)), h: addScaled(x, direction, t) })),
  }
}
