import type { Kernels } from '../contract.js'
import type { Context } from './backend.js'
import { bytesPerElement } from './memory.js'
import { addressOf, type Region } from './region.js'

/** linear on the module: the same code as matmul. */
export function linearKernel({ exports }: Context): Kernels<Region>['linear'] {
  const scratch = exports.scratchBase()
  return (m, k, n, a, transA, b, transB, bias, scale, add, out) => {
    const run = out.dtype === 'f32' ? exports.matmul_f32 : exports.matmul_f64
    const [p, q] = [addressOf(a), addressOf(b)]
    const [u, v] = [bias === null ? 0 : addressOf(bias), add === null ? 0 : addressOf(add)]
    run(transA, transB, m, k, n, p, q, u, scale, v, addressOf(out), scratch)
  }
}

/** matmul on the module: one call for every index of the batch. */
export function matmulKernel({ exports }: Context): Kernels<Region>['matmul'] {
  const scratch = exports.scratchBase()
  return (batch, m, k, n, a, aStrides, transA, b, bStrides, transB, out) => {
    const run = out.dtype === 'f32' ? exports.matmul_f32 : exports.matmul_f64
    const size = bytesPerElement[out.dtype]
    let p = addressOf(a)
    let q = addressOf(b)
    let r = addressOf(out)
    if (batch.length === 0) {
      run(transA, transB, m, k, n, p, q, 0, 1, 0, r, scratch)
      return
    }
    const step = m * n * size
    const index = batch.map(() => 0)
    for (let left = batch.reduce((x, y) => x * y, 1); left > 0; left--) {
      run(transA, transB, m, k, n, p, q, 0, 1, 0, r, scratch)
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
  }
}
