import {
  type Backend,
  defaultBackend,
  FormatError,
  js,
  keep,
  RuleError,
  release,
  ShapeError,
  scope,
  stopGradient,
  type Tensor,
  tensor,
  transpose,
} from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { Call, flowOf, hosted, isFlow, loaded, type Run, shapeOf, type Value } from './call.js'
import { turned } from './constants.js'
import { GraphError } from './errors.js'
import type { ElementType, Graph, HostArray, Node } from './graph.js'
import { doublesOf, isFloat, truncated } from './host.js'
import { computeOf, unsupported } from './operators/table.js'
import { labelOf, readsOf } from './sort.js'

export interface EvaluateOptions {
  /** The dtype of computations with real numbers, of whatever type the file has them (default: f64). */
  readonly dtype?: 'f32' | 'f64'
  /** Default: the backend set by `useBackend`. */
  readonly backend?: Backend
  /** Called with the nodes computed, of all that are needed, of every pass. */
  readonly onNode?: ((done: number, of: number) => void) | undefined
}

/** A given value of a name: a tensor, or numbers in memory. */
export type Given = Tensor | HostArray

/** Sees every value when it is computed. */
export type Observer = (name: string, value: Value) => void

/** A graph, ready to run: constants are converted once, when they are first read. */
export class Evaluator {
  readonly #run: Run
  readonly #onNode: NonNullable<EvaluateOptions['onNode']>
  readonly #constants = new Map<string, Value>()
  readonly #makers = new Map<string, Node>()
  readonly #types: ReadonlyMap<string, ElementType>

  /** Throws GraphError that names every operator that is not supported. */
  constructor(
    readonly graph: Graph,
    { dtype = 'f64', backend = defaultBackend(), onNode = () => {} }: EvaluateOptions = {},
  ) {
    refuseUnsupported(graph)
    this.#onNode = onNode
    if (dtype !== 'f32' && dtype !== 'f64') throw new TypeError(`the dtype of a run is f32 or f64, got ${dtype}`)
    this.#run = { dtype, backend, inner: () => [] }
    for (const node of graph.nodes) for (const output of node.outputs) this.#makers.set(output, node)
    this.#types = new Map([...graph.declared.values(), ...graph.inputs].map(v => [v.name, v.type]))
  }

  /**
   * The values called `wanted`, from those that are `given`: of the graph's inputs, or of any of its values, from which it is
   * then run on. Only what is needed for them is computed, and `observe` sees it. Tensors that are traced are followed. Throws
   * GraphError.
   */
  run(given: Readonly<Record<string, Given>>, wanted: readonly string[], observe?: Observer): Record<string, Value> {
    const values = new Map<string, Value>()
    for (const [name, value] of Object.entries(given)) values.set(name, this.#admitted(name, value))
    if (observe !== undefined) values.forEach((value, name) => observe(name, value))
    return this.runValues(values, wanted, observe)
  }

  /** `run`, of values as operators have them. */
  runValues(
    given: ReadonlyMap<string, Value>,
    wanted: readonly string[],
    observe: Observer = () => {},
  ): Record<string, Value> {
    const env = new Map(given)
    const nodes = this.#needed(wanted, env)
    // A scope disposes what the nodes made, but for what is wanted.
    let results: Record<string, Value> = {}
    scope(() => {
      execute(nodes, env, wanted, this.#run, name => this.#constant(name), observe, this.#onNode)
      // A value may be called "__proto__", which an assignment would not keep.
      results = Object.fromEntries(wanted.map(name => [name, env.get(name) ?? this.#constant(name)!]))
      return Object.values(results).flatMap(v => (isFlow(v) ? [v.tensor] : []))
    })
    return results
  }

  /** Nodes to compute, in order. */
  #needed(wanted: readonly string[], env: ReadonlyMap<string, Value>): Node[] {
    const needed = new Set<Node>()
    const stack = [...wanted]
    while (stack.length > 0) {
      const name = stack.pop()!
      if (env.has(name) || this.graph.constants.has(name)) continue
      const node = this.#makers.get(name)
      if (node === undefined) {
        const info = this.graph.inputs.find(i => i.name === name)
        if (info === undefined) {
          const outputs = this.graph.outputs.slice(0, 8).map(o => `"${o.name}"`)
          throw new GraphError(`the network has no value called "${name}"; its outputs are ${outputs.join(', ')}`)
        }
        throw new GraphError(`the input "${name}" is missing; expected ${described(info.type, info.shape)}`)
      }
      if (needed.has(node)) continue
      needed.add(node)
      stack.push(...readsOf(node))
    }
    return this.graph.nodes.filter(node => needed.has(node))
  }

  #constant(name: string): Value | undefined {
    const before = this.#constants.get(name)
    if (before !== undefined) return before
    const constant = this.graph.constants.get(name)
    if (constant === undefined) return undefined
    const value = loaded(constant, this.#run)
    this.#constants.set(name, value)
    return value
  }

  /** A value from outside: real numbers in the run's dtype, integers in memory. */
  #admitted(name: string, given: Given): Value {
    const info = this.graph.inputs.find(i => i.name === name)
    const type = this.#types.get(name)
    const shape = given.shape
    if (info !== undefined) checkShape(info.name, info.type, info.shape, shape)
    const { dtype, backend } = this.#run
    if (!('level' in given)) {
      const array = type === undefined ? given : converted(name, given, type)
      return isFloat(array.type) ? flowOf(array, this.#run) : array
    }
    const integer = type === undefined ? given.dtype === 'i32' : !isFloat(type)
    // Integers carry no derivatives and no paths.
    if (integer) return hosted({ type: type ?? 'i32', tensor: stopGradient(given) })
    if (given.level > 0) return { type: type ?? 'f32', tensor: given }
    const moved = given.backend === backend ? given : given.to(backend)
    return { type: type ?? 'f32', tensor: moved.to(dtype) }
  }

  /** Frees the constants. */
  dispose(): void {
    for (const value of this.#constants.values()) if (isFlow(value)) value.tensor.dispose()
    this.#constants.clear()
  }
}

function refuseUnsupported(graph: Graph): void {
  const found = unsupported(graph)
  if (found.length === 0) return
  const [first, ...rest] = found
  const others =
    rest.length === 0
      ? ''
      : `; nor are ${rest.map(u => `${u.operator} (${u.nodes.length} nodes: ${u.why})`).join(', ')}`
  throw new GraphError(
    `the operator ${first!.operator} of node "${first!.nodes[0]}" is not supported: ${first!.why}${others}`,
  )
}

const described = (type: ElementType, shape: readonly (number | string | null)[] | undefined): string =>
  `${type}[${shape === undefined ? '...' : shape.map(n => n ?? '?')}]`

function checkShape(
  name: string,
  type: ElementType,
  wanted: readonly (number | string | null)[] | undefined,
  got: readonly number[],
): void {
  if (wanted === undefined) return
  const fits = wanted.length === got.length && wanted.every((n, d) => typeof n !== 'number' || n === got[d])
  if (!fits) throw new GraphError(`the input "${name}" has shape [${got}]; expected ${described(type, wanted)}`)
}

/** Numbers as another element type, which must hold them. Throws GraphError. */
export function converted(name: string, array: HostArray, type: ElementType): HostArray {
  if (array.type === type) return array
  if (isFloat(type)) return { type, shape: array.shape, data: isFloat(array.type) ? array.data : doublesOf(array) }
  const values = isFloat(array.type) ? (array.data as Float64Array) : doublesOf(array)
  const result = truncated(type, array.shape, values)
  const wrong = values.findIndex((v, i) => Number(result.data[i]) !== v)
  if (wrong >= 0)
    throw new GraphError(`the input "${name}" is of ${type}, which does not hold ${values[wrong]} (element ${wrong})`)
  return result
}

/**
 * Computes nodes in order into `env`, and frees values after their last reader. `around` gives constants, and values of the
 * graph around this one.
 */
function execute(
  nodes: readonly Node[],
  env: Map<string, Value>,
  wanted: readonly string[],
  run: Run,
  around: (name: string) => Value | undefined,
  observe: Observer,
  onNode: NonNullable<EvaluateOptions['onNode']> = () => {},
): void {
  const readers = new Map<string, number>()
  const reads = nodes.map(readsOf)
  for (const name of [...reads.flat(), ...wanted]) readers.set(name, (readers.get(name) ?? 0) + 1)
  /** How many values have the numbers: an operator may hand its input on. */
  const holders = new Map<Dense, number>()
  const held = (value: Value): readonly Dense[] => (isFlow(value) ? value.tensor.dense() : [])
  const count = (value: Value, by: number) => {
    for (const d of held(value)) holders.set(d, (holders.get(d) ?? 0) + by)
  }
  const given = new Set(env.keys())
  for (const value of env.values()) count(value, 1)
  const look = (name: string): Value | undefined => env.get(name) ?? around(name)
  const inner: Run['inner'] = (graph, inputs) => {
    const own = new Map(graph.inputs.map((input, i) => [input.name, inputs[i]!]))
    const constants = new Map<string, Value>()
    const names = graph.outputs.map(o => o.name)
    const outside = (name: string) => {
      const constant = graph.constants.get(name)
      if (constant !== undefined && !constants.has(name)) constants.set(name, loaded(constant, run))
      return constants.get(name) ?? look(name)
    }
    execute(graph.nodes, own, names, run, outside, () => {})
    return names.map(name => own.get(name) ?? outside(name)!)
  }
  const forget = (name: string) => {
    const left = (readers.get(name) ?? 0) - 1
    readers.set(name, left)
    const value = env.get(name)
    if (left > 0 || value === undefined || given.has(name)) return
    env.delete(name)
    count(value, -1)
    for (const d of held(value)) if (holders.get(d) === 0) release(d)
  }
  nodes.forEach((node, i) => {
    const inputs = node.inputs.map(name => (name === '' ? undefined : look(name)))
    // Constants of a device that cannot be read are computed with in memory.
    const fixed =
      run.backend.readSync === undefined && inputs.every(v => v === undefined || !isFlow(v) || v.host !== undefined)
    const at: Run = { dtype: run.dtype, backend: fixed ? js() : run.backend, inner }
    const outputs = computed(node, inputs, at)
    node.outputs.forEach((name, j) => {
      const value = outputs[j]
      if (name === '' || value === undefined) return
      env.set(name, value)
      observe(name, value)
      count(value, 1)
    })
    // Values that nothing reads go at once.
    for (const name of [...reads[i]!, ...node.outputs]) {
      if (reads[i]!.includes(name)) forget(name)
      else if (name !== '' && !readers.has(name)) {
        readers.set(name, 1)
        forget(name)
      }
    }
    onNode(i + 1, nodes.length)
  })
}

/** A node's outputs; intermediate tensors of its row are freed. */
function computed(node: Node, inputs: readonly (Value | undefined)[], run: Run): readonly (Value | undefined)[] {
  const compute = computeOf(node)!
  const call = new Call(node, inputs, run)
  let outputs: readonly (Value | undefined)[] = []
  try {
    scope(() => {
      const made = compute(call)
      outputs = Array.isArray(made) ? made : [made as Value]
      return outputs.flatMap(v => (v !== undefined && isFlow(v) ? [v.tensor] : []))
    })
  } catch (error) {
    if (error instanceof GraphError) throw error
    // Refusals of interpreters keep their class.
    if (error instanceof RuleError) throw new RuleError(`${labelOf(node)}: ${error.message}`, { cause: error })
    const known = error instanceof RangeError || error instanceof ShapeError || error instanceof FormatError
    if (!known && !(error instanceof TypeError)) throw error
    const types = inputs.map(v => (v === undefined ? 'absent' : `${v.type}[${shapeOf(v)}]`)).join(', ')
    throw new GraphError(`${labelOf(node)} of ${types}: ${error.message}`, { cause: error })
  }
  node.outputs.forEach((name, i) => {
    if (name !== '' && outputs[i] === undefined) {
      throw new GraphError(`output ${i} of ${labelOf(node)}, "${name}", is not supported`)
    }
  })
  return outputs
}

/**
 * The outputs of a network by name, or those called `options.outputs`, for inputs by name, in the layout of the model. Real
 * numbers are computed in one dtype, whatever the file holds; integers and booleans come as i32. Throws GraphError.
 *
 * `evaluate(graph, { x: tensor([[1, 2]]) }, { dtype: 'f32' })`
 */
export function evaluate(
  graph: Graph,
  inputs: Readonly<Record<string, Given>>,
  options: EvaluateOptions & { readonly outputs?: readonly string[] } = {},
): Record<string, Tensor> {
  for (const name of Object.keys(inputs)) {
    if (!graph.inputs.some(i => i.name === name)) {
      const known = graph.inputs.map(i => `"${i.name}"`).join(', ')
      throw new GraphError(`the network has no input "${name}"; its inputs are ${known}`)
    }
  }
  const evaluator = new Evaluator(graph, options)
  const wanted = options.outputs ?? graph.outputs.map(o => o.name)
  let results: Record<string, Tensor> = {}
  scope(() => {
    const views = wanted.map(name => graph.views?.get(name) ?? { of: name, order: [] })
    const values = evaluator.run(inputs, [...new Set(views.map(v => v.of))])
    const outputs = wanted.map((name, i): [string, Tensor] => {
      const { of, order } = views[i]!
      return [name, asTensor(name, ordered(values[of]!, order), options.backend ?? defaultBackend())]
    })
    results = Object.fromEntries(outputs)
    return results
  })
  for (const value of Object.values(results)) keep(value)
  // A traced run may be differentiated later.
  if (Object.values(results).every(value => value.level === 0)) evaluator.dispose()
  return results
}

/** A value with its axes in an order; as it is where none is given. */
function ordered(value: Value, order: readonly number[]): Value {
  if (order.every((axis, i) => axis === i)) return value
  if (isFlow(value)) return { type: value.type, tensor: transpose(value.tensor, order) }
  return turned({ ...value, read: () => value }, order).read()
}

/** A value as callers get it: i32 where it is no real number. */
export function asTensor(name: string, value: Value, backend: Backend): Tensor {
  if (isFlow(value)) {
    const { tensor, type } = value
    // A handle of its own: an output may be an input, or a constant.
    return tensor.level > 0 ? tensor : tensor.to(isFloat(type) ? tensor.dtype : 'i32')
  }
  const { type, shape, data } = value
  const wide = (data as ArrayLike<number | bigint> & Iterable<number | bigint>)[Symbol.iterator]()
  for (let i = 0, next = wide.next(); !next.done; i++, next = wide.next()) {
    if (BigInt.asIntN(32, BigInt(next.value)) !== BigInt(next.value)) {
      throw new GraphError(
        `the output "${name}", ${type}[${shape}], has ${next.value} at ${i}, which i32 does not hold`,
      )
    }
  }
  return tensor(Int32Array.from(data as ArrayLike<number>, Number), { shape, backend })
}
