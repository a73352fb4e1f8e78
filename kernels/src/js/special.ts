// erf, erfc and the normal distribution function in f64. The coefficients are our own: Chebyshev interpolation at 40 and 64
// nodes in 70-digit decimal arithmetic.

/** erf(x)/x as a polynomial in x², for |x| ≤ 1. */
const SMALL = Float64Array.of(
  1.1283791670955126,
  -0.37612638903183754,
  0.1128379167095512,
  -0.026866170645129854,
  0.005223977625423455,
  -0.0008548327021945428,
  0.00012055332903350668,
  -1.4925647581008593e-5,
  1.6462045711013026e-6,
  -1.6364645854816389e-7,
  1.479243542696247e-8,
  -1.2164764337224506e-9,
  8.709755232851789e-11,
  -4.2320376764874594e-12,
)

/** (1 + 2u)·exp(u²)·erfc(u) as a Chebyshev series in y = (u − 3.5)/(u + 3.5), for u ≥ 0. */
const TAIL = Float64Array.of(
  1.177632731636124,
  -0.001630177283414629,
  -0.08733682573463146,
  0.05800974837029327,
  -0.024340115396182225,
  0.007529483715635749,
  -0.0017438817577112521,
  0.00028269829816555584,
  -2.31849116112635e-5,
  -2.111766698133041e-6,
  8.765760156892822e-7,
  -6.105702635086118e-8,
  -1.7116664716341917e-8,
  3.391360268611259e-9,
  2.54661619366046e-10,
  -1.2482784079516295e-10,
  -2.2122757753433792e-12,
  4.4272603638230294e-12,
  -3.367266128031013e-14,
  -1.6519256000923578e-13,
  1.9024103044538835e-15,
  6.601187937172832e-15,
  2.880282449409004e-17,
  -2.7791709635743296e-16,
  -1.0764465740332641e-17,
  1.1885144203998814e-17,
  1.0933660522821855e-18,
)

/** exp(u²)·erfc(u) for u ≥ 0: Clenshaw's recurrence. */
function scaledErfc(u: number): number {
  if (u === Infinity) return 0
  const y = (u - 3.5) / (u + 3.5)
  const y2 = 2 * y
  let b1 = 0
  let b2 = 0
  for (let i = TAIL.length - 1; i > 0; i--) {
    const b = y2 * b1 - b2 + TAIL[i]!
    b2 = b1
    b1 = b
  }
  return (y * b1 - b2 + TAIL[0]!) / (1 + 2 * u)
}

/** exp(−c·x²), without the error of rounding x²: x = high + low with high² exact. */
export function gaussian(x: number, c: number): number {
  // It is 0 there, and the square of a larger number may be infinite.
  if (Math.abs(x) > 40) return 0
  const high = Math.fround(x)
  return Math.exp(-c * high * high) * Math.exp(-c * (x - high) * (x + high))
}

/** Error function. */
export function erf(x: number): number {
  const a = Math.abs(x)
  if (a > 1) {
    // 1 − erf(6) < 2⁻⁵⁵
    const y = a > 6 ? 1 : 1 - gaussian(a, 1) * scaledErfc(a)
    return x < 0 ? -y : y
  }
  const z = x * x
  let p = 0
  for (let i = SMALL.length - 1; i >= 0; i--) p = p * z + SMALL[i]!
  return x * p
}

/** Φ(x) = ½ erfc(−x/√2), accurate relative to its size in both tails. */
export function normalCdf(x: number): number {
  const a = Math.abs(x)
  // Beyond 39 the tail is below the smallest subnormal.
  const tail = a > 39 ? 0 : 0.5 * gaussian(a, 0.5) * scaledErfc(a * Math.SQRT1_2)
  return x < 0 ? tail : x >= 0 ? 1 - tail : Number.NaN
}

/** 1/(1 + e⁻ˣ) */
export function sigmoid(x: number): number {
  // Both branches keep the exponential from overflowing.
  if (x >= 0) return 1 / (1 + Math.exp(-x))
  const e = Math.exp(x)
  return e / (1 + e)
}

/** tanh′ = 1/cosh², which 1 − tanh² loses where tanh rounds to ±1. */
export function sech2(x: number): number {
  const e = Math.exp(-2 * Math.abs(x))
  return (4 * e) / ((1 + e) * (1 + e))
}
