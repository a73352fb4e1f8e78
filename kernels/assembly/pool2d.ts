// Pooling of dense planes [planes, height, width] into [planes, outH, outW]; outputs dense and apart from inputs. A window
// covers the part of its kernel that lies in the plane.

/** @inline */
function clamp(i: i32, n: i32): i32 {
  return min(max(i, 0), n)
}

/** out of i32: for every window the place in x of its first largest element; the first NaN wins. */
export function maxPool2dIndices<T>(
  planes: i32,
  height: i32,
  width: i32,
  kernelH: i32,
  kernelW: i32,
  strideH: i32,
  strideW: i32,
  padH: i32,
  padW: i32,
  outH: i32,
  outW: i32,
  x: usize,
  out: usize,
): void {
  for (let p: i32 = 0, plane: i32 = 0; p < planes; p++, plane += height * width) {
    for (let u: i32 = 0; u < outH; u++) {
      const y = u * strideH - padH
      const top = clamp(y, height)
      const bottom = clamp(y + kernelH, height)
      for (let v: i32 = 0; v < outW; v++, out += 4) {
        const i = v * strideW - padW
        const lanes: i32 = 16 / sizeof<T>()
        // A vector of windows that lie between the left and the right edge of their plane.
        if (i >= 0 && v + lanes <= outW && i + (lanes - 1) * strideW + kernelW <= width) {
          windows<T>(x, plane + top * width + i, bottom - top, width, kernelW, strideW, out)
          v += lanes - 1
          out += (lanes - 1) << 2
          continue
        }
        const left = clamp(i, width)
        const right = clamp(i + kernelW, width)
        let line = plane + top * width
        let at = line + left
        let best = load<T>(x + <usize>at * sizeof<T>())
        for (let r = top; r < bottom; r++, line += width) {
          for (let j = line + left; j < line + right; j++) {
            const value = load<T>(x + <usize>j * sizeof<T>())
            // Nothing is larger than a NaN that is there. Without a branch, for which one is larger cannot be foretold.
            const better = <i32>(value > best) | (<i32>(value !== value) & <i32>(best === best))
            best = select<T>(value, best, better)
            at = select<i32>(j, at, better)
          }
        }
        store<i32>(out, at)
      }
    }
  }
}

/** Windows side by side, the first at element `at`, in the lanes of a vector. Places are as wide as T. @inline */
function windows<T>(x: usize, at: i32, lines: i32, width: i32, kernelW: i32, strideW: i32, out: usize): void {
  let best = spaced<T>(x + <usize>at * sizeof<T>(), strideW)
  const first = places<T>(at, strideW)
  let place = first
  for (let r: i32 = 0; r < lines; r++) {
    for (let j: i32 = 0; j < kernelW; j++) {
      const step = r * width + j
      const value = spaced<T>(x + <usize>(at + step) * sizeof<T>(), strideW)
      const newNaN = v128.andnot(v128.ne<T>(value, value), v128.ne<T>(best, best))
      const better = v128.or(v128.gt<T>(value, best), newNaN)
      const here = sizeof<T>() === 4 ? i32x4.add(first, i32x4.splat(step)) : i64x2.add(first, i64x2.splat(step))
      best = v128.bitselect(value, best, better)
      place = v128.bitselect(here, place, better)
    }
  }
  if (sizeof<T>() === 4) v128.store(out, place)
  else v128.store64_lane(out, v128.shuffle<i32>(place, place, 0, 2, 0, 2), 0)
}

/** Elements `stride` apart. @inline */
function spaced<T>(address: usize, stride: i32): v128 {
  if (stride === 1) return v128.load(address)
  const step = <usize>stride * sizeof<T>()
  if (sizeof<T>() === 8) return v128.load64_lane(address + step, v128.load64_zero(address), 1)
  if (stride === 2) return v128.shuffle<i32>(v128.load(address), v128.load(address, 16), 0, 2, 4, 6)
  const two = v128.load32_lane(address + step, v128.load32_zero(address), 1)
  return v128.load32_lane(address + 3 * step, v128.load32_lane(address + 2 * step, two, 2), 3)
}

/** @inline */
function places<T>(at: i32, stride: i32): v128 {
  if (sizeof<T>() === 4) return i32x4.add(i32x4.splat(at), i32x4.mul(i32x4.splat(stride), i32x4(0, 1, 2, 3)))
  return i64x2.replace_lane(i64x2.splat(at), 1, at + stride)
}

/** Mean over the window, padding counted as zeros. */
export function avgPool2d<T>(
  planes: i32,
  height: i32,
  width: i32,
  kernelH: i32,
  kernelW: i32,
  strideH: i32,
  strideW: i32,
  padH: i32,
  padW: i32,
  outH: i32,
  outW: i32,
  x: usize,
  out: usize,
): void {
  const area = <f64>(kernelH * kernelW)
  for (let p: i32 = 0; p < planes; p++, x += <usize>(height * width) * sizeof<T>()) {
    for (let u: i32 = 0; u < outH; u++) {
      const y = u * strideH - padH
      const top = clamp(y, height)
      const bottom = clamp(y + kernelH, height)
      for (let v: i32 = 0; v < outW; v++, out += sizeof<T>()) {
        const i = v * strideW - padW
        const left = clamp(i, width)
        const right = clamp(i + kernelW, width)
        let total: f64 = 0
        // Of f64 a sum may overflow where the mean does not.
        let by: f64 = 1
        while (true) {
          for (let r = top; r < bottom; r++) {
            const line = x + <usize>(r * width) * sizeof<T>()
            for (let j = left; j < right; j++) total += <f64>load<T>(line + <usize>j * sizeof<T>()) * by
          }
          if (by < 1 || abs(total) < Infinity) break
          total = 0
          by = 1.0 / 4294967296.0
        }
        store<T>(out, <T>(total / area / by))
      }
    }
  }
}

/** gx: to every element the share of ȳ of each window over it. */
export function avgPool2dGrad<T>(
  planes: i32,
  height: i32,
  width: i32,
  kernelH: i32,
  kernelW: i32,
  strideH: i32,
  strideW: i32,
  padH: i32,
  padW: i32,
  outH: i32,
  outW: i32,
  gy: usize,
  gx: usize,
): void {
  // Elements under so many windows are summed in f64, one after the other.
  if (((kernelH - 1) / strideH + 1) * ((kernelW - 1) / strideW + 1) > 256) {
    avgPool2dGradWide<T>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, gy, gx)
    return
  }
  const area = <T>(kernelH * kernelW)
  const bytes = <usize>(height * width) * sizeof<T>()
  memory.fill(gx, 0, <usize>planes * bytes)
  for (let p: i32 = 0; p < planes; p++, gx += bytes) {
    for (let u: i32 = 0; u < outH; u++) {
      const y = u * strideH - padH
      const top = clamp(y, height)
      const bottom = clamp(y + kernelH, height)
      for (let v: i32 = 0; v < outW; v++, gy += sizeof<T>()) {
        const share = load<T>(gy) / area
        const i = v * strideW - padW
        const left = clamp(i, width)
        const right = clamp(i + kernelW, width)
        for (let r = top; r < bottom; r++) {
          const line = gx + <usize>(r * width) * sizeof<T>()
          for (let j = left; j < right; j++) {
            const to = line + <usize>j * sizeof<T>()
            store<T>(to, load<T>(to) + share)
          }
        }
      }
    }
  }
}

function avgPool2dGradWide<T>(
  planes: i32,
  height: i32,
  width: i32,
  kernelH: i32,
  kernelW: i32,
  strideH: i32,
  strideW: i32,
  padH: i32,
  padW: i32,
  outH: i32,
  outW: i32,
  gy: usize,
  gx: usize,
): void {
  const area = <f64>(kernelH * kernelW)
  for (let p: i32 = 0; p < planes; p++, gy += <usize>(outH * outW) * sizeof<T>()) {
    for (let y: i32 = 0; y < height; y++) {
      // Windows u with u·strideH − padH ≤ y < u·strideH − padH + kernelH.
      const top = first(y + padH, kernelH, strideH)
      const bottom = min(outH, (y + padH) / strideH + 1)
      for (let x: i32 = 0; x < width; x++, gx += sizeof<T>()) {
        const left = first(x + padW, kernelW, strideW)
        const right = min(outW, (x + padW) / strideW + 1)
        let total: f64 = 0
        for (let u = top; u < bottom; u++) {
          const line = gy + <usize>(u * outW) * sizeof<T>()
          for (let v = left; v < right; v++) total += <f64>load<T>(line + <usize>v * sizeof<T>())
        }
        store<T>(gx, <T>(total / area))
      }
    }
  }
}

/** The first window that reaches place i, padding included. @inline */
function first(i: i32, kernel: i32, stride: i32): i32 {
  return i < kernel ? 0 : (i - kernel) / stride + 1
}
