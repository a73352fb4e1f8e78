import { taylor } from '@unravel/expansion'
import { Evaluator, type Flow } from '@unravel/graph'
import * as kernels from '@unravel/kernels'
import { run as runTower, type Tower } from '@unravel/resnet'
import {
  add,
  addScaled,
  type Backend,
  conv2d,
  exp,
  gelu,
  js,
  layerNorm,
  linear,
  matmul,
  mse,
  mul,
  scope,
  softmax,
  sum,
  sumSquares,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  wasm,
} from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { kernelsOf } from '../replay.js'
import type { Contender } from '../types.js'
import type { ConvWork, Floats, Net, NetworkWork, RowsWork, TrainingWork, Work } from '../works.js'

/** Which build of the WebAssembly module this engine is given. */
export const wasmBuild = (): string => kernels.wasm().build

export type Variant = 'ours' | 'ours plain' | 'ours js' | 'ours 2 threads'

const backends = new Map<Variant, Backend>()

/** The backend behind a variant, and how its rows describe it. */
export function variantOf(
  name: Variant,
): Pick<Contender, 'name' | 'variant' | 'threads' | 'enter'> & { kind: Backend } {
  if (!backends.has(name)) {
    backends.set(name, name === 'ours js' ? js() : name === 'ours plain' ? kernels.newWasm('plain') : wasm())
  }
  const threads = name === 'ours 2 threads' ? 2 : 1
  const kind = backends.get(name)!
  const variant = name === 'ours js' ? '' : name === 'ours plain' ? 'plain' : wasmBuild()
  return { name, variant, threads, kind, enter: () => kernels.setThreads(threads) }
}

/** W [n,n] as a layer stores it, [out,in]. */
export function transposed(w: Floats, n: number): Floats {
  const out = w.slice()
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) out[j * n + i] = w[i * n + j]!
  }
  return out
}

/** A tower of the library's own kind, as a user would write it: two linear layers in every branch. */
export function towerOf(net: Net, backend: Backend): Tower & { weights: readonly (readonly [Dense, Dense])[] } {
  const { width, scale } = net
  const put = (data: Floats) => tensor(transposed(data, width), { shape: [width, width], backend })
  const weights = net.first.map((w, l) => [put(w), put(net.second[l]!)] as const)
  return {
    weights,
    encode: x => x,
    blocks: weights.map(([w, v]) => ({ branch: (h: Tensor) => linear(tanh(linear(h, w)), v), scale })),
    decode: h => h,
  }
}

export const inputOf = ({ x, batch, width }: Net, backend: Backend): Dense =>
  tensor(x, { shape: [batch, width], backend })

export const dispose = (...tensors: readonly Tensor[]) => {
  for (const t of tensors) for (const d of t.dense()) d.dispose()
}

/** `f` as a contender: its result is read for the check, and thrown away while the clock runs. */
function functional(f: () => Tensor) {
  return {
    run: () => {
      const y = f()
      // Some ops compute when they are read.
      for (const d of y.dense()) void d.buffer
      dispose(y)
    },
    result: () => {
      const y = f()
      const values = y.dense()[0]!.dataSync()
      dispose(y)
      return values
    },
  }
}

/** The work through the public API of the tensor package and what stands on it. */
export function ours(work: Work, variant: Variant = 'ours'): Contender {
  const { kind: backend, ...labels } = variantOf(variant)
  const parts = implementation(work, backend)
  return { ...labels, backend: backend.name, ...parts }
}

/** The kernels that the same work calls. */
export function itsKernels(work: Work): Contender {
  const { kind, ...labels } = variantOf('ours')
  return kernelsOf(kind, backend => ({ ...labels, backend: backend.name, ...implementation(work, backend) }))
}

function implementation(work: Work, backend: Backend): Omit<Contender, 'name' | 'backend'> {
  switch (work.kind) {
    case 'matmul': {
      const { m, k, n, transA, transB } = work
      const a = tensor(work.a, { shape: transA ? [k, m] : [m, k], backend })
      const b = tensor(work.b, { shape: transB ? [n, k] : [k, n], backend })
      return { ...functional(() => matmul(a, b, transA, transB)), dispose: () => dispose(a, b) }
    }
    case 'map': {
      const x = tensor(work.x, { shape: [work.x.length], backend })
      const f = { exp, tanh, gelu }[work.op]
      return { ...functional(() => f(x)), dispose: () => dispose(x) }
    }
    case 'add': {
      const [a, b] = [tensor(work.a, { backend }), tensor(work.b, { backend })]
      const calls = 100
      const many = () => {
        for (let i = 0; i < calls; i++) add(a, b)
      }
      return { ...functional(() => add(a, b)), run: () => scope(many), calls, dispose: () => dispose(a, b) }
    }
    case 'conv':
      return convolution(work, backend)
    case 'tower': {
      const tower = towerOf(work.net, backend)
      const x = inputOf(work.net, backend)
      return {
        ...functional(() => scope(() => runTower(tower, x))),
        dispose: () => dispose(x, ...tower.weights.flat()),
      }
    }
    case 'training':
      return training(work, backend)
    case 'network':
      return networkIn(work, backend)
    case 'steps':
      throw new Error('training steps of networks are in steps.ts')
    case 'taylor': {
      const tower = towerOf(work.net, backend)
      const x = inputOf(work.net, backend)
      const pass = () => {
        const { coefficients, total } = taylor(tower, x, work.orders)
        dispose(total)
        return coefficients
      }
      return { ...functional(pass), dispose: () => dispose(x, ...tower.weights.flat()) }
    }
    default: {
      const x = tensor(work.x, { shape: [work.rows, work.n], backend })
      return { ...functional(() => rows(work.kind, x)), dispose: () => dispose(x) }
    }
  }
}

/** One pass of a network, or its reading and one pass. */
export function networkIn(
  { graph, x: data, shape, reading }: NetworkWork,
  backend: Backend,
  dtype: 'f32' | 'f64' = 'f32',
) {
  const x = tensor(data, { shape, dtype, backend })
  const load = () => new Evaluator(graph(), { dtype, backend })
  const pass = (evaluator: Evaluator) =>
    scope(() => {
      const { inputs, outputs } = evaluator.graph
      const values = evaluator.run({ [inputs[0]!.name]: x }, [outputs[0]!.name])
      return (values[outputs[0]!.name] as Flow).tensor.dense()[0]!.dataSync()
    })
  const model = reading ? undefined : load()
  const once = () => {
    const now = model ?? load()
    const values = pass(now)
    if (reading) now.dispose()
    return values
  }
  const end = () => {
    model?.dispose()
    dispose(x)
  }
  return { run: once, result: once, dispose: end }
}

function rows(kind: RowsWork['kind'], x: Tensor): Tensor {
  if (kind === 'softmax') return softmax(x)
  if (kind === 'layerNorm') return layerNorm(x)
  return kind === 'sum' ? sum(x) : sum(x, kind === 'sumRows' ? 1 : 0)
}

function convolution({ batch, channels, out, size, groups, backward, ...data }: ConvWork, backend: Backend) {
  const x = tensor(data.x, { shape: [batch, channels, size, size], backend })
  const w = tensor(data.w, { shape: [out, channels / groups, 3, 3], backend })
  const forward = (x: Tensor, w: Tensor) => conv2d(x, w, undefined, { padding: 1, groups })
  const end = { dispose: () => dispose(x, w) }
  if (!backward) return { ...functional(() => forward(x, w)), ...end }
  const step = valueAndGrad(([x, w]: [Tensor, Tensor]) => {
    const y = forward(x, w)
    return mul(sumSquares(y), 0.5)
  })
  const gradients = () => {
    const [loss, [gx, gw]] = step([x, w])
    dispose(loss)
    return [gx, gw] as const
  }
  return {
    run: () => dispose(...gradients()),
    result: () => {
      const both = gradients()
      const values = both.flatMap(g => Array.from((g as Dense).dataSync()))
      dispose(...both)
      return values
    },
    ...end,
  }
}

/** Steps of gradient descent: each answers its loss, and leaves the parameters after it. */
export function trainer({ net, target, rate }: TrainingWork, backend: Backend) {
  const x = inputOf(net, backend)
  const wanted = tensor(target, { shape: [net.batch, net.width], backend })
  let parameters = towerOf(net, backend).weights.map(pair => [...pair]) as Tensor[][]
  const loss = (p: Tensor[][]) => {
    const blocks = p.map(([w, v]) => ({
      branch: (h: Tensor) => linear(tanh(linear(h, w!)), v!),
      scale: net.scale,
    }))
    return mse(runTower({ encode: h => h, blocks, decode: h => h }, x), wanted)
  }
  const both = valueAndGrad(loss)
  const step = () => {
    const { value, updated } = scope(() => {
      const [value, gradients] = both(parameters)
      const updated = parameters.map((pair, l) => pair.map((p, i) => addScaled(p, gradients[l]![i]!, -rate)))
      return { value, updated }
    })
    dispose(...parameters.flat())
    parameters = updated
    return value
  }
  return { step, parameters: () => parameters, dispose: () => dispose(x, wanted, ...parameters.flat()) }
}

function training(work: TrainingWork, backend: Backend) {
  const { net } = work
  const { step, parameters, dispose: end } = trainer(work, backend)
  const run = () => {
    const value = step()
    const at = value.item()
    dispose(value)
    return at
  }
  const numbers = (t: Tensor) => Array.from(transposed((t as Dense).dataSync() as Floats, net.width))
  return {
    run,
    result: () => [run(), ...numbers(parameters()[0]![0]!), ...numbers(parameters().at(-1)![1]!)],
    dispose: end,
  }
}

/** How many numbers differ in any bit between one thread and two. */
export async function differing(work: Work): Promise<number> {
  const two = ours(work, 'ours 2 threads')
  const one = ours(work)
  const values = []
  for (const c of [one, two]) {
    await c.enter?.()
    values.push(await c.result())
    await c.dispose?.()
  }
  await one.enter?.()
  const [a, b] = values as [ArrayLike<number>, ArrayLike<number>]
  return Array.from({ length: a.length }, (_, i) => i).filter(i => !Object.is(a[i], b[i])).length
}
