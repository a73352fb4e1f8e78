import type { Tower } from '@unravel/resnet'
import { concat, narrow, type Tensor } from '@unravel/tensor'
import { hosted, isFlow } from './call.js'
import { GraphError } from './errors.js'
import { converted, type EvaluateOptions, Evaluator, type Given } from './evaluate.js'
import { constantOf, folded, live } from './fold.js'
import { withFrozen } from './freeze.js'
import { type Graph, type HostArray, isConstant, type Node } from './graph.js'
import { elementsOf, isFloat } from './host.js'
import { OWN } from './operators/table.js'
import { recognised } from './recognise.js'
import { cutsOf, Flow, type Site, type SkipKind, sitesIn } from './sites.js'
import { labelOf, readsOf } from './sort.js'

/** A part of a graph: from one of its values to another. */
export interface Part {
  readonly from: string
  readonly to: string
  /** Names of its operators with their counts. */
  readonly operators: Readonly<Record<string, number>>
}

/** A block of the tower: from the sum of the one before, or the end of the encoder, to its own sum. Nodes between the first sum and
 *  the beginning of the branch, such as an activation after the addition, are in its skip and in its branch. */
export interface GraphBlock extends Part {
  readonly name: string
  readonly site: Site
  /** Of the whole way from the beginning of the block to its addition. */
  readonly skip: SkipKind
  readonly scale: number
}

/** Cuts, sites and blocks found in a graph. */
export interface Structure {
  /** Values through which all paths pass. */
  readonly cuts: readonly string[]
  /** Residual additions. */
  readonly sites: readonly Site[]
  /** The sites whose sums are cuts: a chain. */
  readonly blocks: readonly GraphBlock[]
  /** The parts before and after the chain; null without a chain. */
  readonly encoder: Part | null
  readonly decoder: Part | null
}

/** Operators of nodes, those of other vocabularies than ONNX's with its name before. */
export function countsOf(nodes: readonly Node[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const { op, domain } of nodes) {
    const name = domain === '' || domain === OWN ? op : `${domain}.${op}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)))
}

/** The residual structure of a graph. Spelled-out composites are recognised, and shapes known, after `prepared`. */
export function structureOf(graph: Graph): Structure {
  return structureIn(new Flow(live(graph)))
}

function structureIn(flow: Flow): Structure {
  const { graph, makers } = flow
  const cuts = cutsOf(flow)
  const sites = sitesIn(flow)
  const onCut = new Map(sites.map(site => [site.sum, site]))
  const chain: { readonly start: string; readonly site: Site }[] = []
  cuts.forEach((cut, i) => {
    const site = onCut.get(cut)
    const start = chain.at(-1)?.site.sum ?? cuts[i - 1]
    if (site !== undefined && start !== undefined && isReal(graph, start)) chain.push({ start, site })
  })
  const nodes = (from: string, ...to: readonly string[]) => between(flow, from, to)
  const part = (from: string, ...to: readonly string[]): Part => ({
    ...{ from, to: to[0] ?? from },
    operators: countsOf(nodes(from, ...to)),
  })
  const kindOf = (from: string, to: string): SkipKind => {
    const steps = nodes(from, to).map(node => flow.step(node))
    return steps.includes('nonlinear') ? 'nonlinear' : steps.includes('projection') ? 'projection' : 'identity'
  }
  const blocks = chain.map(
    ({ start, site }): GraphBlock => ({
      ...part(start, site.sum),
      ...{ name: site.name, site, skip: kindOf(start, site.skip), scale: site.scale },
    }),
  )
  if (blocks.length === 0) return { cuts, sites, blocks, encoder: null, decoder: null }
  const outputs = graph.outputs.map(o => o.name).filter(name => makers.has(name))
  const [first, last] = [blocks[0]!, blocks.at(-1)!]
  const inputs = flow.order.filter(name => !makers.has(name))
  const encoder = { ...part(first.from), from: inputs[0]!, operators: countsOf(nodes('', first.from)) }
  return { cuts, sites, blocks, encoder, decoder: part(last.to, ...outputs) }
}

/** Whether a value is of real numbers, as far as the graph says. */
function isReal(graph: Graph, name: string): boolean {
  const type = graph.declared.get(name)?.type ?? graph.inputs.find(i => i.name === name)?.type
  return type === undefined || isFloat(type)
}

/** The last cut before all residual additions. */
function startOf(flow: Flow, { cuts, sites }: Structure): string {
  const first = Math.min(...sites.map(site => flow.place(site.from)!))
  return cuts.findLast(cut => flow.place(cut)! <= first)!
}

/** The nodes that compute values from another one, data of the inputs only, in order. */
function between(flow: Flow, from: string, to: readonly string[]): Node[] {
  const found = new Set<Node>()
  const stack = [...to]
  while (stack.length > 0) {
    const name = stack.pop()!
    const node = name === from ? undefined : flow.makers.get(name)
    if (node === undefined || found.has(node)) continue
    found.add(node)
    stack.push(...flow.reads(node))
  }
  return flow.graph.nodes.filter(node => found.has(node))
}

/** How many numbers a network has learned: real constants, single numbers within nodes apart. */
export function parametersIn(whole: Graph): number {
  const graph = live(whole)
  const inside = graph.nodes.filter(n => n.op === 'Constant' && n.domain === '').flatMap(n => n.attributes.value ?? [])
  const counts = [...[...graph.constants.values()].map(c => [c, 1] as const), ...inside.map(c => [c, 2] as const)].map(
    ([constant, least]) => {
      if (!isConstant(constant) || !isFloat(constant.type)) return 0
      const count = elementsOf(constant.shape)
      return count < least ? 0 : count
    },
  )
  return counts.reduce((a, b) => a + b, 0)
}

/** The structure of a graph for inputs of these shapes, and the input of several that is expanded. */
export function looked(
  whole: Graph,
  inputs: Readonly<Record<string, Given>>,
  { output, ...options }: EvaluateOptions & { readonly output?: string | undefined } = {},
): { readonly structure: Structure; readonly input: string } {
  return streamOf(whole, output === undefined ? live(whole) : ofOutput(whole, output), inputs, options)
}

/** The graph for inputs of these shapes, its spelled-out composites recognised, in which the structure is sought. */
export function prepared(graph: Graph, inputs: Readonly<Record<string, Given>>, options: EvaluateOptions = {}): Graph {
  return recognised(folded(graph, inputs, options))
}

/** A graph whose residual branches are marked. */
interface Marked {
  readonly graph: Graph
  /** Of every sum the branch without its scale. */
  readonly branches: ReadonlyMap<string, string>
}

/** The graph with `skip + branch(F, λ)` in place of every residual addition: λ is taken out of F where it is a constant factor
 *  at its end. */
function marked(graph: Graph, sites: readonly Site[], scales: readonly number[]): Marked {
  const flow = new Flow(graph)
  const bySum = new Map(sites.map((site, i) => [site.sum, { site, scale: scales[i]! }]))
  const branches = new Map<string, string>()
  const own = (op: string, name: string, inputs: readonly string[], attributes: Node['attributes'] = {}): Node => ({
    ...{ op, name, inputs, attributes },
    ...{ domain: op === 'Branch' ? OWN : '', version: 13, outputs: [name] },
  })
  /** A value without the constant factors that it ends with; nodes that rearrange it are repeated. */
  const unscaled = (name: string, within: string, added: Node[]): string => {
    if (flow.factor(name) === 1) return name
    const node = flow.makers.get(name)!
    const { of, factor } = flow.factored(node)!
    const inner = unscaled(of, within, added)
    if (factor !== 1) return inner
    const copy = `${within}/${name}`
    const inputs = node.inputs.map(input => (input === of ? inner : input))
    added.push({ ...node, name: copy, inputs, outputs: node.outputs.map(o => (o === name ? copy : '')) })
    return copy
  }
  const nodes = graph.nodes.flatMap(node => {
    const found = node.outputs.map(o => bySum.get(o)).find(f => f !== undefined)
    if (found === undefined) return [node]
    const { site, scale } = found
    const { sum } = site
    const added: Node[] = []
    const ends = site.branches.map(name => (site.scale === 1 ? name : unscaled(name, sum, added)))
    const branch = ends.length === 1 ? ends[0]! : `${sum}/branches`
    if (ends.length > 1) added.push(own('Sum', branch, ends))
    branches.set(sum, branch)
    const end = own('Branch', `${sum}/branch`, [branch], { scale })
    return [...added, end, { ...own('Add', node.name, [site.skip, end.name]), outputs: [sum] }]
  })
  return { graph: withFrozen(live({ ...graph, nodes })), branches }
}

export interface TowerOptions extends EvaluateOptions {
  /** The output that is taken apart, or an inner value; needed where there are several. */
  readonly output?: string | undefined
  /** The sites that orders count: blocks between cuts, or all residual additions. Default: blocks where there are any. */
  readonly sites?: 'blocks' | 'all' | undefined
  /** λ_1..λ_n in place of those of the graph, which are `own`, for so many blocks, or additions. */
  readonly scales?: ((count: number, own: readonly number[]) => readonly number[]) | undefined
}

/** A network from a graph as what can be expanded. */
export interface GraphTower {
  readonly tower: Tower
  /** The `sites` that an expansion of it takes. */
  readonly sites: 'blocks' | 'all'
  /** The input that is expanded; the others are held fixed. */
  readonly input: string
  readonly output: string
  readonly structure: Structure
  /** The graph that runs: for the shapes of the inputs, composites recognised. */
  readonly graph: Graph
}

/**
 * The residual tower in a graph, for inputs of these shapes: a block for every residual addition through which all paths pass, with
 * its branch without λ; of a network that is no chain of such, a tower without blocks whose map marks every addition (`sites:
 * 'all'` of an expansion counts these). The tower takes batches of other sizes too.
 *
 * Of several inputs one is expanded, that which gives most blocks (the first of equals); the others are constants. Of one of integers
 * it may be an embedding, beside which masks, positions and other embeddings are constants that each batch makes anew.
 *
 * @throws GraphError where there are several outputs and none is named, no residual addition, or no chain of them for `sites:
 *   'blocks'`
 */
export function towerOfGraph(
  whole: Graph,
  inputs: Readonly<Record<string, Given>>,
  { output, sites: wanted, scales, ...options }: TowerOptions = {},
): GraphTower {
  const one = ofOutput(whole, output)
  const { input, graph, structure, beside } = streamOf(whole, one, inputs, options)
  const { blocks, sites } = structure
  if (sites.length === 0) throw new GraphError(whyNoSites(structure))
  const kind = wanted ?? (blocks.length > 0 ? 'blocks' : 'all')
  if (kind === 'blocks' && blocks.length === 0) throw new GraphError(whyNoBlocks(structure))
  const target = one.outputs[0]!.name
  // Additions between the blocks are part of the skip and of the branch after them, and those before of the encoder, where nothing is
  // counted: a chain counts all of them where all are blocks, or inside of branches.
  const onChain = new Set(blocks.map(block => block.to))
  const chained = blocks.length > 0 && (kind === 'blocks' || sites.every(s => s.level > 0 || onChain.has(s.sum)))
  const start = chained ? blocks[0]!.from : startOf(new Flow(graph), structure)
  const own = (kind === 'blocks' ? blocks : sites).map(site => site.scale)
  const given = scales?.(own.length, own) ?? own
  const scaleOf = new Map((kind === 'blocks' ? blocks.map(b => b.site) : sites).map((site, i) => [site.sum, given[i]!]))
  const all = sites.map(site => scaleOf.get(site.sum) ?? site.scale)
  const ready = (given: Readonly<Record<string, Given>>) => readied(one, given, input, beside, options)
  const runs = new Runs(graph, ready, { inputs, input, beside }, g => marked(g, sites, all), options)
  const from = (begin: string, end: string) => (h: Tensor) => runs.map(begin, end, h)
  const tower: Tower = {
    encode: x => runs.encode(x, start),
    blocks: (chained ? blocks : []).map(({ from: begin, site, skip }) => ({
      scale: scaleOf.get(site.sum)!,
      branch: from(begin, runs.branches.get(site.sum)!),
      ...(skip === 'identity' && site.skip === begin ? {} : { skip: from(begin, site.skip) }),
    })),
    names: chained ? blocks.map(b => b.name) : undefined,
    decode: from(chained ? blocks.at(-1)!.to : start, target),
  }
  return { tower, sites: kind, input, output: output ?? target, structure, graph }
}

/** The graph with one output, by its name or the only one, and what is needed for it. Throws GraphError. */
export function ofOutput(graph: Graph, output: string | undefined): Graph {
  const names = graph.outputs.map(o => `"${o.name}"`).join(', ')
  if (output === undefined && graph.outputs.length !== 1) {
    throw new GraphError(`the network has ${graph.outputs.length} outputs: name one of them, ${names}`)
  }
  const name = output ?? graph.outputs[0]!.name
  const declared = graph.outputs.find(o => o.name === name)
  if (declared !== undefined) return live({ ...graph, outputs: [declared] })
  // Inner values have the layout of the file, which the graph may have turned.
  const { of, order } = graph.views?.get(name) ?? { of: name, order: [] }
  if (!graph.nodes.some(node => node.outputs.includes(of)))
    throw new GraphError(`no node computes a value called "${name}"; the outputs are ${names}`)
  if (order.every((axis, i) => axis === i)) return live({ ...graph, outputs: [{ name: of, type: 'f32' }] })
  const turned: Node = {
    ...{ op: 'Transpose', domain: '', version: 13, name: `${name}/view`, attributes: { perm: order } },
    ...{ inputs: [of], outputs: [`${name}/view`] },
  }
  return live({ ...graph, nodes: [...graph.nodes, turned], outputs: [{ name: turned.outputs[0]!, type: 'f32' }] })
}

const inMemory = (given: Given): HostArray => {
  if (!('level' in given)) return given
  const data = given.dataSync()
  return { type: given.dtype, shape: given.shape, data: data as HostArray['data'] }
}

/** The graph as a function of one of its inputs, the others held fixed. */
function ofInput(graph: Graph, inputs: Readonly<Record<string, Given>>, input: string): Graph {
  const others = graph.inputs.filter(i => i.name !== input && Object.hasOwn(inputs, i.name))
  const constants = new Map(graph.constants)
  for (const { name, type } of others) {
    const array = converted(name, inMemory(inputs[name]!), type)
    constants.set(name, { type: array.type, shape: array.shape, read: () => array })
  }
  return { ...graph, constants, inputs: graph.inputs.filter(i => !others.includes(i)) }
}

/** The real values that are computed from integers alone, such as embeddings and masks. */
function embeddingsOf(graph: Graph): string[] {
  const { order, makers } = new Flow(graph)
  const isEmbedding = (name: string) =>
    isReal(graph, name) && readsOf(makers.get(name)!).every(read => !makers.has(read) || !isReal(graph, read))
  return order.filter(name => makers.has(name) && isEmbedding(name))
}

/** The graph as a function of one of its values, `beside` which all others are constants where it meets them: masks and positions,
 *  which an input of integers decides too, and other embeddings. */
function withFixed(
  graph: Graph,
  beside: string,
  inputs: Readonly<Record<string, Given>>,
  options: EvaluateOptions,
): Graph {
  const flow = new Flow(graph)
  const isAfter = (name: string) => flow.place(name) !== undefined && flow.comesFrom(name, beside)
  const after = new Set(graph.nodes.filter(node => node.outputs.some(isAfter)))
  const isFixed = (name: string) => name !== beside && flow.place(name) !== undefined && !isAfter(name)
  const names = [...new Set([...after].flatMap(node => node.inputs.filter(isFixed)))]
  const evaluator = new Evaluator(graph, options)
  const values = evaluator.run(inputs, names)
  const constants = new Map(graph.constants)
  for (const name of names) constants.set(`${name}/fixed`, constantOf(hosted(values[name]!)))
  for (const value of Object.values(values)) if (isFlow(value)) value.tensor.dispose()
  evaluator.dispose()
  const nodes = graph.nodes.map(node =>
    after.has(node) ? { ...node, inputs: node.inputs.map(name => (isFixed(name) ? `${name}/fixed` : name)) } : node,
  )
  return live({ ...graph, nodes, constants })
}

/** The graph that runs, as a function of one of its inputs, or of a value computed from it. */
function readied(
  graph: Graph,
  inputs: Readonly<Record<string, Given>>,
  input: string,
  beside: string | undefined,
  options: EvaluateOptions,
): Graph {
  const own = graph.inputs.length === 1 ? graph : ofInput(graph, inputs, input)
  const ready = prepared(own, inputs, options)
  return beside === undefined ? ready : withFixed(ready, beside, inputs, options)
}

/** A structure under the names of the file: a reader that turns the axes of a value, or gives a layer's name to the output of its last
 *  operator, makes copies of values under names that theirs begin with. */
function named(structure: Structure, { nodes }: Graph): Structure {
  const copies = new Map<string, string>()
  for (const { op, domain, inputs, outputs } of nodes) {
    const [from, to] = [inputs[0], outputs[0]]
    if (domain === '' && (op === 'Identity' || op === 'Transpose') && from?.startsWith(`${to}/`)) copies.set(from, to!)
  }
  const nameOf = (value: string) => {
    let name = value
    for (let next = copies.get(name); next !== undefined; next = copies.get(name)) name = next
    return name
  }
  const renamed = (site: Site): Site => ({ ...site, name: nameOf(site.sum) })
  const { encoder, decoder } = structure
  return {
    ...structure,
    encoder: encoder && { ...encoder, to: nameOf(encoder.to) },
    decoder: decoder && { ...decoder, from: nameOf(decoder.from) },
    sites: structure.sites.map(renamed),
    blocks: structure.blocks.map(block => ({ ...block, name: nameOf(block.site.sum), site: renamed(block.site) })),
  }
}

/** What can be taken apart: a function of one input, as it is or, of integers, from one of its real values on. */
interface Stream {
  readonly input: string
  readonly graph: Graph
  readonly structure: Structure
  /** The real value of an input of integers beside which all others are held fixed. */
  readonly beside?: string
}

/** The stream to expand: the first of those that give most blocks, or else most additions. */
function streamOf(
  whole: Graph,
  graph: Graph,
  inputs: Readonly<Record<string, Given>>,
  options: EvaluateOptions,
): Stream {
  const read = new Set(graph.nodes.flatMap(readsOf))
  const candidates = graph.inputs.filter(i => read.has(i.name))
  if (candidates.length === 0) throw new GraphError('the output depends on no input')
  const found = candidates.flatMap(({ name, type }): Stream[] => {
    const ready = readied(graph, inputs, name, undefined, options)
    const stream = { input: name, graph: ready, structure: named(structureOf(ready), whole) }
    if (isFloat(type)) return [stream]
    const others = embeddingsOf(ready).map((beside): Stream => {
      const fixed = withFixed(ready, beside, inputs, options)
      return { input: name, graph: fixed, structure: named(structureOf(fixed), whole), beside }
    })
    return [stream, ...others]
  })
  // Integers have no paths: a stream begins at a real value.
  const begins = ({ graph: own, structure }: Stream) =>
    structure.sites.length > 0 && isReal(own, startOf(new Flow(own), structure))
  const size = (stream: Stream) => {
    const { blocks, sites } = stream.structure
    return [begins(stream) ? 1 : 0, blocks.length, sites.length] as const
  }
  return found.reduce((best, next) => {
    const [p, q] = [size(best), size(next)]
    const at = p.findIndex((n, i) => n !== q[i])
    return at >= 0 && q[at]! > p[at]! ? next : best
  })
}

const some = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : `${names.length} (${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''})`

/** Why a network without blocks has none. */
export const whyNoBlocks = ({ cuts, sites }: Structure): string =>
  `no chain of residual blocks: no residual addition is a value that all paths pass; residual additions: ${some(sites.map(s => s.name))}; values that all paths pass: ${some(cuts)}`
export const whyNoSites = ({ cuts }: Structure): string =>
  `no residual addition of two values of which one is computed from the other; values that all paths pass: ${some(cuts)}`

/** What is counted beside blocks, or could be, in words; nothing where all additions are blocks. */
export function countedText(counted: 'blocks' | 'all', { blocks, sites }: Structure): string | undefined {
  if (counted === 'all') return 'all residual additions, nested ones and those outside of a chain too'
  const more = sites.length - blocks.length
  return more === 0 ? undefined : `blocks that all paths pass; --sites all counts ${more} more residual additions`
}

/** A marked graph and what runs it, for one shape of the input. */
interface Variant {
  readonly graph: Graph
  readonly evaluator: Evaluator
  readonly shapes: ReadonlyMap<string, string>
  /** The input whose numbers are in its constants; undefined where none are. */
  readonly x: string | undefined
}

/** Runs parts of a graph; shapes that it computes with are those of the input, so that each shape of it has a graph of its own. */
class Runs {
  readonly branches: ReadonlyMap<string, string>
  readonly #variants: Variant[] = []

  constructor(
    first: Graph,
    readonly ready: (inputs: Readonly<Record<string, Given>>) => Graph,
    readonly stream: Pick<Stream, 'input' | 'beside'> & { readonly inputs: Readonly<Record<string, Given>> },
    readonly mark: (graph: Graph) => Marked,
    readonly options: EvaluateOptions,
  ) {
    this.branches = this.#add(first, this.#numbers(stream.inputs[stream.input]!))
  }

  /** The numbers of an input that decide what is fixed beside the stream. */
  #numbers(x: Given): string | undefined {
    if (this.stream.beside === undefined) return undefined
    const { shape, data } = inMemory(x)
    return `${shape}: ${data}`
  }

  #add(ready: Graph, x: string | undefined): ReadonlyMap<string, string> {
    const { graph, branches } = this.mark(ready)
    const infos = [...graph.declared.values(), ...graph.inputs]
    const shapes = new Map(infos.map(info => [info.name, String(info.shape)]))
    // The last one comes first: of those for one shape the one that was encoded last runs.
    this.#variants.unshift({ graph, evaluator: new Evaluator(graph, this.options), shapes, x })
    return branches
  }

  #run({ evaluator }: Variant, from: string, to: string, h: Tensor): Tensor {
    if (from === to) return h
    const value = evaluator.run({ [from]: h }, [to])[to]!
    if (isFlow(value) && isFloat(value.type)) return value.tensor
    throw new GraphError(`"${to}" is of ${value.type}; only real numbers are sums of paths: take apart another output`)
  }

  /** Outputs for a batch: at once where the graph is for its size, else for batches of that size one after the other. */
  #batched(from: string, to: string, h: Tensor): Tensor | undefined {
    const [batch = 1, ...rest] = h.shape
    const own = this.#variants.find(({ shapes }) => shapes.get(from) === String(h.shape))
    if (own !== undefined) return this.#run(own, from, to, h)
    for (const variant of this.#variants) {
      const [size, ...others] = (variant.shapes.get(from) ?? '').split(',').map(Number)
      if (!size || batch % size !== 0 || String(others) !== String(rest)) continue
      const parts = Array.from({ length: batch / size }, (_, i) => narrow(h, 0, i * size, size))
      return concat(
        parts.map(part => this.#run(variant, from, to, part)),
        0,
      )
    }
    return undefined
  }

  encode(x: Tensor, to: string): Tensor {
    const { inputs, input } = this.stream
    const numbers = this.#numbers(x)
    const at = this.#variants.findIndex(v => v.x === numbers)
    if (at > 0) this.#variants.unshift(...this.#variants.splice(at, 1))
    const done = at < 0 ? undefined : this.#batched(input, to, x)
    if (done !== undefined) return done
    this.#add(this.ready({ ...inputs, [input]: x }), numbers)
    return this.#run(this.#variants[0]!, input, to, x)
  }

  map(from: string, to: string, h: Tensor): Tensor {
    const done = this.#batched(from, to, h)
    if (done !== undefined) return done
    const maker = this.#variants[0]!.graph.nodes.find(node => node.outputs.includes(from))
    const what = maker === undefined ? `the input "${from}"` : `what ${labelOf(maker)} makes`
    throw new GraphError(`${what} has no shape [${h.shape}] on the inputs so far`)
  }
}
