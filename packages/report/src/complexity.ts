import { geometricComplexity } from '@unravel/expansion'
import { run, type Tower } from '@unravel/resnet'
import type { Tensor } from '@unravel/tensor'

/** The geometric complexity of a network, without taking it apart: all paths as one. */
export async function wholeComplexity({ encode, blocks, decode }: Tower, x: Tensor): Promise<number> {
  const undivided: Tower = {
    encode,
    blocks: [],
    decode: h => run({ encode: state => state, blocks, decode }, h),
  }
  return (await geometricComplexity(undivided, x, 0)).total
}
