import type { Kernels } from '../contract.js'
import { eachRow } from '../js/rows.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** copy on the module, for every dtype: two axes at a time. */
export const copyKernel =
  ({ exports: { copy } }: Context): Kernels<Region>['copy'] =>
  (shape, x, xOffset, xStrides, out, outOffset, outStrides) => {
    const size = bytesPerElement[out.dtype]
    const run = copy[out.dtype]
    const p = addressOf(x) + xOffset * size
    const q = addressOf(out) + outOffset * size
    const rank = shape.length
    if (rank === 0) {
      run(1, 1, p, 0, size, q, 0, size)
      return
    }
    const n = shape[rank - 1]!
    const [xStep, outStep] = [xStrides[rank - 1]! * size, outStrides[rank - 1]! * size]
    eachRow(shape.slice(0, -1), xStrides.slice(0, -1), outStrides.slice(0, -1), (rows, from, xRow, to, outRow) => {
      run(rows, n, p + from * size, xRow * size, xStep, q + to * size, outRow * size, outStep)
    })
  }
