import { random } from './random.js'
import type { Values } from './types.js'
import type { Floats, Matmul, Precision } from './works.js'

/** Unit roundoff. */
export const epsilon = (dtype: Precision): number => (dtype === 'f64' ? 2 ** -53 : 2 ** -24)

/** Largest error against `expected`, over the largest expected magnitude, in units of `bound`; NaN where lengths differ. */
export function against(expected: () => Values, bound: number): (values: Values) => number {
  let wanted: Values | undefined
  return values => {
    wanted ??= expected()
    if (values.length !== wanted.length) return Number.NaN
    let [error, size] = [0, 0]
    for (let i = 0; i < wanted.length; i++) {
      const e = Math.abs(values[i]! - wanted[i]!)
      if (!(e <= error)) error = e
      size = Math.max(size, Math.abs(wanted[i]!))
    }
    return error / (size * bound)
  }
}

/** `against` on some of the rows only, which stand at `rows` of a batch: [lead,batch,width] with any `lead`. */
export function againstRows(
  expected: () => Values,
  bound: number,
  rows: readonly number[],
  batch: number,
  width: number,
): (values: Values) => number {
  const check = against(expected, bound)
  return values => {
    const lead = values.length / (batch * width)
    const picked = new Float64Array(lead * rows.length * width)
    for (let k = 0; k < lead; k++) {
      rows.forEach((r, i) => {
        for (let j = 0; j < width; j++) {
          picked[(k * rows.length + i) * width + j] = values[(k * batch + r) * width + j]!
        }
      })
    }
    return check(picked)
  }
}

/** Every element of a product at once, as Freivalds does: C·r against A·(B·r) for a random r, row by row, within
 *  k·ε of the sum of magnitudes. */
export function productCheck({ dtype, m, k, n, transA, transB, a, b }: Matmul): (values: Values) => number {
  return values => {
    if (values.length !== m * n) return Number.NaN
    const next = random(7)
    const r = Float64Array.from({ length: n }, () => 2 * next() - 1)
    const right = new Float64Array(k)
    const rightSize = new Float64Array(k)
    for (let p = 0; p < k; p++) {
      for (let j = 0; j < n; j++) {
        const v = b[transB ? j * k + p : p * n + j]! * r[j]!
        right[p]! += v
        rightSize[p]! += Math.abs(v)
      }
    }
    let worst = 0
    for (let i = 0; i < m; i++) {
      let [wanted, size, got] = [0, 0, 0]
      for (let p = 0; p < k; p++) {
        const v = a[transA ? p * m + i : i * k + p]!
        wanted += v * right[p]!
        size += Math.abs(v) * rightSize[p]!
      }
      for (let j = 0; j < n; j++) got += values[i * n + j]! * r[j]!
      const error = Math.abs(got - wanted) / (size * k * epsilon(dtype))
      if (!(error <= worst)) worst = error
    }
    return worst
  }
}

/** Elementwise, in units of `bound` relative to each expected value, or absolute where that is below `floor`. */
export function elementwise(
  x: Floats,
  f: (x: number) => number,
  bound: number,
  floor = 1e-30,
): (values: Values) => number {
  return values => {
    if (values.length !== x.length) return Number.NaN
    let worst = 0
    for (let i = 0; i < x.length; i++) {
      const wanted = f(x[i]!)
      const error = Math.abs(values[i]! - wanted) / Math.max(Math.abs(wanted), floor) / bound
      if (!(error <= worst)) worst = error
    }
    return worst
  }
}

/** Largest error in units in the last place of f32, against values computed in f64. */
export function ulps32(x: Float32Array, values: Values, f: (x: number) => number): number {
  const bits = new Int32Array(1)
  const float = new Float32Array(bits.buffer)
  let worst = 0
  for (let i = 0; i < x.length; i++) {
    const wanted = f(x[i]!)
    float[0] = Math.abs(wanted)
    if (!Number.isFinite(float[0]!)) continue
    bits[0]! += 1
    const above = float[0]!
    bits[0]! -= 1
    const error = Math.abs(values[i]! - wanted) / (above - float[0]!)
    if (!(error <= worst)) worst = error
  }
  return worst
}
