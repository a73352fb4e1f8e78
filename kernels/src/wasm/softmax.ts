import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

type Names = 'softmax' | 'logSoftmax' | 'softmaxGrad' | 'logSoftmaxGrad' | 'crossEntropy' | 'crossEntropyGrad'

/** softmax and its relatives on the module, a row at a time. */
export function softmaxKernels({ exports }: Context): Pick<Kernels<Region>, Names> {
  const { softmax, logSoftmax, softmaxGrad, logSoftmaxGrad, crossEntropy, crossEntropyGrad } = exports
  return {
    softmax(rows, n, x, out) {
      softmax[out.dtype](rows, n, addressOf(x), addressOf(out))
    },
    logSoftmax(rows, n, x, out) {
      logSoftmax[out.dtype](rows, n, addressOf(x), addressOf(out))
    },
    softmaxGrad(lead, rows, n, y, gy, gx) {
      softmaxGrad[gx.dtype](lead, rows, n, addressOf(y), addressOf(gy), addressOf(gx))
    },
    logSoftmaxGrad(lead, rows, n, y, gy, gx) {
      logSoftmaxGrad[gx.dtype](lead, rows, n, addressOf(y), addressOf(gy), addressOf(gx))
    },
    crossEntropy(rows, n, x, labels, out) {
      crossEntropy[out.dtype](rows, n, addressOf(x), addressOf(labels), addressOf(out))
    },
    crossEntropyGrad(lead, rows, n, x, labels, gy, gx) {
      crossEntropyGrad[gx.dtype](lead, rows, n, addressOf(x), addressOf(labels), addressOf(gy), addressOf(gx))
    },
  }
}
