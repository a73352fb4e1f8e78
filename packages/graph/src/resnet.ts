import type { Constant, Graph, Node } from './graph.js'
import { Flow } from './sites.js'
import { structureOf } from './tower.js'

/** A network of `@unravel/resnet`'s family "resnet", as it is in a graph: its configuration and its weights by torchvision's names. */
export interface GraphResnet {
  readonly config: Readonly<Record<string, unknown>>
  readonly weights: ReadonlyMap<string, Constant>
}

/** A convolution, and the batch norm after it. */
interface Layer {
  readonly conv: Node
  readonly norm: Node | undefined
  /** The value that it reads. */
  readonly from: string
}

/**
 * The ResNet in a graph that was `prepared`, of basic blocks or bottlenecks with a ReLU after each addition, batch norms kept or folded
 * into the convolutions. Throws Error that says in a sentence what is other than in a ResNet. Attributes of its operators are
 * not compared with the family's: compare the outputs of both.
 */
export function resnetIn(graph: Graph): GraphResnet {
  const flow = new Flow(graph)
  const { blocks, sites } = structureOf(graph)
  const weights = new Map<string, Constant>()
  const fail = (message: string): never => {
    throw new Error(message)
  }
  const maker = (value: string, ...ops: readonly string[]): Node => {
    const node = flow.makers.get(value)
    if (node !== undefined && ops.includes(node.op)) return node
    return fail(`"${value}" is made by ${node?.op ?? 'no node'}; in a ResNet it is by ${ops.join(' or ')}`)
  }
  const keep = (name: string, value: string | undefined) => {
    if (!value) return
    weights.set(name, graph.constants.get(value) ?? fail(`"${value}" is no constant; in a ResNet it is "${name}"`))
  }
  const layerOf = (value: string): Layer => {
    const last = maker(value, 'BatchNormalization', 'Conv')
    const conv = last.op === 'Conv' ? last : maker(last.inputs[0]!, 'Conv')
    return { conv, norm: last === conv ? undefined : last, from: conv.inputs[0]! }
  }
  const keepLayer = ({ conv, norm }: Layer, convName: string, normName: string) => {
    keep(`${convName}.weight`, conv.inputs[1])
    keep(`${convName}.bias`, conv.inputs[2])
    const parts = ['weight', 'bias', 'running_mean', 'running_var']
    for (const [i, part] of parts.entries()) if (norm) keep(`${normName}.${part}`, norm.inputs[i + 1])
  }
  const channels = ({ conv }: Layer) => graph.constants.get(conv.inputs[1]!)?.shape ?? [0, 0]
  const strideOf = ({ conv }: Layer) => ((conv.attributes.strides as readonly number[] | undefined) ?? [1])[0]!

  if (blocks.length === 0 || blocks.length !== sites.length) fail('not every residual addition is on a chain of blocks')
  const first = blocks[0]!.from
  const pooled = maker(first, 'MaxPool', 'Relu').op === 'MaxPool'
  const stem = layerOf(maker(pooled ? flow.makers.get(first)!.inputs[0]! : first, 'Relu').inputs[0]!)
  if (flow.makers.has(stem.from)) fail('more than one convolution comes before the first block')
  keepLayer(stem, 'conv1', 'bn1')

  const found = blocks.map(({ from, site }, l) => {
    const begin = l === 0 ? from : (graph.nodes.find(n => n.op === 'Relu' && n.inputs[0] === from)?.outputs[0] ?? fail(`no ReLU comes after "${from}"`)) // biome-ignore format: a sentence
    if (site.branches.length !== 1) fail(`"${site.sum}" has ${site.branches.length} branches`)
    let value = site.branches[0]!
    for (let at = flow.factored(flow.makers.get(value)); at; at = flow.factored(flow.makers.get(value))) value = at.of
    const layers = [layerOf(value)]
    while (layers[0]!.from !== begin) layers.unshift(layerOf(maker(layers[0]!.from, 'Relu').inputs[0]!))
    return { begin, layers, down: site.skip === begin ? undefined : layerOf(site.skip), scale: site.scale }
  })
  const depth = found[0]!.layers.length
  if ((depth !== 2 && depth !== 3) || found.some(b => b.layers.length !== depth)) {
    fail(
      `its branches have ${[...new Set(found.map(b => b.layers.length))].join(' and ')} convolutions; expected 2, or 3, in all`,
    )
  }
  const block = depth === 2 ? 'basic' : 'bottleneck'
  const stages: { readonly width: number; count: number }[] = []
  for (const [l, { layers, down, begin }] of found.entries()) {
    const width = channels(layers.at(-1)!)[0]! / (depth === 2 ? 1 : 4)
    const strided = l > 0 && layers.some(layer => strideOf(layer) > 1)
    if (stages.at(-1)?.width !== width || strided) stages.push({ width, count: 0 })
    const name = `layer${stages.length}.${stages.at(-1)!.count++}`
    layers.forEach((layer, i) => keepLayer(layer, `${name}.conv${i + 1}`, `${name}.bn${i + 1}`))
    if (down !== undefined) keepLayer(down, `${name}.downsample.0`, `${name}.downsample.1`)
    if (down !== undefined && down.from !== begin)
      fail(`the shortcut of "${blocks[l]!.name}" has more than a convolution`)
  }

  const output = graph.outputs[0]!.name
  const dense = maker(output, 'Gemm', 'Linear')
  keep('fc.weight', dense.inputs[1])
  keep('fc.bias', dense.inputs[2])
  const all = [stem, ...found.flatMap(b => (b.down ? [...b.layers, b.down] : b.layers))]
  const norm = all.find(layer => layer.norm !== undefined)?.norm
  const middle = found[0]!.layers[1]!
  const groups = depth === 2 ? 1 : ((middle.conv.attributes.group as number | undefined) ?? 1)
  const perGroup = depth === 2 ? 64 : ((channels(middle)[0]! / groups) * 64) / stages[0]!.width
  const scales = found.map(b => b.scale)
  const same = scales.every(s => s === scales[0])
  const config = {
    architecture: 'resnet',
    block,
    layers: stages.map(s => s.count),
    widths: stages.map(s => s.width),
    stem: pooled ? 'imagenet' : 'cifar',
    norm: norm === undefined ? 'none' : 'batch',
    classes: weights.get('fc.weight')!.shape[0],
    in_channels: channels(stem)[1],
    ...(norm !== undefined && { norm_eps: eps(norm) }),
    ...(channels(stem)[0] !== stages[0]!.width && { embedding_size: channels(stem)[0] }),
    ...(groups !== 1 && { groups }),
    ...(perGroup !== 64 && { width_per_group: perGroup }),
    ...(depth === 3 && found.some((b, l) => l > 0 && strideOf(b.layers[0]!) > 1) && { stride_in_1x1: true }),
    scale: same ? { rule: 'constant', value: scales[0] } : { rule: 'per-block', values: scales },
  }
  return { config, weights }
}

const eps = (norm: Node): number => Number(((norm.attributes.epsilon as number | undefined) ?? 1e-5).toPrecision(7))
