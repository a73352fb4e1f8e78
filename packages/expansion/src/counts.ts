import type { Marks } from '@unravel/tensor'

/**
 * The number C(n, k) of chains F_{i_k}' … F_{i_2}' F_{i_1} of `order` k = 0..orders through `blocks` = n residual
 * blocks: all the terms of an order when every branch is affine, the first of them otherwise.
 *
 * @returns `orders + 1` exact integers; zero for k > n.
 * @throws RangeError if either argument is not a non-negative integer.
 */
export function chainCounts(blocks: number, orders: number): bigint[] {
  checkSizes(blocks, orders)
  const counts = [1n]
  // C(n, k) = C(n, k-1) (n-k+1) / k: the product is divisible by k, and vanishes for good at k = n + 1.
  for (let k = 1; k <= orders; k++) counts.push((counts[k - 1]! * BigInt(blocks - k + 1)) / BigInt(k))
  return counts
}

/**
 * The number of distinct terms of order k = 0..orders in the power series of a tower of `blocks` = n residual blocks:
 * rooted trees with k vertices labelled by blocks, labels strictly decreasing away from the root, siblings unordered and
 * free to repeat a label. Order 0 has one term, the path through no block.
 *
 * Trees whose root is block l have the generating function
 *
 *     A_l(z) = z Π_{j<l} Π_m (1 - z^m)^{-A_j[m]}  =  z · Euler(S_{l-1}),   S_l = A_1 + … + A_l,
 *
 * because below the root hangs a multiset of trees rooted in earlier blocks. Only the running sum S enters, and its
 * Euler transform E follows from the logarithmic derivative of the product:
 *
 *     k E_k = Σ_{j=1}^{k} c_j E_{k-j},   c_j = Σ_{d|j} d S[d],   E_0 = 1.
 *
 * The update costs O(K²) per block, and is needed for the first K blocks only: a tree with k vertices carries j ≤ k distinct
 * labels, and only their order matters, so S_n[k] = Σ_{j≤k} C(n, j) B_j[k] with B_j[k], the trees on exactly j labels, free
 * of n. This is Newton's forward-difference formula, B_j = Δ^j S at 0. In all O(K³), whatever n.
 *
 * @returns `orders + 1` exact integers.
 * @throws RangeError if either argument is not a non-negative integer.
 */
export function treeCounts(blocks: number, orders: number): bigint[] {
  checkSizes(blocks, orders)
  const sums = [new Array<bigint>(orders + 1).fill(0n)]
  for (let l = 1; l <= Math.min(blocks, orders); l++) {
    const previous = sums[l - 1]!
    const below = eulerTransform(previous)
    sums.push(previous.map((sum, m) => (m === 0 ? 0n : sum + below[m - 1]!)))
  }
  const counts = blocks < sums.length ? sums[blocks]! : newtonForward(sums, blocks)
  counts[0] = 1n
  return counts
}

/**
 * `chainCounts` of any network that marks its residual branches: paths by the number of marks on them, every mark following one
 * that it can come next to. P_m = z Σ P_j over the j before mark m, P of the input being 1; the counts are Σ P_m over the last.
 *
 * @returns `orders + 1` exact integers.
 * @throws RangeError if `orders` is not a non-negative integer.
 */
export function markedChainCounts({ before, last }: Pick<Marks, 'before' | 'last'>, orders: number): bigint[] {
  if (inRow({ before, last })) return chainCounts(before.length, orders)
  checkSizes(before.length, orders)
  const input = [1n, ...new Array<bigint>(orders).fill(0n)]
  const paths: bigint[][] = []
  const sum = (from: readonly number[]) =>
    sumOf(
      from.map(m => (m < 0 ? input : paths[m]!)),
      orders,
    )
  for (const from of before) paths.push([0n, ...sum(from).slice(0, orders)])
  return sum(last)
}

/**
 * `treeCounts` of any network that marks its residual branches: below a mark hangs a multiset of trees of the marks before it,
 * A_m(z) = z Euler(Σ A_j); the counts are Σ A_m over the last. Terms whose derivative vanishes, as those of a branch that is
 * affine between its marks, are counted too.
 *
 * @returns `orders + 1` exact integers.
 * @throws RangeError if `orders` is not a non-negative integer.
 */
export function markedTreeCounts({ before, last }: Pick<Marks, 'before' | 'last'>, orders: number): bigint[] {
  if (inRow({ before, last })) return treeCounts(before.length, orders)
  checkSizes(before.length, orders)
  const trees: bigint[][] = []
  const sum = (from: readonly number[]) => sumOf(from.filter(m => m >= 0).map(m => trees[m]!), orders) // biome-ignore format: short
  for (const from of before) trees.push([0n, ...eulerTransform(sum(from)).slice(0, orders)])
  const counts = sum(last)
  if (last.includes(-1)) counts[0] = 1n
  return counts
}

/** Whether every mark can follow each one before it, as those of blocks in a row. */
const inRow = ({ before, last }: Pick<Marks, 'before' | 'last'>): boolean =>
  [...before, last].every((from, m) => from.length === m + 1)

function sumOf(rows: readonly (readonly bigint[])[], orders: number): bigint[] {
  const sum = new Array<bigint>(orders + 1).fill(0n)
  for (const row of rows) for (let k = 0; k <= orders; k++) sum[k]! += row[k]!
  return sum
}

/** Coefficients of Π_m (1 - z^m)^{-a[m]}, to the length of `a`; a[0] is ignored. */
function eulerTransform(a: readonly bigint[]): bigint[] {
  const c = new Array<bigint>(a.length).fill(0n)
  for (let d = 1; d < a.length; d++) for (let j = d; j < a.length; j += d) c[j]! += BigInt(d) * a[d]!
  const e = [1n]
  for (let k = 1; k < a.length; k++) {
    let sum = 0n
    for (let j = 1; j <= k; j++) sum += c[j]! * e[k - j]!
    e.push(sum / BigInt(k))
  }
  return e
}

/** Σ_j C(n, j) Δ^j rows[0]: the polynomial sequences through rows[0], rows[1], … taken at n. Overwrites the rows. */
function newtonForward(rows: bigint[][], n: number): bigint[] {
  const choose = chainCounts(n, rows.length - 1)
  const result = new Array<bigint>(rows[0]!.length).fill(0n)
  for (let j = 0; j < rows.length; j++) {
    for (let k = 0; k < result.length; k++) result[k]! += choose[j]! * rows[j]![k]!
    // Δ^{j+1} into the rows after j, last first, so that each still sees its neighbour's Δ^j.
    for (let i = rows.length - 1; i > j; i--) for (let k = 0; k < result.length; k++) rows[i]![k]! -= rows[i - 1]![k]!
  }
  return result
}

function checkSizes(blocks: number, orders: number): void {
  for (const [name, value] of Object.entries({ blocks, orders })) {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${name} is ${value}: expected a non-negative integer`)
  }
}
