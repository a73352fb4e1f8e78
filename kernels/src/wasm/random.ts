import { RandomCode } from '../../assembly/codes.js'
import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { addressOf, type Region } from './region.js'

/** Random numbers on the module, to the bit those of js. */
export function randomKernel({ exports }: Context): Pick<Kernels<Region>, 'random'> {
  const { random } = exports
  const scratch = exports.scratchBase()
  return {
    random(kind, seed, offset, out) {
      random[out.dtype](RandomCode[kind], seed, offset, out.length, addressOf(out), scratch)
    },
  }
}
