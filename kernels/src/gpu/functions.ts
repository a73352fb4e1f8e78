// Functions that the kernels call, in the part of JavaScript that gpu.js translates to GLSL and WGSL, in f32. Functions
// that the shading languages only approximate (whole quotients, exp(x) − 1 near 0, powers of negative numbers) are spelt out.

/** exp(u²)(1 + 2u) erfc(u) as a Chebyshev series in (u − 3.5)/(u + 3.5): the f64 coefficients of js/special.ts, cut at f32. */
const TAIL = [
  1.177632731636124, -0.001630177283414629, -0.08733682573463146, 0.05800974837029327, -0.024340115396182225,
  0.007529483715635749, -0.0017438817577112521, 0.00028269829816555584, -2.31849116112635e-5, -2.111766698133041e-6,
  8.765760156892822e-7, -6.105702635086118e-8, -1.7116664716341917e-8,
]
/** erf(x)/x in x², for |x| ≤ 1. */
const NEAR = [
  1.1283791670955126, -0.37612638903183754, 0.1128379167095512, -0.026866170645129854, 0.005223977625423455,
  -0.0008548327021945428, 0.00012055332903350668, -1.4925647581008593e-5, 1.6462045711013026e-6,
]

const literal = (c: number) => (c < 0 ? `(0.0 - ${fixed(-c)})` : fixed(c))
const fixed = (c: number) => (Number.isInteger(c) ? `${c}.0` : c.toFixed(16))
const horner = (coefficients: readonly number[], x: string) =>
  [...coefficients].reverse().reduce((sum, c) => (sum === '' ? literal(c) : `(${sum} * ${x} + ${literal(c)})`), '')

/** Clenshaw's recurrence, one statement a coefficient. */
function clenshaw(): string {
  const lines: string[] = []
  const last = TAIL.length - 1
  let [b1, b2] = ['0.0', '0.0']
  for (let i = last; i > 0; i--) {
    lines.push(`const b${i} = 2.0 * y * ${b1} - ${b2} + ${literal(TAIL[i]!)};`)
    ;[b1, b2] = [`b${i}`, b1]
  }
  return `${lines.join('\n')}\nreturn (y * ${b1} - ${b2} + ${literal(TAIL[0]!)}) / (1.0 + 2.0 * u);`
}

export interface DeviceFunction {
  readonly source: string
  readonly arguments: readonly string[]
}

const define = (name: string, names: string, body: string): DeviceFunction => ({
  source: `function ${name}(${names}) {\n${body}\n}`,
  arguments: names.split(', '),
})

/** In the order of their calls: callees come first. */
export const functions: readonly DeviceFunction[] = [
  // 1 for NaN. WGSL's `x != x` is false of NaN; comparisons by order are too, as they should be.
  define(
    'isNan',
    'x',
    `if (x >= 0.0) { return 0.0; }
if (x < 0.0) { return 0.0; }
return 1.0;`,
  ),
  // exp and log of NaN are whatever the driver likes.
  define(
    'expOf',
    'x',
    `if (isNan(x) > 0.5) { return x; }
return Math.exp(x);`,
  ),
  // The logarithm of a negative number is undefined in GLSL and WGSL; its square root is NaN. That of 0 may be finite.
  define(
    'logOf',
    'x',
    `if (isNan(x) > 0.5) { return x; }
if (x < 0.0) { return Math.sqrt(x); }
if (x === 0.0) { return -1.0 / Math.abs(x); }
return Math.log(x);`,
  ),
  // ⌊i/n⌋ of whole numbers below 2²⁴: a quotient that was rounded up or down is put right by its exact remainder.
  define(
    'quotient',
    'i, n',
    `let q = Math.floor(i / n);
const r = i - q * n;
if (r >= n) { q = q + 1.0; }
if (r < 0.0) { q = q - 1.0; }
return q;`,
  ),
  // sin(x + turns·π/2): what is left of x after whole quarter turns, with π/2 in three parts, by Taylor's series. Drivers may be
  // off by 10⁻⁴ in their own sine.
  define(
    'sine',
    'x, turns',
    `const q = Math.floor(x * 0.6366197723675814 + 0.5);
const t = ((x - q * 1.5703125) - q * 0.00048375129699707031) - q * 0.000000075497899548918822;
const z = t * t;
const m = q + turns - 4.0 * Math.floor((q + turns) * 0.25);
let y = t * ${horner(
      [1, -6, 120, -5040, 362880].map(n => 1 / n),
      'z',
    )};
if (m === 1.0 || m === 3.0) { y = ${horner(
      [1, -2, 24, -720, 40320, -3628800].map(n => 1 / n),
      'z',
    )}; }
if (m > 1.5) { y = 0.0 - y; }
return y;`,
  ),
  // atan a = π/4 + atan((a − 1)/(a + 1)), of 1/a where a > 1; then |t| ≤ tan(π/8), by Taylor's series.
  define(
    'arctangent',
    'x',
    `if (isNan(x) > 0.5) { return x; }
const a = Math.abs(x);
let u = a;
if (a > 1.0) { u = 1.0 / a; }
let t = u;
if (u > 0.4142135623730951) { t = (u - 1.0) / (u + 1.0); }
const z = t * t;
let y = t * ${horner(
      [1, -3, 5, -7, 9, -11, 13, -15, 17].map(n => 1 / n),
      'z',
    )};
if (u > 0.4142135623730951) { y = 0.7853981633974483 + y; }
if (a > 1.0) { y = 1.5707963267948966 - y; }
if (x < 0.0) { y = 0.0 - y; }
return y;`,
  ),
  define(
    'expMinusOne',
    'x',
    `if (Math.abs(x) < 0.35) {
  return x * ${horner(
    [1, 2, 6, 24, 120, 720, 5040, 40320].map(n => 1 / n),
    'x',
  )};
}
return expOf(x) - 1.0;`,
  ),
  // log(1 + x) = 2 artanh(x/(2 + x))
  define(
    'logOnePlus',
    'x',
    `if (Math.abs(x) < 0.35) {
  const s = x / (2.0 + x);
  const z = s * s;
  return 2.0 * s * ${horner(
    [1, 3, 5, 7, 9, 11].map(n => 1 / n),
    'z',
  )};
}
return logOf(1.0 + x);`,
  ),
  define(
    'tangent',
    'x',
    `const a = Math.abs(x);
let e = 1.0;
if (a <= 10.0 || isNan(a) > 0.5) { e = expMinusOne(2.0 * a); }
let t = e / (e + 2.0);
if (a > 10.0) { t = 1.0; }
if (x < 0.0) { t = 0.0 - t; }
return t;`,
  ),
  define(
    'logistic',
    'x',
    `const e = Math.exp(0.0 - Math.abs(x));
let y = e / (1.0 + e);
if (x >= 0.0) { y = 1.0 / (1.0 + e); }
return y;`,
  ),
  define(
    'softplusOf',
    'x',
    `let v = x;
if (x <= 0.0) { v = 0.0; }
return v + logOnePlus(Math.exp(0.0 - Math.abs(x)));`,
  ),
  // exp(−c·x²) with x = h + (x − h) and h² exact.
  define(
    'gaussian',
    'x, c',
    `const h = Math.floor(x * 16.0) / 16.0;
return Math.exp(0.0 - c * h * h) * Math.exp(0.0 - c * (x - h) * (x + h));`,
  ),
  define('scaledErfc', 'u', `const y = (u - 3.5) / (u + 3.5);\n${clenshaw()}`),
  define(
    'erfOf',
    'x',
    `const a = Math.abs(x);
if (a <= 1.0) {
  const z = x * x;
  return x * ${horner(NEAR, 'z')};
}
let y = 1.0 - gaussian(a, 1.0) * scaledErfc(a);
if (a > 5.0) { y = 1.0; }
if (x < 0.0) { y = 0.0 - y; }
return y;`,
  ),
  define(
    'normalCdfOf',
    'x',
    `const a = Math.abs(x);
let tail = 0.5 * gaussian(a, 0.5) * scaledErfc(a * 0.7071067811865476);
if (a > 14.5) { tail = 0.0; }
if (x > 0.0) { tail = 1.0 - tail; }
return tail;`,
  ),
  // xʳ as Math.pow; nan is what a negative number to a broken power gives.
  define(
    'powerOf',
    'x, r, nan',
    `if (r === 0.0) { return 1.0; }
if (r === 1.0) { return x; }
if (r === 2.0) { return x * x; }
if (isNan(x) > 0.5 || isNan(r) > 0.5) { return nan; }
if (x === 0.0) {
  if (r < 0.0) { return 1.0 / Math.abs(x); }
  return 0.0;
}
const y = Math.pow(Math.abs(x), r);
if (x > 0.0) { return y; }
if (Math.floor(r) !== r) { return nan; }
if (Math.floor(r * 0.5) * 2.0 !== r) { return 0.0 - y; }
return y;`,
  ),
]
