import type { AdamwSettings, SgdSettings } from '@unravel/kernels'
import * as reference from '@unravel/kernels/reference'
import { ShapeError } from './core/errors.js'
import { kernelOf } from './core/kernels.js'
import { sameType } from './core/op.js'
import { allocate, type Dense, type Tensor } from './core/tensor.js'

/** The numbers of tensors of one type, for an update that no derivative goes through. */
function alike(name: string, tensors: readonly Tensor[]): Dense[] {
  const dense = tensors.map(t => t.dense()[0])
  if (tensors.some(t => t.level !== 0 || !sameType(t, tensors[0]!))) {
    throw new ShapeError({ name, signature: 'tensors of numbers, of one shape and dtype' }, tensors)
  }
  return dense as Dense[]
}

/** One step of stochastic gradient descent in one pass: the new parameter and velocity; see the kernel `sgd`. */
export function sgdUpdate(p: Tensor, gradient: Tensor, velocity: Tensor, settings: SgdSettings): [p: Dense, v: Dense] {
  const [x, g, v] = alike('sgdUpdate', [p, gradient, velocity]) as [Dense, Dense, Dense]
  const make = () => allocate(x.backend, x.shape, x.dtype, 'sgdUpdate')
  const [xOut, vOut] = [make(), make()]
  kernelOf(x.backend, 'sgd', reference.sgd)(settings, x.buffer, g.buffer, v.buffer, xOut.buffer, vOut.buffer)
  return [xOut, vOut]
}

/** One step of AdamW in one pass: the new parameter and moments; see the kernel `adamw`. */
export function adamwUpdate(
  p: Tensor,
  gradient: Tensor,
  mean: Tensor,
  square: Tensor,
  settings: AdamwSettings,
): [p: Dense, mean: Dense, square: Dense] {
  const [x, g, m, v] = alike('adamwUpdate', [p, gradient, mean, square]) as [Dense, Dense, Dense, Dense]
  const make = () => allocate(x.backend, x.shape, x.dtype, 'adamwUpdate')
  const [xOut, mOut, vOut] = [make(), make(), make()]
  const adamw = kernelOf(x.backend, 'adamw', reference.adamw)
  adamw(settings, x.buffer, g.buffer, m.buffer, v.buffer, xOut.buffer, mOut.buffer, vOut.buffer)
  return [xOut, mOut, vOut]
}
