import type { Peer, Values } from '../types.js'
import { versionOf } from './version.js'

/** js-pytorch on its cpu device: nested arrays in plain JavaScript, a graph node for every operation. */
export async function load(): Promise<Peer> {
  const { torch } = await import('js-pytorch')
  const flat = (t: { _data: unknown[] }): Values => t._data.flat(8) as number[]
  return {
    name: 'js-pytorch',
    version: versionOf('js-pytorch'),
    prepare(work) {
      const labels = { name: 'js-pytorch', backend: 'js' }
      if (work.kind === 'matmul') {
        const { m, k, n, transA, transB } = work
        if (transA || transB || m * k * n > 256 ** 3) return undefined
        const [a, b] = [torch.tensor(nested(work.a, k)), torch.tensor(nested(work.b, n))]
        const run = () => torch.matmul(a, b)
        return { ...labels, run, result: () => flat(run()) }
      }
      if (work.kind === 'add') {
        const [a, b] = [torch.tensor([...work.a]), torch.tensor([...work.b])]
        const run = () => torch.add(a, b)
        return { ...labels, run, result: () => flat(run()) }
      }
      return undefined
    },
  }
}

const nested = (data: ArrayLike<number>, n: number): number[][] =>
  Array.from({ length: data.length / n }, (_, i) => Array.from({ length: n }, (_, j) => data[i * n + j]!))
