import type { Kernels } from '../contract.js'
import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'
import { unitsOf } from './share.js'

type Names = 'softmax' | 'logSoftmax' | 'softmaxGrad' | 'logSoftmaxGrad' | 'crossEntropy' | 'crossEntropyGrad'

/** softmax and its relatives on the module, a row at a time; rows of softmax and its logarithm are shared out where there are threads. */
export function softmaxKernels(context: Context): Pick<Kernels<Region>, Names> {
  const share = unitsOf(context)
  const { softmax, logSoftmax, softmaxGrad, logSoftmaxGrad, crossEntropy, crossEntropyGrad } = context.exports

  const normalised =
    (run: typeof softmax): Kernels<Region>['softmax'] =>
    (rows, n, x, out) => {
      const [p, q, bytes] = [addressOf(x), addressOf(out), n * bytesPerElement[out.dtype]]
      share(rows, out, (call, from, to) => call(run[out.dtype], to - from, n, p + from * bytes, q + from * bytes))
    }
  const gradient =
    (run: typeof softmaxGrad): Kernels<Region>['softmaxGrad'] =>
    (lead, rows, n, y, gy, gx) => {
      const [p, c, q] = [y, gy, gx].map(addressOf) as [number, number, number]
      const bytes = n * bytesPerElement[gx.dtype]
      share(rows, gx, (call, from, to) => {
        for (let l = 0; l < lead; l++) {
          const at = (l * rows + from) * bytes
          call(run[gx.dtype], 1, to - from, n, p + from * bytes, c + at, q + at)
        }
      })
    }
  return {
    softmax: normalised(softmax),
    logSoftmax: normalised(logSoftmax),
    softmaxGrad: gradient(softmaxGrad),
    logSoftmaxGrad: gradient(logSoftmaxGrad),
    crossEntropy(rows, n, x, labels, out) {
      crossEntropy[out.dtype](rows, n, addressOf(x), addressOf(labels), addressOf(out))
    },
    crossEntropyGrad(lead, rows, n, x, labels, gy, gx) {
      crossEntropyGrad[gx.dtype](lead, rows, n, addressOf(x), addressOf(labels), addressOf(gy), addressOf(gx))
    },
  }
}
