import type { Contender, Peer } from '../types.js'
import type { Work } from '../works.js'
import { versionOf } from './version.js'

/** numpy-ts: NumPy's functions on WebAssembly kernels of its own. It states Node 22 as its least. */
export async function load(): Promise<Peer> {
  const np = await import('numpy-ts')
  return {
    name: 'numpy-ts',
    version: versionOf('numpy-ts'),
    prepare(work) {
      const parts = implementation(np, work)
      return parts && { name: 'numpy-ts', backend: 'wasm', ...parts }
    },
  }
}

type Np = typeof import('numpy-ts')
type NdArray = ReturnType<Np['matmul']>
type Parts = Omit<Contender, 'name' | 'backend'>

const functional = (f: () => NdArray, held: readonly NdArray[]): Parts => ({
  run: () => f().dispose(),
  result: () => {
    const y = f()
    const values = (y.flags.C_CONTIGUOUS ? y : y.copy()).data.slice() as unknown as ArrayLike<number>
    y.dispose()
    return values
  },
  dispose: () => {
    for (const a of held) a.dispose()
  },
})

function implementation(np: Np, work: Work): Parts | undefined {
  const put = (data: ArrayLike<number>, shape: number[]): NdArray => {
    const dtype = data instanceof Float64Array ? 'float64' : 'float32'
    const out = np.zeros(shape, dtype) as unknown as NdArray
    ;(out.data as unknown as Float64Array).set(data as Float64Array)
    return out
  }
  switch (work.kind) {
    case 'matmul': {
      if (work.transA || work.transB) return undefined
      const [a, b] = [put(work.a, [work.m, work.k]), put(work.b, [work.k, work.n])]
      return functional(() => np.matmul(a, b), [a, b])
    }
    case 'map': {
      if (work.op === 'gelu') return undefined
      const x = put(work.x, [work.x.length])
      return functional(() => np[work.op as 'exp' | 'tanh'](x) as unknown as NdArray, [x])
    }
    case 'add': {
      const [a, b] = [put(work.a, [work.a.length]), put(work.b, [work.b.length])]
      return functional(() => np.add(a, b) as unknown as NdArray, [a, b])
    }
    case 'tower': {
      const { batch, width, scale } = work.net
      const x = put(work.net.x, [batch, width])
      const first = work.net.first.map(w => put(w, [width, width]))
      const second = work.net.second.map(v => put(v, [width, width]))
      const forward = () => {
        let h = x
        first.forEach((w, l) => {
          const u = np.matmul(h, w)
          const t = np.tanh(u) as unknown as NdArray
          const v = np.matmul(t, second[l]!)
          const s = np.multiply(v, scale) as unknown as NdArray
          const next = np.add(h, s) as unknown as NdArray
          for (const a of l === 0 ? [u, t, v, s] : [u, t, v, s, h]) a.dispose()
          h = next
        })
        return h
      }
      return functional(forward, [x, ...first, ...second])
    }
    case 'sum':
    case 'sumRows':
    case 'sumColumns': {
      const x = put(work.x, [work.rows, work.n])
      if (work.kind === 'sum') {
        return { run: () => np.sum(x), result: () => [Number(np.sum(x))], dispose: () => x.dispose() }
      }
      return functional(() => np.sum(x, work.kind === 'sumRows' ? 1 : 0) as unknown as NdArray, [x])
    }
    default:
      return undefined
  }
}
