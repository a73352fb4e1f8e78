import ndarray from 'ndarray'
import type { Peer } from '../types.js'
import { versionOf } from './version.js'

/** ndarray-gemm: blocked products of strided arrays in plain JavaScript; transposes are strides. */
export async function load(): Promise<Peer> {
  const { default: gemm } = await import('ndarray-gemm')
  return {
    name: 'ndarray-gemm',
    version: versionOf('ndarray-gemm'),
    prepare(work) {
      if (work.kind !== 'matmul') return undefined
      const { m, k, n, transA, transB } = work
      const a = transA ? ndarray(work.a, [k, m]).transpose(1, 0) : ndarray(work.a, [m, k])
      const b = transB ? ndarray(work.b, [n, k]).transpose(1, 0) : ndarray(work.b, [k, n])
      const out = ndarray(work.dtype === 'f64' ? new Float64Array(m * n) : new Float32Array(m * n), [m, n])
      const run = () => gemm(out, a, b)
      return {
        name: 'ndarray-gemm',
        backend: 'js',
        run,
        result: () => {
          run()
          return out.data
        },
      }
    },
  }
}
