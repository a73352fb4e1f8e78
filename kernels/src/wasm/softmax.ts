import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

type Names = 'softmax' | 'logSoftmax' | 'softmaxGrad' | 'logSoftmaxGrad' | 'crossEntropy' | 'crossEntropyGrad'

/** softmax and its relatives on the module, a row at a time. */
export function softmaxKernels({ exports }: Context): Pick<Kernels<Region>, Names> {
  return {
    softmax(rows, n, x, out) {
      const run = out.dtype === 'f32' ? exports.softmax_f32 : exports.softmax_f64
      run(rows, n, addressOf(x), addressOf(out))
    },
    logSoftmax(rows, n, x, out) {
      const run = out.dtype === 'f32' ? exports.logSoftmax_f32 : exports.logSoftmax_f64
      run(rows, n, addressOf(x), addressOf(out))
    },
    softmaxGrad(lead, rows, n, y, gy, gx) {
      const run = gx.dtype === 'f32' ? exports.softmaxGrad_f32 : exports.softmaxGrad_f64
      run(lead, rows, n, addressOf(y), addressOf(gy), addressOf(gx))
    },
    logSoftmaxGrad(lead, rows, n, y, gy, gx) {
      const run = gx.dtype === 'f32' ? exports.logSoftmaxGrad_f32 : exports.logSoftmaxGrad_f64
      run(lead, rows, n, addressOf(y), addressOf(gy), addressOf(gx))
    },
    crossEntropy(rows, n, x, labels, out) {
      const run = out.dtype === 'f32' ? exports.crossEntropy_f32 : exports.crossEntropy_f64
      run(rows, n, addressOf(x), addressOf(labels), addressOf(out))
    },
    crossEntropyGrad(lead, rows, n, x, labels, gy, gx) {
      const run = gx.dtype === 'f32' ? exports.crossEntropyGrad_f32 : exports.crossEntropyGrad_f64
      run(lead, rows, n, addressOf(x), addressOf(labels), addressOf(gy), addressOf(gx))
    },
  }
}
