import { foldedFor } from '../networks.js'
import type { Contender, Peer } from '../types.js'
import type { Net, NetworkWork, Work } from '../works.js'
import { type Attribute, type OnnxNode, type OnnxTensor, onnxModel } from './onnxModel.js'
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
      if (work.kind === 'network') return network(ort, work)
      const graph = graphOf(work)
      return graph && contender(ort, graph)
    },
  }
}

const modelOf = ({ x, output, constants = [], nodes }: Graph): Uint8Array =>
  onnxModel({ inputs: [{ name: 'x', shape: x.shape }], output, constants, nodes })

const sessionOf = (ort: Ort, model: Uint8Array) =>
  withoutWorker(() =>
    ort.InferenceSession.create(model, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' }),
  )

async function contender(ort: Ort, graph: Graph): Promise<Contender> {
  const { x } = graph
  const session = await sessionOf(ort, modelOf(graph))
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

/** A network from the bytes of an ONNX file; with `reading`, the clock includes the making of the session. */
async function network(ort: Ort, work: NetworkWork): Promise<Contender> {
  const graph = networkGraph(work)
  if (!work.reading) return contender(ort, graph)
  const model = modelOf(graph)
  const once = async () => {
    const one = await sessionOf(ort, model)
    const values = (await one.run({ x: new ort.Tensor('float32', work.x, work.shape) })).y!.data as Float32Array
    await one.release()
    return values
  }
  return { name: 'onnxruntime-web', backend: 'wasm', variant: 'SIMD', runAsync: once, result: once }
}

/** Attributes that are no integers though they may look so. */
const floats: ReadonlySet<string> = new Set(['alpha', 'beta', 'gamma', 'epsilon', 'cubic_coeff_a'])

/** The network as our reader has it, for inputs of the work's shape, with channels first inside. */
function networkGraph(work: NetworkWork): Graph {
  const { inputs, outputs, nodes, constants, declared } = foldedFor(work)
  const renamed = (name: string) => (name === inputs[0]!.name ? 'x' : name === outputs[0]!.name ? 'y' : name)
  return {
    x: { data: work.x, shape: work.shape },
    output: declared.get(outputs[0]!.name)!.shape as number[],
    constants: [...constants].map(([name, constant]) => {
      const { shape, data } = constant.read()
      return { name, shape, data: data as OnnxTensor['data'] }
    }),
    nodes: nodes.map(node => ({
      op: node.op,
      inputs: node.inputs.map(renamed),
      output: renamed(node.outputs[0]!),
      attributes: Object.fromEntries(
        Object.entries(node.attributes as Record<string, number | string | readonly number[]>).map(
          ([key, value]): [string, Attribute] => [
            key,
            typeof value === 'number' && floats.has(key) ? { float: value } : value,
          ],
        ),
      ),
    })),
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

function graphOf(work: Exclude<Work, NetworkWork>): Graph | undefined {
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
      const { batch, channels, out, size, groups: group } = work
      return {
        x: { data: work.x, shape: [batch, channels, size, size] },
        output: [batch, out, size, size],
        constants: [{ name: 'w', shape: [out, channels / group, 3, 3], data: work.w }],
        nodes: [{ op: 'Conv', inputs: ['x', 'w'], output: 'y', attributes: { pads: [1, 1, 1, 1], group } }],
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
