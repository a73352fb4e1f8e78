import { firstLine } from '../firstLine.js'
import type { Peer } from '../types.js'

/** Every peer by its name; none is imported before it is asked for. */
const loaders: Readonly<Record<string, () => Promise<Peer>>> = {
  'tfjs-wasm': async () => (await import('./tfjs.js')).load('wasm'),
  'tfjs-cpu': async () => (await import('./tfjs.js')).load('cpu'),
  'jax-js': async () => (await import('./jax.js')).load(),
  'onnxruntime-web': async () => (await import('./onnx.js')).load(),
  'numpy-ts': async () => (await import('./numpyTs.js')).load(),
  'js-pytorch': async () => (await import('./jsPytorch.js')).load(),
  'ndarray-gemm': async () => (await import('./ndarrayGemm.js')).load(),
  numpy: async () => (await import('./python.js')).load('numpy'),
  torch: async () => (await import('./python.js')).load('torch'),
}

export const peerNames: readonly string[] = Object.keys(loaders)

/** The peers that can be loaded here; `absent` is told of each other one, with the reason. */
export async function loadPeers(
  names: readonly string[],
  absent: (name: string, reason: string) => void,
): Promise<Peer[]> {
  const peers: Peer[] = []
  for (const name of names) {
    try {
      peers.push(await loaders[name]!())
    } catch (error) {
      absent(name, firstLine(error))
    }
  }
  return peers
}
