import { taylor as expand } from '@unravel/expansion'
import { memory, wasm } from '@unravel/tensor'
import { againstRows } from '../check.js'
import { differing, inputOf, ours, towerOf, variantOf } from '../peers/unravel.js'
import { taylorArrays } from '../reference.js'
import type { Case, Contender, Suite } from '../types.js'
import { type Net, net, rowsOf, type TaylorWork } from '../works.js'

/** Orders that stand in the h before block l, and in its branch: the start is a constant, its tanh is one, and from the
 *  second block on tanh has every order. */
const storedBefore = (l: number, orders: number): number => (l === 0 ? 1 : l === 1 ? Math.min(2, orders) : orders)
const storedInBranch = (l: number, orders: number): number => (l === 0 ? 1 : orders)

/** The products of the pass, the forward pass at its end included, and nothing else: same shapes, same kernel. */
async function gemms({ net, orders }: TaylorWork): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const { depth, width, batch, dtype } = net
  const [h, out] = [
    backend.alloc(dtype, (orders + 1) * batch * width),
    backend.alloc(dtype, (orders + 1) * batch * width),
  ]
  const weights = [...net.first, ...net.second].map(w => {
    const buffer = backend.alloc(dtype, w.length)
    backend.write(buffer, w)
    return buffer
  })
  backend.kernels.fill(0.5, h)
  const product = (rows: number, w: number) =>
    backend.kernels.matmul([], rows * batch, width, width, h, [], false, weights[w]!, [], true, out)
  return {
    ...labels,
    name: 'its gemms',
    backend: backend.name,
    run: () => {
      for (let l = 0; l < depth; l++) {
        product(storedBefore(l, orders), l)
        product(storedInBranch(l, orders), depth + l)
        product(1, l)
        product(1, depth + l)
      }
    },
    // The result is not checked: the kernel is checked by the suite matmul, the shapes by the pass beside it.
    result: () => [],
    dispose: () => {
      for (const buffer of [h, out, ...weights]) backend.release(buffer)
    },
  }
}

function arrays({ net, orders }: TaylorWork): Contender {
  let last: Float64Array
  const run = () => {
    last = taylorArrays(net, orders)
  }
  return {
    name: 'typed arrays',
    backend: 'js',
    run,
    result: () => {
      run()
      return last
    },
  }
}

const other = async (work: TaylorWork, name: string): Promise<Contender> => ({
  ...ours(work),
  name,
  result: () => [],
})

function pass(
  width: number,
  batch: number,
  orders: number,
  depth: number,
  extras: { arrays?: boolean; deep?: boolean; torch?: boolean; threads?: boolean },
): Case {
  const of = net('f64', depth, width, batch)
  const work: TaylorWork = { kind: 'taylor', net: of, orders }
  const rows = batch === 1 ? [0] : [0, batch - 1]
  const check = againstRows(() => taylorArrays(rowsOf(of, rows), orders), 1e-9, rows, batch, width)
  return {
    name: `taylor-${width}-b${batch}-K${orders}-n${depth}`,
    what: `taylor to order ${orders}: ${depth} blocks, width ${width}, batch ${batch}, f64; with its forward pass`,
    work,
    own: [
      () => ours(work),
      ...(extras.threads === false ? [] : [() => ours(work, 'ours 2 threads')]),
      () => gemms(work),
      ...(extras.arrays ? [() => arrays(work)] : []),
      ...(extras.deep ? [() => other({ ...work, net: net('f64', 10 * depth, width, batch) }, 'ours, n × 10')] : []),
    ],
    without: extras.torch === false ? { torch: 'compared at other sizes' } : {},
    check: values => (values.length === 0 ? 0 : check(values)),
    amount: { count: 4 * depth * batch * width ** 2 * orders, unit: 'flop' },
  }
}

/** Bytes alive at most during a pass of `depth` blocks, weights and input left out, KiB. */
function working(of: Net, orders: number): number {
  const backend = wasm()
  const tower = towerOf(of, backend)
  const x = inputOf(of, backend)
  const before = memory(backend).bytes
  let most = 0
  const { coefficients, total } = expand(tower, x, orders, {
    onBlock: () => {
      most = Math.max(most, memory(backend).bytes - before)
    },
  })
  for (const t of [coefficients, total, x, ...tower.weights.flat()]) for (const d of t.dense()) d.dispose()
  return most / 1024
}

export const taylor: Suite = {
  name: 'taylor',
  what: 'the taylor pass over depths, widths and orders',
  cases: ({ quick }) => {
    const orders = quick ? [16] : [8, 16, 32]
    return [
      ...orders.map(K => () => pass(64, 1, K, 100, { arrays: true, deep: K === 16 })),
      ...orders.map(K => () => pass(64, 32, K, 100, { arrays: true, deep: !quick && K === 16 })),
      ...(quick ? [8] : orders).map(K => () => pass(256, quick ? 4 : 32, K, 100, { torch: !quick && K < 32 })),
      ...(quick
        ? []
        : [
            () => pass(64, 1, 32, 1000, { torch: false }),
            () => pass(256, 32, 8, 1000, { torch: false, threads: false }),
            // The weights alone are 1 GB: no third copy of them.
            () => pass(256, 1, 64, 1000, { torch: false, threads: false }),
          ]),
    ]
  },
  quantities: () => [
    {
      name: 'taylor-threads-differ',
      what: 'coefficients that differ between one thread and two (width 256, batch 8, K 8, 20 blocks)',
      unit: 'numbers',
      measure: () => differing({ kind: 'taylor', net: net('f64', 20, 256, 8), orders: 8 }),
    },
    {
      name: 'taylor-memory',
      what: 'working memory of a pass of 1000 blocks over that of one of 100 (width 64, batch 8, K 16)',
      unit: '×',
      measure: () => working(net('f64', 1000, 64, 8), 16) / working(net('f64', 100, 64, 8), 16),
    },
  ],
}
