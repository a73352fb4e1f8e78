import type { Contender, Peer } from '../types.js'
import type { Net, Work } from '../works.js'
import { type OnnxNode, type OnnxTensor, onnxModel } from './onnxModel.js'
import { versionOf } from './version.js'

type Ort = typeof import('onnxruntime-web')

interface Graph {
  readonly x: { readonly data: Float32Array; readonly shape: readonly number[] }
  readonly output: readonly number[]
  readonly constants?: readonly OnnxTensor[]
  readonly nodes: readonly OnnxNode[]
}

/** onnxruntime-web, wasm provider, one thread: each work is a graph written here, weights its constants. */
export async function load(): Promise<Peer> {
  const ort = await import('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'error'
  return {
    name: 'onnxruntime-web',
    version: versionOf('onnxruntime-web'),
    async prepare(work) {
      const graph = graphOf(work)
      return graph && contender(ort, graph)
    },
  }
}

async function contender(ort: Ort, { x, output, constants, nodes }: Graph): Promise<Contender> {
  const model = onnxModel({ inputs: [{ name: 'x', shape: x.shape }], output, constants: constants ?? [], nodes })
  const session = await withoutWorker(() =>
    ort.InferenceSession.create(model, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' }),
  )
  const feeds = { x: new ort.Tensor('float32', x.data, x.shape) }
  return {
    name: 'onnxruntime-web',
    backend: 'wasm',
    variant: 'SIMD',
    runAsync: () => session.run(feeds),
    result: async () => (await session.run(feeds)).y!.data as Float32Array,
    dispose: () => session.release(),
  }
}

/** onnxruntime-web leaves a global `Worker` behind in Node, by which other peers think that they are in a browser. */
async function withoutWorker<T>(body: () => Promise<T>): Promise<T> {
  const had = 'Worker' in globalThis
  try {
    return await body()
  } finally {
    if (!had) Reflect.deleteProperty(globalThis, 'Worker')
  }
}

const scalar = (name: string, value: number): OnnxTensor => ({ name, shape: [], data: Float32Array.of(value) })

function graphOf(work: Work): Graph | undefined {
  switch (work.kind) {
    case 'matmul': {
      if (work.dtype === 'f64' || work.transA || work.transB) return undefined
      const { m, k, n } = work
      return {
        x: { data: work.a as Float32Array, shape: [m, k] },
        output: [m, n],
        constants: [{ name: 'b', shape: [k, n], data: work.b as Float32Array }],
        nodes: [{ op: 'MatMul', inputs: ['x', 'b'], output: 'y' }],
      }
    }
    case 'map': {
      if (work.dtype === 'f64') return undefined
      const op = { exp: 'Exp', tanh: 'Tanh', gelu: 'Gelu' }[work.op]
      const shape = [work.x.length]
      return { x: { data: work.x as Float32Array, shape }, output: shape, nodes: [{ op, inputs: ['x'], output: 'y' }] }
    }
    case 'add': {
      const shape = [work.a.length]
      return {
        x: { data: work.a, shape },
        output: shape,
        constants: [{ name: 'b', shape, data: work.b }],
        nodes: [{ op: 'Add', inputs: ['x', 'b'], output: 'y' }],
      }
    }
    case 'conv': {
      if (work.backward) return undefined
      const { batch, channels, out, size } = work
      return {
        x: { data: work.x, shape: [batch, channels, size, size] },
        output: [batch, out, size, size],
        constants: [{ name: 'w', shape: [out, channels, 3, 3], data: work.w }],
        nodes: [{ op: 'Conv', inputs: ['x', 'w'], output: 'y', attributes: { pads: [1, 1, 1, 1] } }],
      }
    }
    case 'tower':
      return work.net.dtype === 'f64' ? undefined : towerGraph(work.net)
    case 'softmax':
    case 'layerNorm': {
      const shape = [work.rows, work.n]
      const x = { data: work.x, shape }
      if (work.kind === 'softmax') {
        return { x, output: shape, nodes: [{ op: 'Softmax', inputs: ['x'], output: 'y', attributes: { axis: 1 } }] }
      }
      const attributes = { axis: 1, epsilon: { float: 1e-5 } }
      const ones = { name: 'w', shape: [work.n], data: new Float32Array(work.n).fill(1) }
      const nodes = [{ op: 'LayerNormalization', inputs: ['x', 'w'], output: 'y', attributes }]
      return { x, output: shape, constants: [ones], nodes }
    }
    case 'sum':
    case 'sumRows':
    case 'sumColumns': {
      const axes = { sum: [0n, 1n], sumRows: [1n], sumColumns: [0n] }[work.kind]
      const output = { sum: [], sumRows: [work.rows], sumColumns: [work.n] }[work.kind]
      return {
        x: { data: work.x, shape: [work.rows, work.n] },
        output,
        constants: [{ name: 'axes', shape: [axes.length], data: BigInt64Array.from(axes) }],
        nodes: [{ op: 'ReduceSum', inputs: ['x', 'axes'], output: 'y', attributes: { keepdims: 0 } }],
      }
    }
    default:
      return undefined
  }
}

function towerGraph({ depth, width, batch, scale, x, first, second }: Net): Graph {
  const constants: OnnxTensor[] = [scalar('scale', scale)]
  const nodes: OnnxNode[] = []
  const shape = [width, width]
  let h = 'x'
  for (let l = 0; l < depth; l++) {
    constants.push({ name: `w${l}`, shape, data: first[l] as Float32Array })
    constants.push({ name: `v${l}`, shape, data: second[l] as Float32Array })
    const next = l === depth - 1 ? 'y' : `h${l}`
    nodes.push({ op: 'MatMul', inputs: [h, `w${l}`], output: `u${l}` })
    nodes.push({ op: 'Tanh', inputs: [`u${l}`], output: `t${l}` })
    nodes.push({ op: 'MatMul', inputs: [`t${l}`, `v${l}`], output: `b${l}` })
    nodes.push({ op: 'Mul', inputs: [`b${l}`, 'scale'], output: `s${l}` })
    nodes.push({ op: 'Add', inputs: [h, `s${l}`], output: next })
    h = next
  }
  return { x: { data: x as Float32Array, shape: [batch, width] }, output: [batch, width], constants, nodes }
}
