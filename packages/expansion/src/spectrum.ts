/**
 * The size of each order: root mean square over the batch of the Euclidean norm, sqrt(Σ x² / batch).
 *
 * Values from the subnormal to the largest finite number neither overflow nor vanish; NaN and ±Inf propagate.
 *
 * @param coefficients `[orders, batch, size]`, row-major.
 * @param orders number of rows, K + 1 for orders 0..K.
 * @returns `[orders]`
 */
export function orderNorms(coefficients: Float64Array, orders: number, batch: number, size: number): Float64Array {
  checkLength('coefficients', coefficients, [orders, batch, size])
  const row = batch * size
  return Float64Array.from({ length: orders }, (_, k) => norm(coefficients.subarray(k * row, (k + 1) * row), batch))
}

/**
 * Each order's share of the energy, norms² / Σ norms².
 *
 * @returns shares that sum to 1; all NaN if every norm is zero or one of them is not finite (there is no share then).
 */
export function shares(norms: ArrayLike<number>): Float64Array {
  const largest = maxAbs(norms)
  const total = sumOfSquares(norms, largest)
  return Float64Array.from(norms, x => (x / largest) ** 2 / total)
}

/**
 * The relative remainder of each truncation: ‖output − Σ_{j≤k} coefficients_j‖ / ‖output‖ for k = 0..K, over the whole batch.
 *
 * The running difference is carried in two doubles, so that orders far larger than the output may cancel in it and the
 * remainder measures the expansion, not the summation.
 *
 * @param coefficients `[orders, ...]`, row-major, each row shaped like `output`.
 * @param orders number of rows, K + 1 for orders 0..K.
 * @returns `[orders]`; for a zero output 0/0 = NaN or Infinity, and NaN from the first order that is not finite on.
 */
export function remainders(coefficients: Float64Array, output: Float64Array, orders: number): Float64Array {
  checkLength('coefficients', coefficients, [orders, output.length])
  const size = output.length
  const left = remainderAfter(output)
  return Float64Array.from({ length: orders }, (_, k) => left(coefficients.subarray(k * size, (k + 1) * size)))
}

/** The same with the orders given one after another: each call takes the next order and gives what the orders so far leave. */
export function remainderAfter(output: Float64Array): (order: ArrayLike<number>) => number {
  const high = output.slice()
  const low = new Float64Array(output.length)
  const rest = new Float64Array(output.length)
  const outputNorm = norm(output)
  return order => {
    for (let i = 0; i < output.length; i++) {
      const a = high[i]!
      const b = -order[i]!
      // Knuth's two-sum: a + b = sum + error exactly.
      const sum = a + b
      const virtual = sum - a
      low[i]! += a - (sum - virtual) + (b - virtual)
      high[i] = sum
      rest[i] = sum + low[i]!
    }
    return norm(rest) / outputNorm
  }
}

/** The truncation order with the smallest remainder, the lowest of equals; null if every remainder is NaN. */
export function bestTruncation(remainder: ArrayLike<number>): number | null {
  let best: number | null = null
  for (let k = 0; k < remainder.length; k++) {
    if (!Number.isNaN(remainder[k]!) && (best === null || remainder[k]! < remainder[best]!)) best = k
  }
  return best
}

/**
 * The Euclidean norm ‖x‖, or with a batch its root mean square over it, sqrt(Σ x² / batch): the squares are taken after
 * scaling by a power of two near the largest magnitude.
 *
 * @returns 0 for an empty array, Infinity if an element is infinite, else NaN if one is NaN.
 */
export function norm(x: ArrayLike<number>, batch = 1): number {
  const largest = maxAbs(x)
  if (largest === 0 || !Number.isFinite(largest)) return largest
  const scale = 2 ** Math.min(Math.floor(Math.log2(largest)), 1023) // the largest doubles round up to log2 = 1024
  return scale * Math.sqrt(sumOfSquares(x, scale) / batch)
}

/** max |x_i|; 0 for an empty array, Infinity if an element is infinite, else NaN if one is NaN. */
function maxAbs(x: ArrayLike<number>): number {
  let largest = 0
  let hasNaN = false
  for (let i = 0; i < x.length; i++) {
    const magnitude = Math.abs(x[i]!)
    if (magnitude > largest) largest = magnitude
    hasNaN ||= Number.isNaN(magnitude)
  }
  return hasNaN && largest !== Infinity ? Number.NaN : largest
}

/** Σ (x_i / scale)² by Kahan's compensated summation: the relative error stays a few ε at any length. */
function sumOfSquares(x: ArrayLike<number>, scale: number): number {
  let sum = 0
  let carry = 0
  for (let i = 0; i < x.length; i++) {
    const term = (x[i]! / scale) ** 2 - carry
    const next = sum + term
    carry = next - sum - term
    sum = next
  }
  return sum
}

function checkLength(name: string, values: Float64Array, shape: readonly number[]): void {
  const expected = shape.reduce((product, extent) => product * extent, 1)
  if (values.length !== expected)
    throw new RangeError(`${name} has ${values.length} values: expected ${shape.join(' × ')} = ${expected}`)
}
