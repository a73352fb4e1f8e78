import type * as Jax from '@jax-js/jax'
import type { Contender, Peer } from '../types.js'
import { type Net, precisionOf, type Work } from '../works.js'
import { versionOf } from './version.js'

type Arrays = Jax.Array[]

/** jax-js on its wasm device, every function jit-compiled. It asks the global `navigator` for a GPU, which Node has only
 *  from version 21 on: before that an empty one stands in. */
export async function load(): Promise<Peer> {
  if (globalThis.navigator === undefined) Object.assign(globalThis, { navigator: {} })
  const jax = await import('@jax-js/jax')
  if (!(await jax.init()).includes('wasm')) throw new Error('jax-js has no wasm device here')
  jax.defaultDevice('wasm')
  return {
    name: 'jax-js',
    version: versionOf('@jax-js/jax'),
    prepare(work) {
      // Its f64 arrays need a global that Node has from version 24 on.
      if (precisionOf(work) === 'f64' && !('Float16Array' in globalThis)) return undefined
      const parts = implementation(jax, work)
      return parts && { name: 'jax-js', backend: 'wasm', variant: 'jit', ...parts }
    },
  }
}

type Parts = Omit<Contender, 'name' | 'backend'>

function implementation(jax: typeof Jax, work: Work): Parts | undefined {
  const { numpy: np, nn, lax } = jax
  const put = (data: ArrayLike<number>, shape: number[]) =>
    np.array(data as Float32Array<ArrayBuffer>, {
      shape,
      dtype: data instanceof Float64Array ? np.float64 : np.float32,
    })

  /** A compiled function of arrays that stay where they are. */
  function functional(f: (...args: Arrays) => Jax.Array, ...held: Arrays): Parts {
    const compiled = jax.jit(f) as unknown as (...args: Arrays) => Jax.Array
    const call = () => compiled(...held.map(a => a.ref))
    return {
      runAsync: async () => {
        const y = call()
        await y.blockUntilReady()
        y.dispose()
      },
      result: async () => (await call().data()) as ArrayLike<number>,
      dispose: () => {
        for (const a of held) a.dispose()
      },
    }
  }
  const turned = (x: Jax.Array, t: boolean) => (t ? np.matrixTranspose(x) : x)

  switch (work.kind) {
    case 'matmul': {
      const { m, k, n, transA, transB } = work
      const a = put(work.a, transA ? [k, m] : [m, k])
      const b = put(work.b, transB ? [n, k] : [k, n])
      return functional((a, b) => np.matmul(turned(a!, transA), turned(b!, transB)), a, b)
    }
    case 'map': {
      const f = { exp: np.exp, tanh: np.tanh, gelu: (x: Jax.Array) => nn.gelu(x, { approximate: false }) }[work.op]
      return functional(x => f(x!) as Jax.Array, put(work.x, [work.x.length]))
    }
    case 'add':
      return functional((a, b) => np.add(a!, b!), put(work.a, [work.a.length]), put(work.b, [work.b.length]))
    case 'conv': {
      const { batch, channels, out, size, groups } = work
      if (groups > 1) return undefined
      const x = put(work.x, [batch, channels, size, size])
      const w = put(work.w, [out, channels, 3, 3])
      const conv = (x: Jax.Array, w: Jax.Array) => lax.conv(x, w, [1, 1], 'SAME')
      if (!work.backward) return functional((x, w) => conv(x!, w!), x, w)
      const loss = (x: Jax.Array, w: Jax.Array) => np.square(conv(x, w)).sum().mul(0.5)
      return trees(jax, jax.grad(loss, { argnums: [0, 1] }) as never, [x, w])
    }
    case 'tower': {
      const { x, weights } = netOf(put, work.net)
      return functional((x, ...w) => tower(np, work.net, x!, w), x, ...weights)
    }
    case 'training':
      return training(jax, put, work.net, put(work.target, [work.net.batch, work.net.width]), work.rate)
    case 'taylor':
    case 'network':
    case 'steps':
      return undefined
    default: {
      const x = put(work.x, [work.rows, work.n])
      if (work.kind === 'softmax') return functional(x => nn.softmax(x!, -1), x)
      if (work.kind === 'layerNorm') return functional(x => nn.standardize(x!, -1, { epsilon: 1e-5 }), x)
      const axis = { sum: null, sumRows: 1, sumColumns: 0 }[work.kind]
      return functional(x => np.sum(x!, axis), x)
    }
  }
}

/** A compiled function to several arrays, whose numbers are one after the other. */
function trees(jax: typeof Jax, f: (...args: Arrays) => Arrays, held: Arrays): Parts {
  const compiled = jax.jit(f as never) as unknown as (...args: Arrays) => Arrays
  const call = () => compiled(...held.map(a => a.ref))
  return {
    runAsync: async () => {
      const all = await jax.blockUntilReady(call())
      for (const y of all) y.dispose()
    },
    result: async () => {
      const values: number[] = []
      for (const y of call()) for (const v of (await y.data()) as Float32Array) values.push(v)
      return values
    },
    dispose: () => {
      for (const a of held) a.dispose()
    },
  }
}

function netOf(put: (data: ArrayLike<number>, shape: number[]) => Jax.Array, net: Net) {
  const square = [net.width, net.width]
  const weights = net.first.flatMap((w, l) => [put(w, square), put(net.second[l]!, square)])
  return { x: put(net.x, [net.batch, net.width]), weights }
}

function tower(np: typeof Jax.numpy, { scale }: Net, x: Jax.Array, weights: Arrays): Jax.Array {
  let h = x
  for (let l = 0; l < weights.length; l += 2) {
    h = h.ref.add(np.matmul(np.tanh(np.matmul(h, weights[l]!)), weights[l + 1]!).mul(scale))
  }
  return h
}

function training(
  jax: typeof Jax,
  put: (data: ArrayLike<number>, shape: number[]) => Jax.Array,
  net: Net,
  target: Jax.Array,
  rate: number,
): Parts {
  const { numpy: np } = jax
  const { x, weights } = netOf(put, net)
  let parameters = weights
  const loss = (w: Arrays, x: Jax.Array, target: Jax.Array) => np.square(tower(np, net, x, w).sub(target)).mean()
  const whole = (w: Arrays, x: Jax.Array, target: Jax.Array) => {
    const [value, gradients] = jax.valueAndGrad(loss as never)(
      ...([w.map(p => p.ref), x, target] as never),
    ) as unknown as [Jax.Array, Arrays]
    return [value, ...w.map((p, i) => p.sub(gradients[i]!.mul(rate)))]
  }
  const compiled = jax.jit(whole as never) as unknown as typeof whole
  const step = async () => {
    const [value, ...updated] = await jax.blockUntilReady(compiled(parameters, x.ref, target.ref))
    parameters = updated
    return (value!.dataSync() as Float32Array)[0]!
  }
  const numbers = async (a: Jax.Array) => Array.from((await a.ref.data()) as Float32Array)
  return {
    runAsync: step,
    result: async () => [await step(), ...(await numbers(parameters[0]!)), ...(await numbers(parameters.at(-1)!))],
    dispose: () => {
      for (const a of [x, target, ...parameters]) a.dispose()
    },
  }
}
