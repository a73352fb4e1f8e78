import { gated } from '@unravel/expansion'
import type { Buffer } from '@unravel/kernels'
import { add, jvp, linear, mul, scope, type Tensor, tanh, tensor } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { against } from '../check.js'
import { inputOf, ours, towerOf, variantOf } from '../peers/unravel.js'
import { addProduct, taylorArrays, towerStates } from '../reference.js'
import type { Case, Contender, Suite } from '../types.js'
import { type Net, net } from '../works.js'

/** Secant gates tanh(u)/u of every block at the run, f64. */
function gatesOf(of: Net): Float64Array[] {
  const { batch, width } = of
  const states = towerStates(of)
  return of.first.map((w, l) => {
    const u = new Float64Array(batch * width)
    addProduct(batch, width, width, states[l]!, 0, w, u)
    return u.map(v => (v === 0 ? 1 : Math.tanh(v) / v))
  })
}

/** Path sums 0..orders with these gates by dynamic programming on typed arrays, [orders+1,batch,width]. */
function pathSums(of: Net, orders: number): Float64Array {
  const { depth, width, batch, scale, first, second } = of
  const gates = gatesOf(of)
  const plane = batch * width
  const sums = new Float64Array((orders + 1) * plane)
  sums.set(of.x)
  for (let l = 0; l < depth; l++) {
    const rows = Math.min(l + 1, orders)
    const u = new Float64Array(rows * plane)
    addProduct(rows * batch, width, width, sums, 0, first[l]!, u)
    for (let i = 0; i < u.length; i++) u[i]! *= scale * gates[l]![i % plane]!
    addProduct(rows * batch, width, width, u, 0, second[l]!, sums, plane)
  }
  return sums
}

async function pass(of: Net, orders: number | 'all', variant: 'ours' | 'ours 2 threads' = 'ours'): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf(variant)
  const tower = towerOf(of, backend)
  const x = inputOf(of, backend)
  const expand = () => {
    const { coefficients, total } = gated(tower, x, orders)
    ;(total as Dense).dispose()
    return coefficients as Dense
  }
  return {
    ...labels,
    backend: backend.name,
    run: () => expand().dispose(),
    result: () => {
      const y = expand()
      const values = y.dataSync()
      y.dispose()
      return values
    },
    dispose: () => {
      for (const t of [x, ...tower.weights.flat()]) t.dispose()
    },
  }
}

/** The products of the gated pass over all orders and nothing else: l + 1 rows per input before block l, and the run's. */
async function gemms({ depth, width, batch, first, second }: Net): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const [h, out] = [
    backend.alloc('f64', (depth + 1) * batch * width),
    backend.alloc('f64', (depth + 1) * batch * width),
  ]
  const weights = [...first, ...second].map(w => {
    const buffer = backend.alloc('f64', w.length)
    backend.write(buffer, w)
    return buffer
  })
  backend.kernels.fill(0.5, h)
  const product = (rows: number, w: Buffer) =>
    backend.kernels.matmul([], rows * batch, width, width, h, [], false, w, [], true, out)
  return {
    ...labels,
    name: 'its gemms',
    backend: backend.name,
    run: () => {
      for (let l = 0; l < depth; l++) {
        for (const w of [weights[l]!, weights[depth + l]!]) {
          product(l + 1, w)
          product(1, w)
        }
      }
    },
    // The result is not checked: the kernel is checked by the suite matmul, the shapes by the pass beside it.
    result: () => [],
    dispose: () => {
      for (const buffer of [h, out, ...weights]) backend.release(buffer)
    },
  }
}

/**
 * Every path of at most `orders` blocks by itself, on the same kernels: a walk over subsets that carries the value of the
 * prefix, so that paths share what they have in common.
 */
async function enumeration(of: Net, orders: number): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const { kernels } = backend
  const { depth, width, batch, scale } = of
  const plane = batch * width
  const put = (data: ArrayLike<number>) => {
    const buffer = backend.alloc('f64', data.length)
    backend.write(buffer, Float64Array.from(data))
    return buffer
  }
  const zeros = new Float64Array(plane)
  const gates = gatesOf(of).map(g => put(g.map(v => scale * v)))
  const [first, second] = [of.first.map(put), of.second.map(put)]
  const prefix = [put(of.x), ...Array.from({ length: orders }, () => put(zeros))]
  const sums = Array.from({ length: orders + 1 }, () => put(zeros))
  const u = put(zeros)

  function walk(from: number, order: number): void {
    kernels.zip('add', [plane], sums[order]!, [1], prefix[order]!, [1], sums[order]!)
    if (order === orders) return
    for (let l = from; l < depth; l++) {
      kernels.matmul([], batch, width, width, prefix[order]!, [], false, first[l]!, [], false, u)
      kernels.zip('mul', [plane], u, [1], gates[l]!, [1], u)
      kernels.matmul([], batch, width, width, u, [], false, second[l]!, [], false, prefix[order + 1]!)
      walk(l + 1, order + 1)
    }
  }
  const run = () => {
    for (const s of sums) kernels.fill(0, s)
    walk(0, 0)
  }
  return {
    ...labels,
    name: 'enumeration',
    backend: backend.name,
    run,
    result: () => {
      run()
      return Float64Array.from(sums.flatMap(s => Array.from(backend.readSync!(s))))
    },
    dispose: () => {
      for (const b of [...gates, ...first, ...second, ...prefix, ...sums, u]) backend.release(b)
    },
  }
}

function allOrders(width: number, depth: number): Case {
  const of = net('f64', depth, width, 1)
  const sums = against(() => pathSums(of, depth), 1e-9)
  return {
    name: `gated-${width}-n${depth}`,
    what: `gated pass, all orders: ${depth} blocks, width ${width}, batch 1, f64`,
    own: [() => pass(of, 'all'), () => pass(of, 'all', 'ours 2 threads'), () => gemms(of)],
    check: values => (values.length === 0 ? 0 : sums(values)),
    amount: { count: 2 * depth ** 2 * width ** 2, unit: 'flop' },
  }
}

function enumerated(width: number, batch: number): Case {
  const of = net('f64', 16, width, batch)
  return {
    name: 'paths-n16-k8',
    what: `path sums up to length 8 of 16 blocks (39,203 paths), width ${width}, batch ${batch}, f64`,
    own: [() => pass(of, 8), () => enumeration(of, 8)],
    check: against(() => pathSums(of, 8), 1e-9),
  }
}

/** The derivative of order `orders` in λ at 0 by forward mode inside forward mode, divided by its factorial. */
async function nested(of: Net, orders: number): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const tower = towerOf(of, backend)
  const x = inputOf(of, backend)
  const [zero, one] = [0, 1].map(v => tensor(Float64Array.of(v), { shape: [], backend })) as [Dense, Dense]
  const f = (lambda: Tensor) => {
    let h: Tensor = x
    for (const [w, v] of tower.weights) {
      h = add(h, mul(mul(linear(tanh(linear(h, w)), v), of.scale), lambda))
    }
    return h
  }
  let d = f
  for (let k = 0; k < orders; k++) {
    const before = d
    d = lambda => jvp(before, lambda, one)[1]
  }
  const factorial = Array.from({ length: orders }, (_, k) => k + 1).reduce((a, b) => a * b, 1)
  return {
    ...labels,
    name: 'nested forward mode',
    backend: backend.name,
    run: () => scope(() => void d(zero)),
    result: () => scope(() => (mul(d(zero), 1 / factorial) as Dense).dataSync()),
  }
}

function derivative(of: Net, orders: number): Case {
  const wanted = () => taylorArrays(of, orders).slice(orders * of.batch * of.width)
  return {
    name: `order-${orders}`,
    what: `coefficient of order ${orders} of ${of.depth} blocks, width ${of.width}, batch ${of.batch}, f64`,
    own: [
      async () => {
        const all = (await ours({ kind: 'taylor', net: of, orders }))!
        return { ...all, result: async () => Array.from(await all.result()).slice(orders * of.batch * of.width) }
      },
      () => nested(of, orders),
    ],
    check: against(wanted, 1e-7),
  }
}

export const paths: Suite = {
  name: 'paths',
  what: 'gated passes; dynamic programming against enumeration and against nested derivatives',
  cases: ({ quick }) => [
    () => allOrders(64, quick ? 100 : 1000),
    ...(quick ? [] : [() => allOrders(256, 1000)]),
    () => enumerated(64, 8),
    () => derivative(net('f64', 8, 32, 8), quick ? 6 : 8),
  ],
}
