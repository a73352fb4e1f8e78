import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Tf from '@tensorflow/tfjs-core'
import { partsAt } from '../networks.js'
import type { Contender, Peer } from '../types.js'
import type { Net, NetworkWork, Work } from '../works.js'
import { fromNhwc, toHwio, toNhwc } from './layouts.js'

/** TensorFlow.js on one of its backends. The wasm backend computes in f32 only and on as many threads as it is told. */
export async function load(backend: 'wasm' | 'cpu'): Promise<Peer> {
  const tf = await import('@tensorflow/tfjs-core')
  // The entry for Node leaves the gradients out. Their file is for bundlers, which find folders and extensions by
  // themselves; so does require under tsx. The registry they join is global. PROD silences an advertisement.
  createRequire(import.meta.url)('@tensorflow/tfjs-core/dist/register_all_gradients.js')
  tf.env().set('PROD', true)
  if (backend === 'wasm') {
    const wasm = await import('@tensorflow/tfjs-backend-wasm')
    const folder = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json'))
    wasm.setWasmPaths(join(folder, 'dist/'))
    wasm.setThreadsCount(1)
  } else {
    await import('@tensorflow/tfjs-backend-cpu')
  }
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs has no ${backend} backend here`)
  await tf.ready()
  const name = `tfjs-${backend}`
  return {
    name,
    version: tf.version_core,
    async prepare(work) {
      await tf.setBackend(backend)
      const parts = work.kind === 'network' ? await network(tf, work, backend) : implementation(tf, work, backend)
      return (
        parts && {
          name,
          backend,
          variant: backend === 'wasm' ? 'SIMD' : '',
          enter: () => tf.setBackend(backend),
          ...parts,
        }
      )
    },
  }
}

type Parts = Omit<Contender, 'name' | 'backend'>

function functional(
  f: () => Tf.Tensor,
  held: readonly Tf.Tensor[],
  read = (y: Tf.Tensor): ArrayLike<number> => y.dataSync(),
): Parts {
  return {
    run: () => f().dispose(),
    result: () => {
      const y = f()
      const values = read(y)
      y.dispose()
      return values
    },
    dispose: () => {
      for (const t of held) t.dispose()
    },
  }
}

function implementation(tf: typeof Tf, work: Exclude<Work, NetworkWork>, backend: string): Parts | undefined {
  if ('dtype' in work && work.dtype === 'f64') return undefined
  switch (work.kind) {
    case 'matmul': {
      const { m, k, n, transA, transB } = work
      const a = tf.tensor2d(work.a as Float32Array, transA ? [k, m] : [m, k])
      const b = tf.tensor2d(work.b as Float32Array, transB ? [n, k] : [k, n])
      return functional(() => tf.matMul(a, b, transA, transB), [a, b])
    }
    case 'map': {
      const x = tf.tensor1d(work.x as Float32Array)
      const gelu = () => tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)))
      return functional({ exp: () => tf.exp(x), tanh: () => tf.tanh(x), gelu }[work.op], [x])
    }
    case 'add': {
      const [a, b] = [tf.tensor1d(work.a), tf.tensor1d(work.b)]
      return functional(() => tf.add(a, b), [a, b])
    }
    case 'conv': {
      if (work.backward) return undefined // the wasm backend has no kernel for the gradient of the filter
      const { batch, channels, out, size, groups } = work
      const depthwise = groups === channels && out === channels
      if (groups > 1 && !depthwise) return undefined
      const x = tf.tensor4d(toNhwc(work.x, batch, channels, size, size), [batch, size, size, channels])
      const hwio = toHwio(work.w, out, channels / groups, 3, 3)
      const w = tf.tensor4d(hwio, depthwise ? [3, 3, channels, 1] : [3, 3, channels, out])
      return functional(
        () => (depthwise ? tf.depthwiseConv2d(x, w, 1, 'same') : tf.conv2d(x, w, 1, 'same')),
        [x, w],
        y => fromNhwc(y.dataSync(), batch, out, size, size),
      )
    }
    case 'tower': {
      if (work.net.dtype === 'f64') return undefined
      const { x, weights } = put(tf, work.net)
      return functional(() => tf.tidy(() => tower(tf, work.net, x, weights)), [x, ...weights])
    }
    case 'training': {
      if (work.net.dtype === 'f64' || backend === 'cpu') return undefined
      const { x, weights } = put(tf, work.net)
      const target = tf.tensor2d(work.target as Float32Array, [work.net.batch, work.net.width])
      const variables = weights.map(w => tf.variable(w))
      const step = () =>
        tf.tidy(() => {
          const { value, grads } = tf.variableGrads(
            () => tf.mean(tf.square(tf.sub(tower(tf, work.net, x, variables), target))) as Tf.Scalar,
            variables,
          )
          for (const v of variables) v.assign(tf.sub(v, tf.mul(grads[v.name]!, work.rate)))
          return value.dataSync()[0]!
        })
      return {
        run: step,
        result: () => [step(), ...variables[0]!.dataSync(), ...variables.at(-1)!.dataSync()],
        dispose: () => {
          for (const t of [x, target, ...weights, ...variables]) t.dispose()
        },
      }
    }
    case 'taylor':
    case 'steps':
      return undefined
    default: {
      const x = tf.tensor2d(work.x, [work.rows, work.n])
      return functional(rows(tf, work.kind, x), [x])
    }
  }
}

/** A layers model of ESRGAN's, whose two layers of its own are written as its authors have them. */
async function network(tf: typeof Tf, work: NetworkWork, backend: string): Promise<Parts | undefined> {
  if (backend === 'cpu') return undefined
  const { layers, loadLayersModel } = await import('@tensorflow/tfjs-layers')
  const only = (inputs: Tf.Tensor | Tf.Tensor[]) => (Array.isArray(inputs) ? inputs[0]! : inputs)
  class MultiplyBeta extends layers.Layer {
    static className = 'MultiplyBeta'
    override call(inputs: Tf.Tensor | Tf.Tensor[]) {
      return tf.mul(only(inputs), 0.2)
    }
  }
  class PixelShuffle2x extends layers.Layer {
    static className = 'PixelShuffle2x'
    override computeOutputShape([b, h, w, c]: number[]) {
      return [b!, 2 * h!, 2 * w!, c! / 4]
    }
    override call(inputs: Tf.Tensor | Tf.Tensor[]) {
      return tf.depthToSpace(only(inputs) as Tf.Tensor4D, 2, 'NHWC')
    }
  }
  for (const layer of [MultiplyBeta, PixelShuffle2x]) tf.serialization.registerClass(layer)
  const load = () => {
    const { topology, weights, data } = partsAt(work.path)
    const artifacts = { modelTopology: topology, weightSpecs: weights, weightData: data }
    return loadLayersModel({ load: async () => artifacts as Tf.io.ModelArtifacts })
  }
  const x = tf.tensor(work.x, [...work.shape])
  const model = await load()
  const pass = (of: typeof model) => tf.tidy(() => (of.predict(x) as Tf.Tensor).dataSync())
  const readAndPass = async () => {
    const fresh = await load()
    const values = pass(fresh)
    fresh.dispose()
    return values
  }
  return {
    ...(work.reading ? { runAsync: readAndPass } : { run: () => pass(model) }),
    result: () => (work.reading ? readAndPass() : pass(model)),
    dispose: () => {
      x.dispose()
      model.dispose()
    },
  }
}

function rows(tf: typeof Tf, kind: string, x: Tf.Tensor2D): () => Tf.Tensor {
  if (kind === 'softmax') return () => tf.softmax(x)
  if (kind === 'sum') return () => tf.sum(x)
  if (kind === 'sumRows') return () => tf.sum(x, 1)
  if (kind === 'sumColumns') return () => tf.sum(x, 0)
  return () =>
    tf.tidy(() => {
      const { mean, variance } = tf.moments(x, 1, true)
      return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)))
    })
}

function put(tf: typeof Tf, net: Net) {
  const x = tf.tensor2d(net.x as Float32Array, [net.batch, net.width])
  const matrix = (data: ArrayLike<number>) => tf.tensor2d(data as Float32Array, [net.width, net.width])
  return { x, weights: net.first.flatMap((w, l) => [matrix(w), matrix(net.second[l]!)]) }
}

function tower(tf: typeof Tf, { scale }: Net, x: Tf.Tensor, weights: readonly Tf.Tensor[]): Tf.Tensor {
  let h = x
  for (let l = 0; l < weights.length; l += 2) {
    h = tf.add(h, tf.mul(tf.matMul(tf.tanh(tf.matMul(h, weights[l]!)), weights[l + 1]!), scale))
  }
  return h
}
