import type { Floats, Net } from './works.js'

/** out = A·B by three loops, dot products innermost: the yardstick, and the naive loop of goal 5. */
export function naiveMatmul(m: number, k: number, n: number, a: Floats, b: Floats, out: Floats): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * k + p]! * b[p * n + j]!
      out[i * n + j] = sum
    }
  }
}

/** out += A·B in f64, rows innermost: the fastest plain loop that needs no tiles. `out` is [m,n]. */
export function addProduct(
  m: number,
  k: number,
  n: number,
  a: Floats,
  aFrom: number,
  b: Floats,
  out: Float64Array,
  from = 0,
): void {
  for (let i = 0; i < m; i++) {
    const row = from + i * n
    for (let p = 0; p < k; p++) {
      const x = a[aFrom + i * k + p]!
      const at = p * n
      for (let j = 0; j < n; j++) out[row + j]! += x * b[at + j]!
    }
  }
}

/** The values of h before every block, and after the last one, f64. */
export function towerStates({ depth, width, batch, scale, x, first, second }: Net): Float64Array[] {
  const states = [Float64Array.from(x)]
  for (let l = 0; l < depth; l++) {
    const h = states[l]!
    const u = new Float64Array(batch * width)
    addProduct(batch, width, width, h, 0, first[l]!, u)
    for (let i = 0; i < u.length; i++) u[i] = scale * Math.tanh(u[i]!)
    const next = h.slice()
    addProduct(batch, width, width, u, 0, second[l]!, next)
    states.push(next)
  }
  return states
}

export const towerOutput = (net: Net): Float64Array => towerStates(net).at(-1)!

/** out[i,j] += rate · Σ_r a[r,i]·c[r,j] for a, c of [rows,width] */
function addOuter(
  rows: number,
  width: number,
  a: Float64Array,
  c: Float64Array,
  rate: number,
  out: Float64Array,
): void {
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < width; i++) {
      const x = rate * a[r * width + i]!
      for (let j = 0; j < width; j++) out[i * width + j]! += x * c[r * width + j]!
    }
  }
}

/** c·Wᵀ for c [rows,width], W [width,width] */
function timesTransposed(rows: number, width: number, c: Float64Array, w: Floats): Float64Array {
  const out = new Float64Array(rows * width)
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < width; i++) {
      let sum = 0
      for (let j = 0; j < width; j++) sum += c[r * width + j]! * w[i * width + j]!
      out[r * width + i] = sum
    }
  }
  return out
}

/** Loss, and the first W and last V after one step of gradient descent on mean((tower(x) − target)²); f64. */
export function trainingStep(net: Net, target: Floats, rate: number): Float64Array {
  const { depth, width, batch, scale, first, second } = net
  const states = towerStates(net)
  const y = states[depth]!
  let loss = 0
  let c = y.map((v, i) => {
    loss += (v - target[i]!) ** 2 / y.length
    return (2 * (v - target[i]!)) / y.length
  })
  const newFirst = Float64Array.from(first[0]!)
  const newLast = Float64Array.from(second[depth - 1]!)
  for (let l = depth - 1; l >= 0; l--) {
    const u = new Float64Array(batch * width)
    addProduct(batch, width, width, states[l]!, 0, first[l]!, u)
    const t = u.map(Math.tanh)
    if (l === depth - 1) addOuter(batch, width, t, c, -rate * scale, newLast)
    const back = timesTransposed(batch, width, c, second[l]!)
    for (let i = 0; i < back.length; i++) back[i]! *= scale * (1 - t[i]! ** 2)
    if (l === 0) addOuter(batch, width, states[0]!, back, -rate, newFirst)
    const through = timesTransposed(batch, width, back, first[l]!)
    c = c.map((v, i) => v + through[i]!)
  }
  return Float64Array.from([loss, ...newFirst, ...newLast])
}

/**
 * Coefficients 0..orders in λ of h ← h + λ·scale·tanh(h·W)·V on typed arrays, [orders+1,batch,width], f64: the recurrence
 * k·t_k = Σ_{j=1..k} j·u_j·(1 − t²)_{k−j} with plain loops, products over all orders at once. Code that one writes without a
 * library; also the reference for results.
 */
export function taylorArrays({ depth, width, batch, scale, x, first, second }: Net, orders: number): Float64Array {
  const plane = batch * width
  const h = new Float64Array((orders + 1) * plane)
  h.set(x)
  const u = new Float64Array(orders * plane)
  const t = new Float64Array(orders * plane)
  const s = new Float64Array(orders * plane)
  let stored = 1
  for (let l = 0; l < depth; l++) {
    const used = l === 0 ? 1 : orders
    u.fill(0)
    addProduct(Math.min(stored, used) * batch, width, width, h, 0, first[l]!, u)
    for (let i = 0; i < plane; i++) {
      t[i] = Math.tanh(u[i]!)
      s[i] = 1 - t[i]! ** 2
    }
    for (let k = 1; k < used; k++) {
      const at = k * plane
      for (let i = 0; i < plane; i++) {
        let sum = 0
        for (let j = 1; j <= k; j++) sum += j * u[j * plane + i]! * s[(k - j) * plane + i]!
        t[at + i] = sum / k
      }
      for (let i = 0; i < plane; i++) {
        let sum = 0
        for (let j = 0; j <= k; j++) sum += t[j * plane + i]! * t[(k - j) * plane + i]!
        s[at + i] = -sum
      }
    }
    for (let i = 0; i < used * plane; i++) t[i]! *= scale
    addProduct(used * batch, width, width, t, 0, second[l]!, h, plane)
    stored = Math.max(stored, used + 1)
  }
  return h
}
