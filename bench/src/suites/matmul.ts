import { productCheck } from '../check.js'
import { differing, ours, type Variant } from '../peers/unravel.js'
import { naiveMatmul } from '../reference.js'
import type { Case, Contender, Suite } from '../types.js'
import { type Matmul, matmulWork } from '../works.js'

const FORMS = ['NT', 'TN', 'TT'] as const

function product(name: string, work: Matmul, variants: readonly Variant[], without: Case['without'] = {}): Case {
  const { dtype, m, k, n } = work
  return {
    name,
    what: `${dtype} product of [${m},${k}] and [${k},${n}], call and result included`,
    work,
    own: variants.map(v => () => ours(work, v)),
    without,
    check: productCheck(work),
    amount: { count: 2 * m * k * n, unit: 'flop' },
  }
}

/** NN against the other layouts, ours alone. The check of each layout is its own, and happens here. */
function layouts(m: number, k: number, n: number): Case {
  const works = new Map((['NN', ...FORMS] as const).map(form => [form, matmulWork('f32', m, k, n, form)]))
  const one = async (form: 'NN' | (typeof FORMS)[number]): Promise<Contender> => {
    const work = works.get(form)!
    const contender = ours(work)
    const result = async () => [productCheck(work)(await contender.result())]
    return { ...contender, name: form === 'NN' ? 'ours' : `ours ${form}`, result }
  }
  return {
    name: `matmul-layouts-${m}x${k}x${n}`,
    what: `f32 [${m},${k}]·[${k},${n}] with A, B or both stored transposed`,
    own: (['NN', ...FORMS] as const).map(form => () => one(form)),
    check: errors => errors[0]!,
    amount: { count: 2 * m * k * n, unit: 'flop' },
  }
}

function naive(work: Matmul): Contender {
  const out = new Float32Array(work.m * work.n)
  const run = () => naiveMatmul(work.m, work.k, work.n, work.a, work.b, out)
  return {
    name: 'naive loop',
    backend: 'js',
    run,
    result: () => {
      run()
      return out
    },
  }
}

function plainTypescript(n: number): Case {
  const work = matmulWork('f32', n, n, n)
  return {
    name: `matmul-js-${n}`,
    what: `f32 product of size ${n} in plain TypeScript`,
    own: [() => ours(work, 'ours js'), () => naive(work)],
    check: productCheck(work),
    amount: { count: 2 * n ** 3, unit: 'flop' },
  }
}

const SLOW_CPU = { 'tfjs-cpu': '0.4 GF/s', 'ndarray-gemm': 'plain JavaScript' }
const withThreads = ['ours', 'ours plain', 'ours 2 threads'] as const

export const matmul: Suite = {
  name: 'matmul',
  what: 'matrix products: sizes, layouts, precisions, threads',
  cases: ({ quick }) => [
    () => product('matmul-64-f32', matmulWork('f32', 64, 64, 64), withThreads),
    () => product('matmul-256-f32', matmulWork('f32', 256, 256, 256), withThreads),
    () => product('matmul-512-f32', matmulWork('f32', 512, 512, 512), withThreads, SLOW_CPU),
    ...(quick ? [] : [() => product('matmul-1024-f32', matmulWork('f32', 1024, 1024, 1024), withThreads, SLOW_CPU)]),
    ...(quick ? [256] : [256, 512, 1024]).map(
      n => () =>
        product(`matmul-${n}-f64`, matmulWork('f64', n, n, n), ['ours', 'ours plain'], n > 256 ? SLOW_CPU : {}),
    ),
    // Sums of many terms: they are taken in pieces, so that their error stays.
    () =>
      product('matmul-long-k', matmulWork('f32', 16, quick ? 2 ** 14 : 2 ** 18, 16), ['ours', 'ours plain'], SLOW_CPU),
    () => layouts(64, 256, 256),
    () => layouts(512, 512, 512),
    () => plainTypescript(256),
  ],
  quantities: ({ quick }) =>
    (quick ? [512] : [512, 1024]).map(n => ({
      name: `matmul-${n}-threads-differ`,
      what: 'elements of a product that differ between one thread and two',
      unit: 'elements',
      measure: () => differing(matmulWork('f32', n, n, n)),
    })),
}
