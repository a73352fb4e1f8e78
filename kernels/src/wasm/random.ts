import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Random numbers on the module, to the bit those of js. */
export function randomKernel({ exports }: Context): Kernels<Region>['random'] {
  const scratch = exports.scratchBase()
  return (kind, seed, offset, out) => {
    const wide = out.dtype === 'f64' ? 1 : 0
    // Numbered as in assembly/random.ts.
    const number = kind === 'bits' ? 0 : (kind === 'uniform' ? 1 : 3) + wide
    exports.random(number, seed, offset, out.length, addressOf(out), scratch)
  }
}
