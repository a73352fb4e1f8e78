import type { Pool2dGeometry, TypedArray } from '../contract.js'

/** Calls `visit` for every window with the rows and columns of its plane that it covers, padding left out. */
function eachWindow(
  g: Pool2dGeometry,
  visit: (window: number, plane: number, top: number, bottom: number, left: number, right: number) => void,
): void {
  let window = 0
  for (let p = 0; p < g.planes; p++) {
    const plane = p * g.height * g.width
    for (let u = 0; u < g.outH; u++) {
      const y = u * g.strideH - g.padH
      const top = Math.max(0, y)
      const bottom = Math.min(g.height, y + g.kernelH)
      for (let v = 0; v < g.outW; v++, window++) {
        const x = v * g.strideW - g.padW
        visit(window, plane, top, bottom, Math.max(0, x), Math.min(g.width, x + g.kernelW))
      }
    }
  }
}

export function maxPool2dIndices(g: Pool2dGeometry, x: TypedArray, out: TypedArray): void {
  eachWindow(g, (window, plane, top, bottom, left, right) => {
    let at = plane + top * g.width + left
    let best = x[at]!
    for (let y = top; y < bottom; y++) {
      for (let i = plane + y * g.width + left; i < plane + y * g.width + right; i++) {
        const v = x[i]!
        // The first NaN wins and stays: nothing is larger than it.
        if (v > best || (v !== v && best === best)) {
          best = v
          at = i
        }
      }
    }
    out[window] = at
  })
}

export function avgPool2d(g: Pool2dGeometry, x: TypedArray, out: TypedArray): void {
  const area = g.kernelH * g.kernelW
  eachWindow(g, (window, plane, top, bottom, left, right) => {
    const sum = (by: number) => {
      let total = 0
      for (let y = top; y < bottom; y++) {
        for (let i = plane + y * g.width + left; i < plane + y * g.width + right; i++) total += x[i]! * by
      }
      return total
    }
    const total = sum(1)
    out[window] = Math.abs(total) < Infinity ? total / area : (sum(2 ** -32) / area) * 2 ** 32
  })
}

export function avgPool2dGrad(g: Pool2dGeometry, gy: TypedArray, gx: TypedArray): void {
  const area = g.kernelH * g.kernelW
  const totals = new Float64Array(gx.length)
  eachWindow(g, (window, plane, top, bottom, left, right) => {
    const share = gy[window]! / area
    for (let y = top; y < bottom; y++) {
      for (let i = plane + y * g.width + left; i < plane + y * g.width + right; i++) totals[i]! += share
    }
  })
  gx.set(totals)
}
