// Pooling of dense planes [planes, height, width] into [planes, outH, outW]; outputs dense and apart from inputs. A window
// covers the part of its kernel that lies in the plane.

// @ts-ignore: decorator
@inline
function clamp(i: i32, n: i32): i32 {
  return min(max(i, 0), n)
}

/** out of i32: for every window the place in x of its first largest element; the first NaN wins. */
export function maxPool2d_f32(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, x: usize, out: usize,
): void {
  maxPool2d<f32>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, x, out)
}
export function maxPool2d_f64(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, x: usize, out: usize,
): void {
  maxPool2d<f64>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, x, out)
}

function maxPool2d<T>(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, x: usize, out: usize,
): void {
  for (let p: i32 = 0, plane: i32 = 0; p < planes; p++, plane += height * width) {
    for (let u: i32 = 0; u < outH; u++) {
      const y = u * strideH - padH
      const top = clamp(y, height), bottom = clamp(y + kernelH, height)
      for (let v: i32 = 0; v < outW; v++, out += 4) {
        const i = v * strideW - padW
        const left = clamp(i, width), right = clamp(i + kernelW, width)
        let line = plane + top * width
        let at = line + left
        let best = load<T>(x + <usize>at * sizeof<T>())
        for (let r = top; r < bottom; r++, line += width) {
          for (let j = line + left; j < line + right; j++) {
            const value = load<T>(x + <usize>j * sizeof<T>())
            // Nothing is larger than a NaN that is there. Without a branch, for which one is larger cannot be foretold.
            const better = <i32>(value > best) | (<i32>(value != value) & <i32>(best == best))
            best = select<T>(value, best, better)
            at = select<i32>(j, at, better)
          }
        }
        store<i32>(out, at)
      }
    }
  }
}

/** Mean over the window, padding counted as zeros. */
export function avgPool2d_f32(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, x: usize, out: usize,
): void {
  avgPool2d<f32>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, x, out)
}
export function avgPool2d_f64(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, x: usize, out: usize,
): void {
  avgPool2d<f64>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, x, out)
}

function avgPool2d<T>(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, x: usize, out: usize,
): void {
  const area = <T>(kernelH * kernelW)
  for (let p: i32 = 0; p < planes; p++, x += <usize>(height * width) * sizeof<T>()) {
    for (let u: i32 = 0; u < outH; u++) {
      const y = u * strideH - padH
      const top = clamp(y, height), bottom = clamp(y + kernelH, height)
      for (let v: i32 = 0; v < outW; v++, out += sizeof<T>()) {
        const i = v * strideW - padW
        const left = clamp(i, width), right = clamp(i + kernelW, width)
        let total: T = 0
        for (let r = top; r < bottom; r++) {
          const line = x + <usize>(r * width) * sizeof<T>()
          for (let j = left; j < right; j++) total += load<T>(line + <usize>j * sizeof<T>())
        }
        store<T>(out, total / area)
      }
    }
  }
}

/** gx: to every element the share of ȳ of each window over it. */
export function avgPool2dGrad_f32(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, gy: usize, gx: usize,
): void {
  avgPool2dGrad<f32>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, gy, gx)
}
export function avgPool2dGrad_f64(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, gy: usize, gx: usize,
): void {
  avgPool2dGrad<f64>(planes, height, width, kernelH, kernelW, strideH, strideW, padH, padW, outH, outW, gy, gx)
}

function avgPool2dGrad<T>(
  planes: i32, height: i32, width: i32, kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, padH: i32, padW: i32,
  outH: i32, outW: i32, gy: usize, gx: usize,
): void {
  const area = <T>(kernelH * kernelW)
  const bytes = <usize>(height * width) * sizeof<T>()
  memory.fill(gx, 0, <usize>planes * bytes)
  for (let p: i32 = 0; p < planes; p++, gx += bytes) {
    for (let u: i32 = 0; u < outH; u++) {
      const y = u * strideH - padH
      const top = clamp(y, height), bottom = clamp(y + kernelH, height)
      for (let v: i32 = 0; v < outW; v++, gy += sizeof<T>()) {
        const share = load<T>(gy) / area
        const i = v * strideW - padW
        const left = clamp(i, width), right = clamp(i + kernelW, width)
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
