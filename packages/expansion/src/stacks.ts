import { addScaled, concat, matmul, narrow, padded, reshape, type Tensor, zerosLike } from '@unravel/tensor'

// Stacks `[orders, ...item]` that any pass may make, of traced tensors too.

/** out_k = a_k + scale·b_{k−1} */
export function withNext(a: Tensor, b: Tensor, scale: number): Tensor {
  const shifted = concat([zerosLike(narrow(b, 0, 0, 1)), b], 0)
  return addScaled(padded(a, shifted.shape[0]!), padded(shifted, a.shape[0]!), scale)
}

/** `[p, q]`: ⟨a_i, b_j⟩ over the whole of every entry of two stacks. */
export const products = (a: Tensor, b: Tensor): Tensor =>
  matmul(reshape(a, [a.shape[0]!, -1]), reshape(b, [b.shape[0]!, -1]), false, true)

export const numbersOf = async (t: Tensor): Promise<Float64Array> => Float64Array.from(await t.data())
