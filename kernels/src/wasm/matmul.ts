import { MapCode } from '../../assembly/codes.js'
import type { DType, Kernels } from '../contract.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Multiplications below which one thread is as fast as several. */
const SMALL = 1 << 20

/** One product: its columns are shared out where there are threads, and enough of them. */
export function product({ exports, threads }: Context) {
  const { matmul } = exports
  const scratch = exports.scratchBase()
  return (dtype: DType, m: number, k: number, n: number, ...rest: ProductArguments): void => {
    const [transA, transB, a, b, ...onwards] = rest
    const before = [transA, transB, m, k, n, a, b, ...onwards] as const
    if (threads.count === 1 || m < 2 || m * k * n < SMALL) return matmul[dtype](...before, 0, n, scratch)
    // Whole tiles of 32 bytes.
    const tile = 32 / bytesPerElement[dtype]
    threads.share(n, tile, (call, from, to, own) => call(matmul[dtype], ...before, from, to, own))
  }
}
type ProductArguments = [
  transA: boolean,
  transB: boolean,
  a: number,
  b: number,
  bias: number,
  phi: number,
  scale: number,
  add: number,
  out: number,
]

/** Matrix products on the module: `linear` is the same code as `matmul`. */
export function matmulKernels(context: Context): Pick<Kernels<Region>, 'matmul' | 'linear'> {
  const run = product(context)
  return {
    linear(m, k, n, a, transA, b, transB, bias, phi, scale, add, out) {
      const [p, q, r] = [addressOf(a), addressOf(b), addressOf(out)]
      const [u, v] = [bias === null ? 0 : addressOf(bias), add === null ? 0 : addressOf(add)]
      run(out.dtype, m, k, n, transA, transB, p, q, u, MapCode[phi ?? 'none'], scale, v, r)
    },

    /** One call for every index of the batch. */
    matmul(batch, m, k, n, a, aStrides, transA, b, bStrides, transB, out) {
      const size = bytesPerElement[out.dtype]
      let p = addressOf(a)
      let q = addressOf(b)
      let r = addressOf(out)
      if (batch.length === 0) {
        run(out.dtype, m, k, n, transA, transB, p, q, 0, MapCode.none, 1, 0, r)
        return
      }
      const step = m * n * size
      const index = batch.map(() => 0)
      for (let left = batch.reduce((x, y) => x * y, 1); left > 0; left--) {
        run(out.dtype, m, k, n, transA, transB, p, q, 0, MapCode.none, 1, 0, r)
        r += step
        for (let d = batch.length - 1; d >= 0; d--) {
          p += aStrides[d]! * size
          q += bStrides[d]! * size
          if (++index[d]! < batch[d]!) break
          p -= aStrides[d]! * batch[d]! * size
          q -= bStrides[d]! * batch[d]! * size
          index[d] = 0
        }
      }
    },
  }
}
