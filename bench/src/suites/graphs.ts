import { wasm } from '@unravel/tensor'
import { against } from '../check.js'
import { firstLine } from '../firstLine.js'
import { esrganThick, flopOf, foldedFor, graphAt } from '../networks.js'
import { networkIn, ours } from '../peers/unravel.js'
import type { Case, Suite } from '../types.js'
import type { NetworkWork } from '../works.js'

const [SIDE, CHANNELS] = [32, 3]

function esrgan(reading: boolean): Case {
  const shape = [1, SIDE, SIDE, CHANNELS]
  const x = Float32Array.from({ length: SIDE * SIDE * CHANNELS }, (_, i) => 0.5 + 0.5 * Math.sin(i / 3))
  const path = esrganThick()
  const work: NetworkWork = { kind: 'network', path, graph: () => graphAt(path), x, shape, reading }
  return {
    name: reading ? 'esrgan-thick-read' : 'esrgan-thick',
    what: `${reading ? 'ESRGAN thick ×2 read from its files, and its first pass' : 'one pass of ESRGAN thick ×2'}, f32 [${shape}]`,
    work,
    own: [() => ours(work), () => ours(work, 'ours plain')],
    check: against(() => networkIn(work, wasm(), 'f64').result(), 1e-5),
    amount: { count: flopOf(foldedFor(work)), unit: 'flop' },
  }
}

export const graphs: Suite = {
  name: 'graphs',
  what: 'a network that others published, read from its own files',
  cases: () => [() => esrgan(false), () => esrgan(true)],
  unavailable: async () => {
    try {
      esrganThick()
      return undefined
    } catch (error) {
      return `${firstLine(error)}; the network is fetched by npm from its registry`
    }
  },
}
