import { type Attributes, type Builder, toFirst, toLast } from './builder.js'

// Convolutions and pools of tfjs, whose channels are on the last axis unless they say otherwise, as ONNX's between transposes.

/** How the windows of a convolution or a pool lie: one number for every axis that they move along. */
export interface Windows {
  readonly strides: readonly number[]
  readonly dilations?: readonly number[]
  readonly padding: 'same' | 'valid' | readonly (readonly [number, number])[]
  readonly channelsLast: boolean
}

const attributesOf = ({ strides, dilations, padding }: Windows): Attributes => ({
  strides,
  ...(dilations !== undefined && { dilations }),
  ...(padding === 'same'
    ? { auto_pad: 'SAME_UPPER' }
    : padding === 'valid'
      ? { auto_pad: 'VALID' }
      : { pads: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)] }),
})

/** A function applied to a value with its channels on the second axis. */
export function channelsFirst(b: Builder, x: string, rank: number, last: boolean, f: (x: string) => string): string {
  return last ? b.transpose(f(b.transpose(x, toFirst(rank))), toLast(rank)) : f(x)
}

/** Filters [...kernel, in, out] as [out, in, ...kernel]; of a transposed convolution, [...kernel, out, in] as [in, out, ...kernel]. */
const filterOrder = (n: number) => [n + 1, n, ...Array.from({ length: n }, (_, i) => i)]

export function conv(b: Builder, x: string, filter: string, bias: string | undefined, at: Windows, group = 1): string {
  const n = at.strides.length
  const inputs = [b.transpose(filter, filterOrder(n)), ...(bias === undefined ? [] : [bias])]
  const attributes = { ...attributesOf(at), ...(group !== 1 && { group }) }
  return channelsFirst(b, x, n + 2, at.channelsLast, y => b.node('Conv', [y, ...inputs], attributes))
}

/** Filters [...kernel, channels, multiplier]: output c·multiplier + m is of input c. */
export function depthwise(
  b: Builder,
  x: string,
  filter: string,
  bias: string | undefined,
  at: Windows,
  channels: number,
): string {
  const n = at.strides.length
  const turned = b.transpose(filter, [n, n + 1, ...Array.from({ length: n }, (_, i) => i)])
  const kernel = b.constants.get(turned)?.shape.slice(2)
  const w = kernel === undefined ? turned : b.reshape(turned, [-1, 1, ...kernel])
  const attributes = { ...attributesOf(at), group: channels }
  const inputs = [w, ...(bias === undefined ? [] : [bias])]
  return channelsFirst(b, x, n + 2, at.channelsLast, y => b.node('Conv', [y, ...inputs], attributes))
}

/** Filters [...kernel, out, in]; `size` are the lengths of the output where they are given. */
export function convTranspose(
  b: Builder,
  x: string,
  filter: string,
  bias: string | undefined,
  at: Windows & { readonly size?: readonly number[]; readonly outputPadding?: readonly number[] },
): string {
  const n = at.strides.length
  const inputs = [b.transpose(filter, filterOrder(n)), ...(bias === undefined ? [] : [bias])]
  const attributes = {
    ...attributesOf(at),
    ...(at.size !== undefined && { output_shape: at.size }),
    ...(at.outputPadding !== undefined && { output_padding: at.outputPadding }),
  }
  return channelsFirst(b, x, n + 2, at.channelsLast, y => b.node('ConvTranspose', [y, ...inputs], attributes))
}

export function pool(
  b: Builder,
  op: 'MaxPool' | 'AveragePool',
  x: string,
  kernel: readonly number[],
  at: Windows,
): string {
  const attributes = { ...attributesOf(at), kernel_shape: kernel }
  return channelsFirst(b, x, kernel.length + 2, at.channelsLast, y => b.node(op, [y], attributes))
}

/** (x − mean)·scale/√(variance + ε) + offset along the axis of channels: the last one, or the second. */
export function batchNorm(
  b: Builder,
  x: string,
  [scale, offset, mean, variance]: readonly [string, string, string, string],
  epsilon: number,
  rank: number,
  channelsLast: boolean,
): string {
  return channelsFirst(b, x, rank, channelsLast && rank > 2, y =>
    b.node('BatchNormalization', [y, scale, offset, mean, variance], { epsilon }),
  )
}

export interface Resizing {
  readonly method: 'nearest' | 'bilinear'
  readonly alignCorners: boolean
  readonly halfPixelCenters: boolean
}

/** The attributes of Resize that compute what tfjs's resizing does. */
export function resizeAttributes({ method, alignCorners, halfPixelCenters }: Resizing): Attributes {
  const nearest = method === 'nearest'
  const half = nearest ? 'tf_half_pixel_for_nn' : 'half_pixel'
  return {
    mode: nearest ? 'nearest' : 'linear',
    coordinate_transformation_mode: alignCorners ? 'align_corners' : halfPixelCenters ? half : 'asymmetric',
    ...(nearest && { nearest_mode: alignCorners ? 'round_prefer_ceil' : 'floor' }),
  }
}
