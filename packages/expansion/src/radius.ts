/** Where a power series stops converging, estimated from the sizes of its coefficients. */
export interface Radius {
  /** Radius of convergence; Infinity for a polynomial (JSON writes Infinity as null). */
  readonly estimate: number
  /** The range left open by the tests; `high` is Infinity while the estimate still grows with the order. */
  readonly low: number
  readonly high: number
  /** 1 / estimate: where t = 1 lies in units of the radius; above 1 the series diverges there. */
  readonly ratio: number
}

/**
 * The radius of convergence in t of Σ c_k t^k from the norms ‖c_k‖.
 *
 * By Darboux's theorem ‖c_k‖ ≈ A k^p R^{-k}, times an oscillation where the nearest singularities are a complex pair.
 * The estimate fits log A + p log k − k log R to the last half of the orders: the ratio test and the root test with their
 * O(1/k) terms removed (Domb and Sykes, 1957). A sequence that oscillates, or vanishes at every other order, is fitted
 * through its envelope, the root mean square of ‖c_k‖ R^k over a few consecutive orders.
 *
 * The range low..high joins the ratio test over the last orders, the fits that end one and two orders earlier, standard
 * errors, and a margin in 1/K² and K^{-3/4} for the terms that the fit leaves out.
 *
 * Not used are order 0 (a constant has no radius), everything from the first non-finite order on, and a tail of rounding
 * noise: orders below 1024 ε of the largest that have stopped decaying. If the orders before such a tail, or before a tail
 * of exact zeros, do not decay towards it themselves, the series is a polynomial.
 *
 * @param norms ‖c_k‖ for k = 0, 1, …; of coefficients that already carry λ^k, so the radius in λ is λ times the result.
 * @param epsilon spacing of the arithmetic that computed the coefficients: 2^-52 for f64, 2^-23 for f32.
 * @returns null if too few usable orders are left: four at least, more if some of them vanish.
 */
export function estimateRadius(norms: ArrayLike<number>, epsilon = Number.EPSILON): Radius | null {
  const all = logarithms(norms)
  const logs = all.length === norms.length ? withoutTail(all, Math.log(1024 * epsilon)) : all
  if (logs === 'polynomial') return { estimate: Infinity, low: Infinity, high: Infinity, ratio: 0 }

  const last = logs.length - 1
  const fit = fitRadius(logs)
  if (fit === null) return null
  const fits = [fit, fitRadius(logs.slice(0, -1)), fitRadius(logs.slice(0, -2))].filter(f => f !== null)
  const tests = [
    ...fits,
    // log (c_{k-1} / c_k) = log R − p/k: the ratio test, which the fit extrapolates to k = ∞, as the fit has it at the last
    // order, and as the coefficients themselves have it over the last quarter of the orders.
    { logRadius: fit.logRadius - fit.power / last, error: fit.error },
    { logRadius: lastRatio(logs) ?? fit.logRadius, error: 0 },
  ]
  const margin = (of: Margin) => of.early * last ** -2 + of.late * last ** -0.75
  const low = extreme(Math.min, tests, -SPREAD.low.errors) - margin(SPREAD.low)
  const high = extreme(Math.max, tests, SPREAD.high.errors) + margin(SPREAD.high)
  return {
    estimate: Math.exp(fit.logRadius),
    low: Math.exp(low),
    high: growsWithOrder(fits, last) ? Infinity : Math.exp(high),
    ratio: Math.exp(-fit.logRadius),
  }
}

/**
 * How many standard errors, and which multiples of 1/K² and of K^{-3/4} in log R, the range adds. Chosen on 450 random towers
 * of 3 to 50 blocks (tanh, sigmoid, softplus, SiLU; no norm, layer norm, RMS norm) so that the radius seen from 320 orders
 * lies below the range, the dangerous side, in at most one of a hundred for every K from 8 on.
 */
const SPREAD = { low: { errors: 2, early: 11, late: 0.55 }, high: { errors: 1, early: 1, late: 0.1 } }
type Margin = (typeof SPREAD)['low']

const extreme = (
  pick: (...values: number[]) => number,
  tests: readonly Pick<Fit, 'logRadius' | 'error'>[],
  errors: number,
) => tests.map(test => test.logRadius + errors * test.error).reduce((a, b) => pick(a, b))

/** log of the geometric mean of c_{k−1}/c_k over the last quarter of the orders, at least two; null next to zeros. */
function lastRatio(logs: readonly number[]): number | null {
  const last = logs.length - 1
  const orders = Math.max(2, Math.round(last / 4))
  const mean = (logs[last - orders]! - logs[last]!) / orders
  return Number.isFinite(mean) ? mean : null
}

const SMALLEST_NORMAL = 2 ** -1022

/** log ‖c_k‖ up to the first order that is not finite; −Infinity for zero and for what is too small to be accurate. */
function logarithms(norms: ArrayLike<number>): number[] {
  const logs: number[] = []
  for (let k = 0; k < norms.length && Number.isFinite(norms[k]); k++) {
    const norm = Math.abs(norms[k]!)
    logs.push(norm < SMALLEST_NORMAL ? -Infinity : Math.log(norm))
  }
  return logs
}

/** The orders before a tail of zeros or of noise; unchanged if there is no such tail. `noise` is log (floor / largest). */
function withoutTail(logs: readonly number[], noise: number): readonly number[] | 'polynomial' {
  const nonzero = logs.findLastIndex(log => log > -Infinity) + 1
  if (logs.length - nonzero > Math.max(1, longestGap(logs.slice(0, nonzero))))
    return fallsTo(Math.log(SMALLEST_NORMAL), logs.slice(0, nonzero)) ? logs.slice(0, nonzero) : 'polynomial'

  const peak = largest(logs)
  const floor = peak + noise
  const end = logs.findLastIndex(log => log > floor) + 1
  const tail = logs.length - end
  if (tail <= longestGap(logs.slice(0, end))) return logs
  const trend = noise / (end - logs.indexOf(peak)) // nats per order from the largest coefficient down to the floor
  if (tail < 3) return end > 4 ? logs.slice(0, end) : logs // one or two orders show no trend
  if (decays(logs, end + 1, trend / 2)) return logs
  return fallsTo(floor, logs.slice(0, end)) ? logs.slice(0, end) : 'polynomial'
}

/** The longest run of zeros between two nonzero coefficients. */
function longestGap(logs: readonly number[]): number {
  let longest = 0
  let gap = 0
  for (const log of logs) {
    gap = log === -Infinity ? gap + 1 : 0
    longest = Math.max(longest, gap)
  }
  return longest
}

/** Whether the coefficients, at the pace of their last step or of their whole descent, pass `floor` four orders on. */
function fallsTo(floor: number, logs: readonly number[]): boolean {
  const last = logs.length - 1
  if (last < 1) return false
  const peak = logs.indexOf(largest(logs))
  const descent = last > peak ? (logs[last]! - logs[peak]!) / (last - peak) : 0
  return logs[last]! + 4 * Math.min(descent, logs[last]! - logs[last - 1]!) < floor
}

/** Whether the mean slope of log ‖c_k‖ is at most `slope` from `start` on and from every later order but the last four. */
function decays(logs: readonly number[], start: number, slope: number): boolean {
  // The larger of two neighbours stands for both: every other order may vanish.
  const envelope = (k: number) => Math.max(logs[k]!, logs[k - 1]!)
  const last = logs.length - 1
  for (let k = start; k <= Math.max(start, last - 4); k++)
    if (envelope(last) - envelope(k) > slope * (last - k)) return false
  return true
}

interface Fit {
  readonly logRadius: number
  /** The power p of k. */
  readonly power: number
  /** Standard error of logRadius. */
  readonly error: number
}

/**
 * Whether the fits of the last orders (latest first) look like an entire function's: a power of k beyond that of any common
 * singularity, for A k^p R^{-k} imitates 1/k! with p and R that grow with k; or a radius that grows like K^{1/3} or faster
 * and by more than its standard error (R ∝ K^{1/ρ} for an entire function of order ρ).
 */
function growsWithOrder(fits: readonly Fit[], last: number): boolean {
  const [latest, , earlier] = fits
  if (latest && latest.power > 6) return true
  if (!latest || !earlier) return false
  const growth = latest.logRadius - earlier.logRadius
  return growth > Math.max(Math.log(last / (last - 2)) / 3, latest.error, earlier.error)
}

/** The fit to the last half of the orders, at least five; wider pools only as far as they calm an oscillation. */
function fitRadius(logs: readonly number[]): Fit | null {
  const last = logs.length - 1
  const first = Math.max(1, Math.min(last - 4, Math.ceil(last / 2)))
  let best: Fit | null = null
  for (let pool = 1; pool <= 4; pool++) {
    if (best && best.error < 1 / last ** 2) break
    const fit = fitEnvelope(logs, Math.max(first, pool), last, pool)
    if (fit && (!best || fit.error < best.error / 2)) best = fit
  }
  return best
}

/** The fit through the root mean squares of ‖c_j‖ R^j over j = k − pool + 1 .. k, for k = first..last. */
function fitEnvelope(logs: readonly number[], first: number, last: number, pool: number): Fit | null {
  if (last - first < 3) return null
  const anchor = logs.findLastIndex(log => log > -Infinity)
  let fit: Fit = { logRadius: -logs[anchor]! / anchor, power: 0, error: Infinity }
  // R and p enter the envelope and the abscissa; four corrections settle them far below the error of the fit.
  for (let sweep = 0; sweep < 4; sweep++) {
    const { logRadius } = fit
    const order: number[] = []
    const size: number[] = []
    for (let k = first; k <= last; k++) {
      const scaled = logs.slice(k - pool + 1, k + 1).map((log, i) => log + (k - pool + 1 + i) * logRadius)
      const peak = largest(scaled)
      if (peak === -Infinity) return null
      const energies = scaled.map(log => Math.exp(2 * (log - peak)))
      const energy = energies.reduce((sum, e) => sum + e)
      // The energy's centre of mass keeps the fit exact where all but one of the pooled orders vanish.
      order.push(k - pool + 1 + energies.reduce((sum, e, i) => sum + i * e, 0) / energy)
      size.push(peak + Math.log(energy) / 2)
    }
    // A pure singularity (1 − z/R)^{-p-1} has c_k R^k ∝ Γ(k+p+1) / Γ(k+1) = (k + (p+1)/2)^p (1 + O(1/k²)).
    const shift = (Math.min(Math.max(fit.power, -2), 4) + 1) / 2
    const correction = fitPowerLaw(
      order,
      order.map(k => Math.log(k + shift)),
      size,
      pool,
    )
    if (correction === null) return null
    fit = { ...correction, logRadius: logRadius + correction.logRadius }
  }
  return fit
}

/**
 * Least squares for size ≈ a + p logK − k log R, with logK ≈ log k. With scatter in the data p and R can hardly be told apart, so p has the
 * prior N(0, 2²), which holds the exponents of all common singularities, and which weighs nothing without scatter.
 */
function fitPowerLaw(k: readonly number[], logK: readonly number[], size: readonly number[], pool: number): Fit | null {
  const x = centred(k)
  const u = centred(logK)
  const y = centred(size)
  const [xx, xu, uu, xy, uy] = [dot(x, x), dot(x, u), dot(u, u), dot(x, y), dot(u, y)]
  // The remaining 1 − correlation² of k and log k: 0 up to rounding unless there are three different k.
  if (!(xx * uu - xu * xu > 1e-9 * xx * uu)) return null
  const solve = (ridge: number) => {
    const determinant = xx * (uu + ridge) - xu * xu
    const slope = ((uu + ridge) * xy - xu * uy) / determinant
    const power = (xx * uy - xu * xy) / determinant
    return { slope, power, slopeVariance: (uu + ridge) / determinant }
  }
  const free = solve(0)
  const residual = y.map((value, i) => value - free.slope * x[i]! - free.power * u[i]!)
  // Overlapping pools share their data: only one residual in `pool` is independent.
  const variance = dot(residual, residual) / Math.max(1, (k.length - 3) / pool)
  const { slope, power, slopeVariance } = solve(variance / 4)
  return { logRadius: -slope, power, error: Math.sqrt(variance * slopeVariance) }
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value) / values.length
  return values.map(value => value - mean)
}

const largest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), -Infinity)

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
