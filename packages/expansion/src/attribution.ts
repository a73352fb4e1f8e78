import { type Block, type Heads, run, type Tower } from '@unravel/resnet'
import {
  add,
  concat,
  gated as freeze,
  grad,
  jvp,
  keep,
  matmul,
  mul,
  narrow,
  release,
  reshape,
  scope,
  sum,
  type Tensor,
  tensor,
  transpose,
  vjp,
  zerosLike,
} from '@unravel/tensor'
import { addAligned, type Dense, head, like, padded } from '@unravel/tensor/internals'
import { frozen, frozenTransposed, type GatedState, gatedStep } from './gated.js'
import { cotangentOf, embedded, gradientPaths, statesOf, type Target } from './gradient.js'
import { lastOrder } from './orders.js'
import { norm } from './spectrum.js'
import { numbersOf, products, withNext } from './stacks.js'

/** How much each block, and each pair of blocks, has to do with the orders of an expansion, in one direction of what is
 *  expanded. */
export interface Attribution {
  readonly expansion: 'gated' | 'gradient' | 'taylor'
  /** `[orders + 1]`: order k projected on the direction. */
  readonly totals: Float64Array
  /** `[orders + 1][blocks]`: paths of length k through block i. Each path of length k runs through k blocks, so that the sum
   *  over blocks is k times the total. */
  readonly blocks: readonly Float64Array[]
  /** `[blocks][blocks]`, i < j: the paths of length 2 through just blocks i and j; they sum to the total of order 2. For
   *  `taylor` the diagonal holds the second-order terms of one block with itself. */
  readonly pairs: readonly Float64Array[]
  /** `gatedAttribution` by heads or positions. */
  readonly parts?: Parts
}

/** The parts of what runs through each block: they and the rest sum to the block. */
export interface Parts {
  readonly by: 'head' | 'position' | 'source'
  /** `[orders + 1][blocks][parts]`; no parts where a block has no heads. */
  readonly values: readonly (readonly Float64Array[])[]
  /** `[orders + 1][blocks]`, through no part: biases after the heads, MLPs beside them, blocks without heads; of sources, the
   *  paths that begin at biases of a block. */
  readonly rest: readonly Float64Array[]
  /** Of sources: `[orders + 1][positions]`, the paths that begin at each position of the encoded input. What they lack of the
   *  totals begins at biases. */
  readonly starts?: readonly Float64Array[]
}

export interface AttributionOptions {
  /** The direction, of the shape of what is expanded; default: what is expanded itself over its norm, so that the totals of
   *  all orders sum to that norm. */
  readonly direction?: Tensor
  /** `gatedAttribution`: splits what runs through a block by the heads of its attention, or, of states
   *  `[batch, positions, width]`, by the positions that its branch writes to (`position`) or reads from (`source`). */
  readonly by?: Parts['by'] | undefined
  /** `gatedAttribution`: called with the block passes done, of all. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/** x over its Euclidean norm. */
function unit(x: Tensor): Tensor {
  const size = norm(x.dataSync())
  return size > 0 ? mul(x, 1 / size) : x
}

/** Σ_{a+b=k−1} of the products of prefixes of length a and suffixes of length b, for every k. */
function byLength(dots: Float64Array, rows: number, columns: number, orders: number, scale: number): number[] {
  const out = new Array<number>(orders + 1).fill(0)
  for (let a = 0; a < rows; a++) {
    for (let b = 0; b < columns && a + b < orders; b++) out[a + b + 1]! += scale * dots[a * columns + b]!
  }
  return out
}

/**
 * Blocks and pairs of the `gated` expansion, by a forward–backward pass over orders: the paths of length k through block i
 * are Σ_{a+b=k−1} (suffixes of length b)·λ_i·(A_i on prefixes of length a). 2n applications of every linear map to all
 * orders at once; memory O(n·orders·batch·width). `by` splits each block's part by heads, positions or sources.
 *
 * @throws RangeError without parts to split by: no block with heads, or states without positions
 */
export async function gatedAttribution(
  tower: Tower,
  x: Tensor,
  orders: number | 'all',
  { direction, by, onProgress }: AttributionOptions = {},
): Promise<Attribution> {
  const n = tower.blocks.length
  const most = lastOrder('gatedAttribution', orders, n)
  if (by === 'head' && tower.blocks.every(({ heads }) => heads === undefined)) {
    throw new RangeError('gatedAttribution by head: no block has heads of attention')
  }
  const found = scope(() => {
    const encoded = tower.encode(x)
    const states: GatedState[] = [{ value: encoded, paths: reshape(encoded, [1, ...encoded.shape]) }]
    const branches: Tensor[] = []
    for (const block of tower.blocks) {
      const { value, paths, branch } = scope(() => gatedStep(block, states[states.length - 1]!, Math.max(most, 1)))
      states.push({ value, paths })
      branches.push(branch)
      onProgress?.(branches.length, 2 * n)
    }
    const last = states[n]!
    if (by === 'position' || by === 'source') checkPositions(encoded, by)
    // Suffixes as long as the longest path begin at the input; one block less is before all others.
    const suffixRows = Math.max(most, 1) + (by === 'source' ? 1 : 0)
    const output = freeze(tower.decode, last.value, last.paths, most)
    const v = direction ?? unit(run(tower, x))
    const totals = products(padded(output.stack, most + 1), reshape(v, [1, ...v.shape]))

    let suffixes = frozenTransposed(tower.decode, last.value, reshape(v, [1, ...v.shape]))
    const dots = new Array<Tensor>(n)
    // The image of a direction of the block's input through its branch and the suffixes that only skip.
    const through = new Array<Tensor>(n)
    const parts = new Array<PartDots>(n)
    for (let l = n - 1; l >= 0; l--) {
      const block = tower.blocks[l]!
      const { value } = states[l]!
      dots[l] = products(branches[l]!, suffixes)
      if (by === 'position') parts[l] = { parts: productsApart(branches[l]!, suffixes, 2) }
      if (by === 'head') {
        const { heads } = block
        parts[l] =
          heads === undefined ? { rest: dots[l]! } : scope(() => headProducts(heads, states[l]!, suffixes, most))
      }
      const after = suffixes
      suffixes = scope(() => {
        const skipped = block.skip === undefined ? after : frozenTransposed(block.skip, value, after)
        const branch = frozenTransposed(block.branch, value, head(after, Math.max(most, 1)))
        through[l] = keep(mul(narrow(branch, 0, 0, 1), block.scale))
        if (by === 'source') {
          const biases = products(biasOf(block, value), after)
          parts[l] = { parts: keep(productsApart(states[l]!.paths, branch, 2)), rest: keep(biases) }
        }
        return head(withNext(skipped, branch, block.scale), suffixRows)
      })
      release(after)
      onProgress?.(2 * n - l, 2 * n)
    }
    const own = tower.blocks.map((block, l) => mul(narrow(branches[l]!, 0, 0, 1), block.scale))
    const pass = (block: Block, l: number, sent: Tensor) => frozen(block.skip!, states[l]!.value, sent)
    const starts = by === 'source' ? productsApart(states[0]!.paths, suffixes, 2) : undefined
    return { totals, dots, parts, starts, pairs: scope(() => pairProducts(tower, own, through, pass)) }
  })
  const whole = await collected('gated', found, tower, most)
  if (by === undefined) return whole
  const parts = await partsOf(by, found.parts, tower, most)
  return {
    ...whole,
    parts: found.starts === undefined ? parts : { ...parts, starts: await startsOf(found.starts, most) },
  }
}

function checkPositions(states: Tensor, by: Parts['by']): void {
  if (states.rank === 3) return
  throw new RangeError(
    `gatedAttribution by ${by} wants states [batch, positions, width], the tower's are [${states.shape}]`,
  )
}

/** What the branch of a block with its gates frozen makes of nothing: `[1, ...state]`. */
const biasOf = ({ branch }: Block, value: Tensor): Tensor =>
  freeze(branch, value, zerosLike(reshape(value, [1, ...value.shape])), 0).stack

/** `[orders + 1][positions]` of products `[positions, 1, suffixes]`. */
async function startsOf(found: Tensor, most: number): Promise<Float64Array[]> {
  const [positions, , rows] = found.shape as [number, number, number]
  const data = await numbersOf(found)
  return Array.from({ length: most + 1 }, (_, k) =>
    Float64Array.from({ length: positions }, (_, p) => (k < rows ? data[p * rows + k]! : 0)),
  )
}

/** Products of prefixes and suffixes of one block: of each part `[parts, rows, columns]`, and of the rest `[rows, columns]`. */
interface PartDots {
  readonly parts?: Tensor
  readonly rest?: Tensor
}

/** `[parts, p, q]`: ⟨a_i, b_j⟩ over each of the parts that an axis of the entries of two stacks counts. */
function productsApart(a: Tensor, b: Tensor, axis: number): Tensor {
  const apart = (t: Tensor) => {
    const others = t.shape.map((_, i) => i).filter(i => i > 0 && i !== axis)
    return reshape(transpose(t, [axis, 0, ...others]), [t.shape[axis]!, t.shape[0]!, -1])
  }
  return matmul(apart(a), apart(b), false, true)
}

/** The same of a branch with heads: suffixes pulled back to what each head mixes meet what it makes of the prefixes. */
function headProducts(
  { count, mix, write, rest }: Heads,
  { value, paths }: GatedState,
  suffixes: Tensor,
  orders: number,
): PartDots {
  const before = Math.max(0, Math.max(orders, 1) - 1)
  const mixed = freeze(mix, value, paths, before)
  const pulled = frozenTransposed(write, mixed.value, suffixes)
  const apart = (t: Tensor) => reshape(t, [...t.shape.slice(0, -1), count, t.shape[t.rank - 1]! / count])
  const parts = productsApart(apart(mixed.stack), apart(pulled), mixed.stack.rank - 1)
  const bias = write(zerosLike(mixed.value))
  const biases = reshape(bias, [1, ...bias.shape])
  const beside = rest === undefined ? biases : addAligned(freeze(rest, value, paths, before).stack, biases, 0)
  return { parts, rest: products(beside, suffixes) }
}

async function partsOf(by: Parts['by'], found: readonly PartDots[], tower: Tower, most: number): Promise<Parts> {
  const rest = Array.from({ length: most + 1 }, () => new Float64Array(tower.blocks.length))
  const values = rest.map(() => [] as Float64Array[])
  for (const [l, dots] of found.entries()) {
    const { scale } = tower.blocks[l]!
    if (dots.rest !== undefined) {
      const [rows, columns] = dots.rest.shape as [number, number]
      const orders = byLength(await numbersOf(dots.rest), rows, columns, most, scale)
      orders.forEach((value, k) => (rest[k]![l] = value))
    }
    const [count, rows, columns] = (dots.parts?.shape ?? [0, 0, 0]) as [number, number, number]
    const data = dots.parts === undefined ? new Float64Array(0) : await numbersOf(dots.parts)
    const each = Array.from({ length: count }, (_, part) =>
      byLength(data.subarray(part * rows * columns, (part + 1) * rows * columns), rows, columns, most, scale),
    )
    for (const [k, ofOrder] of values.entries()) ofOrder.push(Float64Array.from(each, orders => orders[k]!))
  }
  return { by, values, rest }
}

/** The products of what the first `rows` blocks sent with what blocks `first`.. make of it, `[rows, columns]`; those on and
 *  below the diagonal mean nothing. */
interface PairPanel {
  readonly first: number
  readonly products: Tensor
}

/**
 * For every block j the products of what every block i < j sent along the skips with what block j makes of it. Blocks
 * between two skips of their own share one matrix product.
 *
 * @param own what block l sends, `[1, ...state]`, λ_l included
 * @param through the direction, pulled back through block l's branch, λ_l included
 * @param pass a stack of states through the skip of a block
 */
function pairProducts(
  tower: Tower,
  own: readonly Tensor[],
  through: readonly Tensor[],
  pass: (block: Block, l: number, sent: Tensor) => Tensor,
): PairPanel[] {
  const panels: PairPanel[] = []
  let arrived: Tensor[] = []
  let first = 0
  tower.blocks.forEach((block, l) => {
    if (block.skip === undefined && l + 1 < tower.blocks.length) return
    const before = [...arrived, ...own.slice(first, l)]
    const sent = before.length === 0 ? undefined : concat(before, 0)
    if (sent !== undefined) panels.push({ first, products: products(sent, concat(through.slice(first, l + 1), 0)) })
    const passed = sent === undefined || block.skip === undefined ? sent : pass(block, l, sent)
    if (sent !== undefined && sent !== passed) release(sent)
    for (const t of arrived) release(t)
    arrived = passed === undefined ? [own[l]!] : [passed, own[l]!]
    first = l + 1
  })
  return panels
}

interface Found {
  readonly totals: Tensor
  readonly dots: readonly Tensor[]
  readonly pairs: readonly PairPanel[]
}

async function collected(
  expansion: 'gated' | 'gradient',
  { totals, dots, pairs }: Found,
  tower: Tower,
  most: number,
): Promise<Attribution> {
  const n = tower.blocks.length
  const blocks = Array.from({ length: most + 1 }, () => new Float64Array(n))
  for (const [i, t] of dots.entries()) {
    const [rows, columns] = t.shape as [number, number]
    const found = byLength(await numbersOf(t), rows, columns, most, tower.blocks[i]!.scale)
    found.forEach((value, k) => (blocks[k]![i] = value))
  }
  const matrix = Array.from({ length: n }, () => new Float64Array(n))
  for (const { first, products } of pairs) {
    const [rows, columns] = products.shape as [number, number]
    const found = await numbersOf(products)
    for (let i = 0; i < rows; i++) {
      for (let c = Math.max(0, i + 1 - first); c < columns; c++) matrix[i]![first + c] = found[i * columns + c]!
    }
  }
  return { expansion, totals: await numbersOf(totals), blocks, pairs: matrix }
}

/**
 * Blocks and pairs of the `gradient` expansion of a target: gradient paths of length k through block i, in
 * one direction of the input.
 */
export async function gradientAttribution(
  network: Tower,
  input: Tensor,
  target: Target,
  orders: number | 'all',
  { direction }: AttributionOptions = {},
): Promise<Attribution> {
  const { tower, x } = embedded(network, input)
  const n = tower.blocks.length
  const most = lastOrder('gradientAttribution', orders, n)
  const found = scope(() => {
    const dots = new Array<Tensor>(n)
    const seed = (output: Tensor) => cotangentOf(output, target)
    const whole = vjp((h: Tensor) => run(tower, h), x)
    const u = direction ?? unit(whole.pullback(seed(whole.value)))
    // Tangents of u along the run by path length, before every block.
    const states = statesOf(tower, x)
    const tangents = [tangentsOf(tower.encode, x, reshape(u, [1, ...u.shape]))]
    const own: Tensor[] = []
    tower.blocks.forEach((block, l) => {
      const h = states[l]!
      const before = tangents[l]!
      const { next, sent } = scope(() => {
        const skipped = block.skip === undefined ? before : tangentsOf(block.skip, h, before)
        const branch = tangentsOf(block.branch, h, head(before, Math.max(most, 1)))
        const sent = mul(narrow(branch, 0, 0, 1), block.scale)
        return { next: head(withNext(skipped, branch, block.scale), Math.max(most, 1)), sent }
      })
      tangents.push(next)
      own.push(sent)
    })
    const pulled = new Array<Tensor>(n)
    const paths = gradientPaths(tower, x, seed, Math.max(most, 1), {
      visit: (l, _after, through) => {
        dots[l] = keep(products(tangents[l]!, through))
        pulled[l] = keep(mul(narrow(through, 0, 0, 1), tower.blocks[l]!.scale))
      },
    })
    const pass = (block: Block, l: number, sent: Tensor) => tangentsOf(block.skip!, states[l]!, sent)
    const pairs = scope(() => pairProducts(tower, own, pulled, pass))
    const totals = products(head(paths, most + 1), reshape(u, [1, ...u.shape]))
    return { totals, dots, pairs }
  })
  return collected('gradient', found, tower, most)
}

/** J·t of a map f at h, for stacked tangents `[lead..., ...h]`: the transpose of its transpose. */
export function tangentsOf(f: (h: Tensor) => Tensor, h: Tensor, tangents: Tensor): Tensor {
  const { value, pullback } = vjp(f, h)
  return vjp((c: Tensor) => pullback(c), zerosLike(value)).pullback(tangents)
}

/**
 * Blocks and pairs of the `taylor` expansion to order 2, in one direction of the output: the gradient and half the Hessian of
 * ⟨direction, f⟩ in the scales, at λ = 0. n forward-over-reverse passes.
 */
export async function taylorAttribution(
  tower: Tower,
  x: Tensor,
  { direction }: AttributionOptions = {},
): Promise<Attribution> {
  const n = tower.blocks.length
  const { first, second, zeroth } = scope(() => {
    const v = direction ?? unit(run(tower, x))
    const where = like(v)
    const f = (scales: readonly Tensor[]) => sum(mul(v, runWithScales(tower, x, scales)))
    const zeros = tower.blocks.map(() => tensor(0, where))
    const slopes = grad(f)
    const along = (i: number) => {
      const tangent = tower.blocks.map((_, j) => tensor(i === j ? 1 : 0, where))
      return scope(() => {
        const [, d] = jvp(
          (s: readonly Tensor[]) =>
            concat(
              slopes(s).map((t: Tensor) => reshape(t, [1])),
              0,
            ),
          zeros,
          tangent,
        )
        return d
      })
    }
    return {
      zeroth: f(zeros),
      first:
        n === 0
          ? null
          : concat(
              slopes(zeros).map((t: Tensor) => reshape(t, [1])),
              0,
            ),
      second: tower.blocks.map((_, i) => along(i)),
    }
  })
  const scales = tower.blocks.map(b => b.scale)
  const g = first === null ? new Float64Array(0) : await numbersOf(first)
  const pairs = Array.from({ length: n }, () => new Float64Array(n))
  const blocks = [new Float64Array(n), g.map((value, i) => value * scales[i]!), new Float64Array(n)]
  let order2 = 0
  for (let i = 0; i < n; i++) {
    const row = await numbersOf(second[i]!)
    for (let j = 0; j < n; j++) {
      // ½ Σ_ij H_ij λ_i λ_j: pairs i < j whole, a block with itself half.
      const term = row[j]! * scales[i]! * scales[j]! * (i === j ? 0.5 : 1)
      blocks[2]![i]! += i === j ? 2 * term : term
      if (j >= i) {
        pairs[i]![j] = term
        order2 += term
      }
    }
  }
  const totals = Float64Array.of(
    (await numbersOf(zeroth))[0]!,
    blocks[1]!.reduce((a, b) => a + b, 0),
    order2,
  )
  return { expansion: 'taylor', totals, blocks, pairs }
}

/** The tower's output with λ_l given as tensors of no axes. */
export function runWithScales(tower: Tower, x: Tensor, scales: readonly Tensor[]): Tensor {
  let h = tower.encode(x)
  tower.blocks.forEach((block, l) => {
    const before = h
    h = scope(() => add(block.skip === undefined ? before : block.skip(before), mul(block.branch(before), scales[l]!)))
    release(before)
  })
  return tower.decode(h)
}

/** ∂⟨direction, output⟩/∂λ_l of every block at the run, in one reverse pass: `[blocks]`. */
export async function scaleGradients(tower: Tower, x: Tensor, direction: Tensor): Promise<Float64Array> {
  if (tower.blocks.length === 0) return new Float64Array(0)
  const found = scope(() => {
    const where = like(direction)
    const at = tower.blocks.map((b: Block) => tensor(b.scale, where) as Dense)
    const slopes = grad((s: readonly Tensor[]) => sum(mul(direction, runWithScales(tower, x, s))))(at)
    return concat(
      slopes.map((t: Tensor) => reshape(t, [1])),
      0,
    )
  })
  return numbersOf(found)
}
