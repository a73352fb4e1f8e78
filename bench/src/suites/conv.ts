import { conv2d, js, mul, sum, type Tensor, tensor, valueAndGrad } from '@unravel/tensor'
import { against } from '../check.js'
import { ours } from '../peers/unravel.js'
import type { Case, Suite } from '../types.js'
import { type ConvWork, normal } from '../works.js'

/** The same with the js kernels in f64, whose definitions the package's tests check index by index. */
export function convReference({ batch, channels, out, size, groups, backward, ...data }: ConvWork): Float64Array {
  const put = (x: Float32Array, shape: number[]) => tensor(Float64Array.from(x), { shape, backend: js() })
  const x = put(data.x, [batch, channels, size, size])
  const w = put(data.w, [out, channels / groups, 3, 3])
  const forward = (x: Tensor, w: Tensor) => conv2d(x, w, undefined, { padding: 1, groups })
  if (!backward) return forward(x, w).dataSync() as Float64Array
  const [, gradients] = valueAndGrad(([x, w]: [Tensor, Tensor]) => {
    const y = forward(x, w)
    return mul(sum(mul(y, y)), 0.5)
  })([x, w])
  return Float64Array.from(gradients.flatMap(g => Array.from(g.dataSync())))
}

function conv(
  name: string,
  batch: number,
  channels: number,
  out: number,
  size: number,
  backward: boolean,
  groups = 1,
): Case {
  const work: ConvWork = {
    kind: 'conv',
    batch,
    channels,
    out,
    size,
    groups,
    backward,
    x: normal('f32', batch * channels * size ** 2, 1, 8) as Float32Array,
    w: normal('f32', (out * channels * 9) / groups, Math.sqrt(groups / (9 * channels)), 9) as Float32Array,
  }
  return {
    name,
    what: `3×3 ${groups === channels ? 'depthwise ' : ''}convolution${backward ? ' with both gradients' : ''} of f32 [${batch},${channels},${size},${size}] to ${out} channels`,
    work,
    own: [() => ours(work), () => ours(work, 'ours plain'), () => ours(work, 'ours 2 threads')],
    without: { 'tfjs-cpu': 'plain JavaScript' },
    check: against(() => convReference(work), 1e-4),
    amount: { count: ((18 * batch * channels * out) / groups) * size ** 2 * (backward ? 3 : 1), unit: 'flop' },
  }
}

export const convolution: Suite = {
  name: 'conv',
  what: '3×3 convolutions, forward and both gradients',
  cases: ({ quick }) => {
    const batch = quick ? 4 : 32
    return [
      () => conv('conv-16', batch, 16, 16, 32, false),
      () => conv('conv-16-backward', batch, 16, 16, 32, true),
      () => conv('conv-depthwise', 1, 144, 144, 56, false, 144),
      ...(quick
        ? []
        : [() => conv('conv-64', 8, 64, 64, 16, false), () => conv('conv-64-backward', 8, 64, 64, 16, true)]),
    ]
  },
}
