import { abs, addScaled, concat, matmul, max, narrow, reshape, scope, type Tensor, zerosLike } from '@unravel/tensor'
import { head, padded } from '@unravel/tensor/internals'

// Stacks `[orders, ...item]` that any pass may make, of traced tensors too.

/** out_k = a_k + scale·b_{k−1} */
export function withNext(a: Tensor, b: Tensor, scale: number): Tensor {
  const shifted = concat([zerosLike(narrow(b, 0, 0, 1)), b], 0)
  return addScaled(padded(a, shifted.shape[0]!), padded(shifted, a.shape[0]!), scale)
}

/** `[p, q]`: ⟨a_i, b_j⟩ over the whole of every entry of two stacks. */
export const products = (a: Tensor, b: Tensor): Tensor =>
  matmul(reshape(a, [a.shape[0]!, -1]), reshape(b, [b.shape[0]!, -1]), false, true)

export const numbersOf = async (t: Tensor): Promise<Float64Array> => new Float64Array(await t.data())

/** The numbers of tensors, which are freed. */
export async function taken(t: Tensor): Promise<Float64Array> {
  try {
    return await numbersOf(t)
  } finally {
    t.dispose()
  }
}

/** The numbers of every order of a stack, one order in memory at a time: orders of logits are as large as a network. */
export async function* eachOrder(stack: Tensor): AsyncGenerator<ArrayLike<number>> {
  for (let k = 0; k < stack.shape[0]!; k++) {
    const order = narrow(stack, 0, k, 1)
    try {
      yield await order.data()
    } finally {
      order.dispose()
    }
  }
}

/** Orders of a long stack are looked at again after this many blocks. */
export const BLOCKS_BETWEEN_TRIMS = 8
const LONG = 64
/** Far below what rounding leaves of anything that such orders are added to; and so far above where arithmetic turns
 *  subnormal, and a hundred times slower, that the orders of the next few blocks stay above it too. */
const NOTHING = { f64: 1e-270, f32: 1e-26, i32: 0 }

/** A long stack without the trailing orders that are as good as zero, where their numbers can be read at once. */
export function trimmed(stack: Tensor): Tensor {
  const rows = stack.shape[0]!
  if (rows <= LONG || stack.level > 0 || stack.dense()[0]!.backend.readSync === undefined) return stack
  const sizes = scope(() => max(abs(reshape(stack, [rows, -1])), 1)).dataSync()
  let last = rows - 1
  while (last > 0 && sizes[last]! < NOTHING[stack.dtype]) last--
  return head(stack, last + 1)
}
