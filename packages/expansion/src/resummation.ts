/**
 * The sum at t = 1 of Σ c_k t^k by Wynn's vector epsilon algorithm (1962) on its partial sums, with Samelson's inverse
 * v⁻¹ = v / ‖v‖². Exact, to rounding, for partial sums that obey a linear recurrence of order m ≤ K/2 with scalar
 * coefficients (McLeod 1971), such as those of a rational function with a scalar denominator, convergent or not.
 *
 * Only the even columns of the table are formed, by the cross rule (Cordellier 1977)
 *
 *     (N − C)⁻¹ + (S − C)⁻¹ = (W − C)⁻¹ + (E − C)⁻¹
 *
 * for an entry C and its neighbours, which stays valid where one of them is infinite. The result is the newest entry of
 * the column that changed least from the column before: rounding spoils the later columns of a series that has been
 * summed already. Orders that do not change the partial sum are skipped (an odd function is summed as a series in t²), and
 * orders from the first non-finite one on are not used.
 *
 * @param coefficients `[orders, size]`, row-major.
 * @param orders number of rows, K + 1 for orders 0..K.
 * @param vectors how many equal parts of a row to sum separately; the examples of a batch, whose singularities differ.
 * @returns `[size]`; always finite if the coefficients are finite and their plain sum does not overflow.
 */
export function vectorEpsilon(coefficients: Float64Array, orders: number, size: number, vectors = 1): Float64Array {
  checkLength(coefficients, orders, size)
  if (size % vectors !== 0) throw new RangeError(`vectors is ${vectors}: expected a divisor of the row size ${size}`)
  const length = size / vectors
  const result = new Float64Array(size)
  for (let v = 0; v < vectors; v++) {
    const rows = Array.from({ length: orders }, (_, k) => {
      const start = k * size + v * length
      return coefficients.subarray(start, start + length)
    })
    result.set(epsilonSum(rows), v * length)
  }
  return result
}

function epsilonSum(rows: readonly Float64Array[]): Float64Array {
  const { sums, converged } = partialSums(rows)
  let best = sums.at(-1)!
  if (converged || sums.length < 3) return best

  let smallest = maxAbs(combine(best, -1, sums.at(-2)!))
  let last = best
  let west: readonly Entry[] = []
  let column: readonly Entry[] = sums
  while (column.length > 2) {
    const next = column.slice(2).map((south, k) => crossRule(column[k]!, column[k + 1]!, south, west[k + 2] ?? null))
    west = column
    column = next
    const newest = column.at(-1)!
    if (newest === null) continue
    const change = maxAbs(combine(newest, -1, last))
    if (change <= smallest) [best, smallest] = [newest, change]
    last = newest
  }
  return best
}

/** An entry of the epsilon table; null is the point at infinity. */
type Entry = Float64Array | null

/** The east neighbour of C. */
function crossRule(north: Entry, centre: Entry, south: Entry, west: Entry): Entry {
  if (centre === null) {
    // (X − C)⁻¹ → −C⁻¹ − C⁻¹ X C⁻¹ + … as C → ∞ leaves N + S = W + E.
    return north && south && west ? finite(combine(combine(north, 1, south), -1, west)) : null
  }
  let sum = new Float64Array(centre.length)
  for (const [neighbour, sign] of [
    [north, 1],
    [south, 1],
    [west, -1],
  ] as const) {
    if (neighbour === null) continue
    const inverse = samelsonInverse(combine(neighbour, -1, centre))
    if (inverse === null) return centre // an infinite term forces (E − C)⁻¹ = ∞ as well
    sum = combine(sum, sign, inverse)
  }
  const step = samelsonInverse(sum)
  return step && finite(combine(centre, 1, step))
}

/** a + factor · b */
function combine(a: Float64Array, factor: number, b: Float64Array): Float64Array<ArrayBuffer> {
  const result = new Float64Array(a.length)
  for (let i = 0; i < a.length; i++) result[i] = a[i]! + factor * b[i]!
  return result
}

/** v / ‖v‖²; null for the infinite inverse of zero. */
function samelsonInverse(v: Float64Array): Entry {
  const largest = maxAbs(v)
  const inverse = new Float64Array(v.length)
  let square = 0
  for (let i = 0; i < v.length; i++) square += (v[i]! / largest) ** 2
  for (let i = 0; i < v.length; i++) inverse[i] = v[i]! / largest / square / largest
  return finite(inverse)
}

function finite(v: Float64Array): Entry {
  for (let i = 0; i < v.length; i++) if (!Number.isFinite(v[i])) return null
  return v
}

function maxAbs(v: ArrayLike<number>): number {
  let largest = 0
  for (let i = 0; i < v.length; i++) largest = Math.max(largest, Math.abs(v[i]!))
  return largest
}

/**
 * The partial sums of the leading finite rows, each different from the one before. They have `converged` if they stop
 * changing for longer than they ever paused: a polynomial, or a series summed to rounding.
 */
function partialSums(rows: readonly Float64Array[]): { sums: Float64Array[]; converged: boolean } {
  const sums: Float64Array[] = [rows[0]!.slice()]
  let pause = 0
  let longest = 0
  for (const row of rows.slice(1)) {
    const previous = sums.at(-1)!
    const sum = combine(previous, 1, row)
    if (finite(sum) === null) break
    if (maxAbs(row) <= Number.EPSILON * maxAbs(previous) || maxAbs(row) === 0) {
      pause++
      sums[sums.length - 1] = sum
      continue
    }
    longest = Math.max(longest, pause)
    pause = 0
    sums.push(sum)
  }
  return { sums, converged: pause > longest }
}

/** Padé approximants at t = 1. */
export interface PadeSum {
  /** `[size]` */
  readonly values: Float64Array
  /** How many components had to use a smaller denominator than asked for. */
  readonly reduced: number
}

/**
 * The sum at t = 1 of Σ c_k t^k by a Padé approximant P/Q of degrees [numerator/denominator] in each component:
 * Q with Q(0) = 1 makes coefficients numerator+1 .. numerator+denominator of Q Σ c_k t^k vanish, and P is the rest.
 *
 * Where that linear system is singular to rounding, or Q vanishes at t = 1 to rounding, the component takes the next
 * approximant on the same antidiagonal, [numerator+1/denominator−1], which uses the same coefficients; [K/0] is the plain
 * sum. Coefficients from the first non-finite one on are not used. A simple pole near t = 1 can make one component
 * large: measure the remainder.
 *
 * @param coefficients `[orders, size]`, row-major; the first numerator + denominator + 1 rows are used.
 */
export function componentwisePade(
  coefficients: Float64Array,
  orders: number,
  size: number,
  numerator: number,
  denominator: number,
): PadeSum {
  checkLength(coefficients, orders, size)
  const count = numerator + denominator + 1
  if (!(numerator >= 0 && denominator >= 0 && count <= orders))
    throw new RangeError(
      `a Padé approximant [${numerator}/${denominator}] needs ${count} coefficients: expected at most ${orders}`,
    )
  const values = new Float64Array(size)
  let reduced = 0
  for (let i = 0; i < size; i++) {
    const c: number[] = []
    for (let k = 0; k < count; k++) c.push(coefficients[k * size + i]!)
    const { value, degree } = padeAtOne(c, denominator)
    values[i] = value
    if (degree < denominator) reduced++
  }
  return { values, reduced }
}

function padeAtOne(c: readonly number[], denominator: number): { value: number; degree: number } {
  const bad = c.findIndex(x => !Number.isFinite(x))
  if (bad === 0) return { value: c[0]!, degree: 0 }
  if (bad > 0) c = c.slice(0, bad)
  const { b, t, scale } = balanced(c)
  for (let degree = Math.min(denominator, Math.floor(c.length / 2)); degree > 0; degree--) {
    const q = padeDenominator(b, degree)
    if (q === null) continue
    const value = scale * evaluate(b, q, t)
    if (Number.isFinite(value)) return { value, degree }
  }
  return { value: c.reduce((sum, x) => sum + x), degree: 0 }
}

/** c_k = scale · t^k · b_k with powers of two `scale` and t such that the first and the last nonzero b_k are of size one. */
function balanced(c: readonly number[]): { b: readonly number[]; t: number; scale: number } {
  const first = c.findIndex(x => x !== 0)
  const last = c.findLastIndex(x => x !== 0)
  if (first < 0) return { b: c, t: 1, scale: 1 }
  const exponent = (k: number) => Math.floor(Math.log2(Math.abs(c[k]!)))
  const slope = last > first ? Math.round((exponent(last) - exponent(first)) / (last - first)) : 0
  const offset = exponent(first) - slope * first
  const b = c.map((x, k) => {
    const power = -(offset + slope * k)
    const half = Math.trunc(power / 2) // 2^power alone may leave the range that x·2^power keeps
    return x * 2 ** half * 2 ** (power - half)
  })
  return { b, t: 2 ** slope, scale: 2 ** offset }
}

/**
 * Q's coefficients q_0 = 1 .. q_degree from Σ_j b_{L+i−j} q_j = 0, i = 1..degree, L + degree = b.length − 1, by Gaussian
 * elimination with partial pivoting; null where a pivot is zero to rounding.
 */
function padeDenominator(b: readonly number[], degree: number): number[] | null {
  const L = b.length - 1 - degree
  const matrix: number[][] = []
  for (let i = 1; i <= degree; i++) {
    const row: number[] = []
    for (let j = 1; j <= degree; j++) row.push(L + i - j < 0 ? 0 : b[L + i - j]!)
    row.push(-b[L + i]!)
    matrix.push(row)
  }
  const tolerance = 8 * degree * Number.EPSILON * Math.max(...matrix.map(maxAbs))
  for (let column = 0; column < degree; column++) {
    let pivot = column
    for (let i = column + 1; i < degree; i++)
      if (Math.abs(matrix[i]![column]!) > Math.abs(matrix[pivot]![column]!)) pivot = i
    const top = matrix[pivot]!
    matrix[pivot] = matrix[column]!
    matrix[column] = top
    if (!(Math.abs(top[column]!) > tolerance)) return null
    for (let i = column + 1; i < degree; i++) {
      const row = matrix[i]!
      const factor = row[column]! / top[column]!
      for (let j = column; j <= degree; j++) row[j]! -= factor * top[j]!
    }
  }
  const q = new Array<number>(degree + 1).fill(1)
  for (let i = degree - 1; i >= 0; i--) {
    let sum = matrix[i]![degree]!
    for (let j = i + 1; j < degree; j++) sum -= matrix[i]![j]! * q[j + 1]!
    q[i + 1] = sum / matrix[i]![i]!
  }
  return q
}

/**
 * P(t) / Q(t), P = Q Σ b_k t^k cut at the numerator's degree; NaN where Q(t) is zero to rounding. Coefficients of P that are
 * zero to rounding are zero: far outside the radius t^k would make their noise the result.
 */
function evaluate(b: readonly number[], q: readonly number[], t: number): number {
  let top = 0
  for (let i = b.length - q.length; i >= 0; i--) {
    const terms: number[] = []
    for (let j = 0; j <= Math.min(i, q.length - 1); j++) terms.push(q[j]! * b[i - j]!)
    top = top * t + (sumUnlessNoise(terms) ?? 0)
  }
  return top / (sumUnlessNoise(q.map((x, j) => x * t ** j)) ?? Number.NaN)
}

/** Σ terms; null if they cancel to rounding. */
function sumUnlessNoise(terms: readonly number[]): number | null {
  let sum = 0
  let size = 0
  for (const term of terms) {
    sum += term
    size += Math.abs(term)
  }
  return Math.abs(sum) > 8 * terms.length * Number.EPSILON * size ? sum : null
}

function checkLength(coefficients: Float64Array, orders: number, size: number): void {
  if (!(orders >= 1) || coefficients.length !== orders * size)
    throw new RangeError(
      `coefficients has ${coefficients.length} values: expected ${orders} × ${size} (orders × size), one order or more`,
    )
}
