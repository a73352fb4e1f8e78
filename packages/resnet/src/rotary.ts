import { add, concat, mul, narrow, sub, type Tensor, tensor } from '@unravel/tensor'
import { like } from '@unravel/tensor/internals'
import { z } from 'zod'

const settings = z.looseObject({
  rope_type: z.literal('default', { error: 'expected "default"' }).optional(),
  type: z.literal('default', { error: 'expected "default"' }).optional(),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.number().min(0).max(1).optional(),
})

/** Hugging Face's settings of rotary positions: the default ones. Others (linear, dynamic, yarn, llama3, longrope) are refused
 *  by name, and so are settings of theirs that do not say their type. */
export const rope = settings
  .refine(
    rope => (rope.rope_type ?? rope.type) !== undefined || Object.keys(rope).every(key => key in settings.shape),
    'expected a rope_type, "default"',
  )
  .nullish()
type Rope = z.output<typeof rope>

/** The base of the frequencies that a configuration gives; 10000 by default. */
export const thetaOf = (config: {
  readonly rope_theta?: number | null | undefined
  readonly rope_parameters?: Rope
  readonly rope_scaling?: Rope
}): number => config.rope_theta ?? config.rope_parameters?.rope_theta ?? config.rope_scaling?.rope_theta ?? 10000

/**
 * Rotary positions (Su et al. 2021) in the halves layout of GPT-NeoX and Llama: of x [..., positions, size], element i of the
 * first half of `length` elements and element i of the second are turned by position · theta^(−2i/length); the rest stays. Of
 * three elements, which no released network has, the first is paired with each of the others: the result is one longer.
 */
export function rotary(x: Tensor, theta: number, length: number): Tensor {
  const [positions, size] = x.shape.slice(-2) as [number, number]
  const half = Math.floor(length / 2)
  const pairs = length - half
  const angles = (f: (angle: number) => number) =>
    tensor(
      Float64Array.from({ length: positions * pairs }, (_, i) =>
        f(Math.floor(i / pairs) * theta ** ((-2 * (i % pairs)) / length)),
      ),
      { shape: [positions, pairs], ...like(x) },
    )
  const [cos, sin] = [angles(Math.cos), angles(Math.sin)]
  const [a, b] = [narrow(x, -1, 0, half), narrow(x, -1, half, pairs)]
  const turned = [sub(mul(a, cos), mul(b, sin)), add(mul(b, cos), mul(a, sin))]
  return concat(length === size ? turned : [...turned, narrow(x, -1, length, size - length)], -1)
}
