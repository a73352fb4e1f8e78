import { shown } from '@unravel/tensor/internals'
import type { Constant, Dimension, ElementType, Graph, ValueInfo } from '../graph.js'
import { reasons } from '../operators/table.js'
import { Builder } from './builder.js'
import { fail, field, integer, isRecord, type Json, list, record, text } from './json.js'
import { type CustomLayer, LayerCall, LayerRefusal, layers as rows, wellKnown } from './layers.js'

// A layers model: the configuration of a Keras model (of Keras 2 or 3), and weights by the names of its layers.

/** Models in models: as deep as real files go, and shallower than the call stack. */
const MOST_DEPTH = 16

export type CustomLayers = Readonly<Record<string, CustomLayer>>

const models: ReadonlySet<string> = new Set(['Sequential', 'Functional', 'Model'])

/** Name of a layer's class in a file, without the package that it is registered in. */
const classOf = (layer: Json): string => {
  const name = text(field(layer, 'class_name'), 'the class of a layer')
  return name.slice(name.lastIndexOf('>') + 1)
}

const configOf = (layer: Json): Json =>
  record(field(layer, 'config') ?? {}, `the configuration of a ${shown(classOf(layer))}`)

const nameOf = (layer: Json): string => text(field(layer, 'name') ?? field(configOf(layer), 'name'), `the name of a ${shown(classOf(layer))}`) // biome-ignore format: short

/** A value of a layer: which of its applications, and which of the values that this makes. */
interface Reference {
  readonly layer: string
  readonly call: number
  readonly output: number
}

/** References in an inbound node, in order: [layer, call, output, …] in Keras 2, `__keras_tensor__` in Keras 3. */
function referencesIn(value: unknown, what: string, depth = 0): Reference[] {
  if (depth > 8) fail(`${what} is nested more than 8 deep`)
  if (Array.isArray(value)) {
    const [layer, call, output] = value
    if (typeof layer === 'string' && typeof call === 'number' && typeof output === 'number') {
      return [
        { layer, call: integer(call, what, 0), output: integer(output, what, 0) },
        ...referencesIn(value.slice(3), what, depth + 1),
      ]
    }
    return value.flatMap(entry => referencesIn(entry, what, depth + 1))
  }
  if (!isRecord(value)) return []
  if (field(value, 'class_name') === '__keras_tensor__') {
    return referencesIn(field(configOf(value), 'keras_history'), what, depth + 1)
  }
  return Object.values(value).flatMap(entry => referencesIn(entry, what, depth + 1))
}

const elementTypes: Readonly<Record<string, ElementType>> = {
  ...({ float32: 'f32', float64: 'f32', float16: 'f32', bfloat16: 'f32', int32: 'i32', int64: 'i32' } as const),
  ...({ bool: 'bool', uint8: 'i32' } as const),
}

/** A layer's declaration of the value that a model begins with. */
function inputOf(layer: Json, name: string): ValueInfo {
  const config = configOf(layer)
  const built = field(layer, 'build_config')
  const given = ['batch_input_shape', 'batch_shape'].map(key => field(config, key)).find(shape => Array.isArray(shape))
  const shape = given ?? (isRecord(built) ? field(built, 'input_shape') : undefined)
  const policy = field(config, 'dtype')
  const dtype = isRecord(policy) ? field(configOf(policy), 'name') : policy
  const known = typeof dtype !== 'string' || Object.hasOwn(elementTypes, dtype)
  const type = !known ? undefined : typeof dtype === 'string' ? elementTypes[dtype] : 'f32'
  if (type === undefined) fail(`the input ${shown(name)} is of ${shown(dtype)}, which is not supported`)
  if (!Array.isArray(shape)) return { name, type: type! }
  const axes = shape.map((n): Dimension => (n === null ? null : integer(n, `an axis of the input ${shown(name)}`, 0)))
  return { name, type: type!, shape: axes }
}

/** Weights by the names that files have for them. */
class Weights {
  /** By every end of their names. */
  readonly #ends = new Map<string, string | null>()

  constructor(readonly all: ReadonlyMap<string, Constant>) {
    const note = (key: string, name: string) => {
      const before = this.#ends.get(key)
      this.#ends.set(key, before === undefined || before === name ? name : null)
    }
    for (const name of all.keys()) {
      const parts = name
        .replace(/:\d+$/, '')
        .split('/')
        // Keras 3 keeps variables in folders: _layers/dense/vars/0.
        .map(part => part.replace(/^_/, ''))
        .filter(part => part !== 'vars' && part !== 'layer_checkpoint_dependencies')
        .slice(-12)
      // A cell between a layer and its variable may have a name: dense/cell/kernel.
      const short = parts.length > 2 ? [...parts.slice(0, -2), parts.at(-1)!] : parts
      for (const list of [parts, short]) {
        for (let i = 0; i < list.length - 1; i++) note(list.slice(i).join('/'), name)
      }
    }
  }

  /** The name of a variable of the layer at a path: by its name, or by its place. */
  find(path: readonly string[], variable: string, place: number): string {
    const whole = path.join('/')
    const last = path.at(-1)!
    const also = variable.replace('depthwise_', '')
    const exact = [`${whole}/${variable}`, `${last}/${variable}`].find(name => this.all.has(name))
    if (exact !== undefined) return exact
    for (const end of [variable, also, String(place)]) {
      for (const key of [`${whole}/${end}`, `${last}/${end}`]) {
        const found = this.#ends.get(key)
        if (found) return found
        if (found === null) fail(`the weights have several called ${shown(key)}`)
      }
    }
    return fail(`the weights do not have ${shown(`${whole}/${variable}`)}`)
  }
}

const NO_ROW = 'no row of the table computes it; a function for its class may, by `layers` or --layers'

/** The graph of a layers model, and what wrote it. */
export function readLayersModel(
  topology: Json,
  weights: ReadonlyMap<string, Constant>,
  custom: CustomLayers,
): { graph: Graph; builder: Builder } {
  const whole = field(topology, 'model_config') ?? topology
  const model = record(typeof whole === 'string' ? parsed(whole) : whole, 'the model')
  const kind = classOf(model)
  if (!models.has(kind)) fail(`the model is a ${shown(kind)}; expected ${[...models].join(', ')}`)
  const reader = new Reader(new Weights(weights), custom)
  const outputs = reader.apply(model, [], undefined, 0)
  return { graph: reader.graph(outputs, String(field(configOf(model), 'name') ?? 'tfjs')), builder: reader.b }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    return fail(`the configuration of the model is no JSON: ${(error as Error).message}`)
  }
}

class Reader {
  readonly b = new Builder()
  readonly #inputs: ValueInfo[] = []

  constructor(
    readonly weights: Weights,
    readonly custom: CustomLayers,
  ) {
    for (const name of weights.all.keys()) this.b.reserve(name)
  }

  graph(outputs: readonly string[], name: string): Graph {
    return {
      name,
      inputs: this.#inputs,
      outputs: [...new Set(outputs)].map(o => ({ name: o, type: 'f32' as const })),
      constants: this.b.constants,
      nodes: this.b.nodes,
      declared: new Map(),
    }
  }

  /** Begins the network with an input. */
  #input(info: ValueInfo): string {
    if (this.#inputs.some(i => i.name === info.name)) fail(`the input ${shown(info.name)} is there twice`)
    this.#inputs.push(info)
    this.b.reserve(info.name)
    if (info.shape !== undefined) this.b.ranks.set(info.name, info.shape.length)
    return info.name
  }

  /** The outputs of a model for values; for its own inputs where none are given. */
  apply(model: Json, path: readonly string[], inputs: readonly string[] | undefined, depth: number): readonly string[] {
    if (depth > MOST_DEPTH) fail(`models are nested more than ${MOST_DEPTH} deep`)
    return classOf(model) === 'Sequential'
      ? this.#sequential(model, path, inputs, depth)
      : this.#functional(model, path, inputs, depth)
  }

  #sequential(model: Json, path: readonly string[], inputs: readonly string[] | undefined, depth: number) {
    const config = field(model, 'config')
    const entries = Array.isArray(config)
      ? config
      : list(field(configOf(model), 'layers'), 'the layers of a Sequential')
    const all = entries.map(layer => record(layer, 'a layer'))
    const first = all[0] ?? fail('a Sequential has no layers')
    if (inputs !== undefined && inputs.length !== 1)
      fail(`a Sequential is applied to ${inputs.length} values; expected 1`)
    const rest = classOf(first) === 'InputLayer' ? all.slice(1) : all
    this.#distinct(all, path)
    const begin = (): string => {
      // A first layer without an input of its own may be a model that has one.
      let layer = first
      for (let i = 0; i < MOST_DEPTH && models.has(classOf(layer)); i++) {
        const inner = field(layer, 'config')
        const layers = Array.isArray(inner) ? inner : list(field(configOf(layer), 'layers'), 'the layers of a model')
        layer = record(layers[0], 'a layer')
      }
      const built = isRecord(config) ? field(config, 'build_input_shape') : undefined
      const own = inputOf(layer, rest === all ? `${nameOf(first)}_input` : nameOf(first))
      const shaped = own.shape === undefined && Array.isArray(built)
      return this.#input(
        shaped ? inputOf({ class_name: 'InputLayer', config: { batch_input_shape: built } }, own.name) : own,
      )
    }
    let value = inputs?.[0] ?? begin()
    for (const layer of rest) value = this.#layer(layer, path, [value], 0, 1, depth)[0]!
    return [value]
  }

  /** Layers of a model have different names. */
  #distinct(all: readonly Json[], path: readonly string[]): void {
    const names = new Set<string>()
    for (const layer of all) {
      const name = nameOf(layer)
      if (names.has(name)) fail(`the layer ${shown(name)} is there twice`)
      names.add(name)
      if (path.length === 0) this.b.reserve(name)
    }
  }

  #functional(model: Json, path: readonly string[], inputs: readonly string[] | undefined, depth: number) {
    const config = configOf(model)
    const all = list(field(config, 'layers'), 'the layers of a model').map(layer => record(layer, 'a layer'))
    this.#distinct(all, path)
    const byName = new Map(all.map(layer => [nameOf(layer), layer]))
    const ends = (key: string) => {
      const found = referencesIn(field(config, key), `"${key}" of a model`)
      return found.length > 0 ? found : fail(`"${key}" of a model names no layer`)
    }
    const [starts, results] = [ends('input_layers'), ends('output_layers')]
    if (inputs !== undefined && inputs.length !== starts.length) {
      fail(`the model ${shown(path.join('/'))} is applied to ${inputs.length} values; expected ${starts.length}`)
    }
    const values = new Map<string, readonly string[]>()
    const key = (layer: string, call: number) => `${call} ${layer}`
    starts.forEach(({ layer: name }, i) => {
      const layer = byName.get(name) ?? fail(`the input ${shown(name)} is no layer of the model`)
      values.set(key(name, 0), [inputs?.[i] ?? this.#input(inputOf(layer, name))])
    })
    // Every application of a layer, and what it waits for. A model is applied once where it is made: files leave this out, and
    // count from it.
    const applied = all.flatMap(layer => {
      const name = nameOf(layer)
      const nodes = list(field(layer, 'inbound_nodes') ?? [], `the inbound nodes of ${shown(name)}`)
      return nodes.map((node, call) => ({ layer, name, call, reads: referencesIn(node, `an inbound node of ${shown(name)}`) })) // biome-ignore format: short
    })
    const first = new Map<string, number>()
    for (const r of [...applied.flatMap(c => c.reads), ...results]) {
      first.set(r.layer, Math.min(first.get(r.layer) ?? 1, r.call))
    }
    const before = (layer: Json) => (models.has(classOf(layer)) ? (first.get(nameOf(layer)) ?? 0) : 0)
    const calls = applied
      .map(c => ({ ...c, call: c.call + before(c.layer) }))
      .filter(({ name, call }) => !values.has(key(name, call)))
    const known = new Set([...values.keys(), ...calls.map(c => key(c.name, c.call))])
    const counts = new Map<string, number>()
    const waiting = new Map<string, number[]>()
    const missing = calls.map(({ name, reads }, i) => {
      if (reads.length === 0) fail(`the layer ${shown(name)} is applied to nothing`)
      const wanted = new Set(reads.map(r => key(r.layer, r.call)))
      for (const r of reads) {
        const from = key(r.layer, r.call)
        if (!known.has(from))
          fail(`the layer ${shown(name)} reads application ${r.call} of ${shown(r.layer)}, which is not there`)
        counts.set(from, Math.max(counts.get(from) ?? 0, r.output + 1))
        if (wanted.delete(from) && !values.has(from)) waiting.set(from, [...(waiting.get(from) ?? []), i])
      }
      return new Set(reads.map(r => key(r.layer, r.call)).filter(from => !values.has(from))).size
    })
    const of = ({ layer, call, output }: Reference): string => {
      const made = values.get(key(layer, call)) ?? fail(`application ${call} of ${shown(layer)} is not there`)
      return made[output] ?? fail(`${shown(layer)} makes ${made.length} values; number ${output} is read`)
    }
    const ready = missing.flatMap((n, i) => (n === 0 ? [i] : []))
    let done = 0
    for (let next = 0; next < ready.length; next++) {
      const { layer, name, call, reads } = calls[ready[next]!]!
      values.set(key(name, call), this.#layer(layer, path, reads.map(of), call - before(layer), counts.get(key(name, call)) ?? 1, depth)) // biome-ignore format: short
      done++
      for (const i of waiting.get(key(name, call)) ?? []) if (--missing[i]! === 0) ready.push(i)
    }
    if (done < calls.length) {
      const stuck = calls[missing.findIndex(n => n > 0)]!
      fail(
        `the layer ${shown(stuck.name)} is on a cycle, or behind one: no order of the layers computes every value before it is read`,
      )
    }
    return results.map(of)
  }

  /** The values that an application of a layer makes, by their names. */
  #layer(
    layer: Json,
    path: readonly string[],
    inputs: readonly string[],
    call: number,
    count: number,
    depth: number,
  ): readonly string[] {
    const { b } = this
    const [kind, own] = [classOf(layer), nameOf(layer)]
    const whole = [...path, own]
    // The first application has the name of the layer.
    const name =
      call === 0 && path.length === 0 ? own : b.unique(call === 0 ? whole.join('/') : `${whole.join('/')}_${call}`)
    if (kind === 'InputLayer') return inputs
    if (models.has(kind) && !Object.hasOwn(this.custom, kind)) {
      return this.apply(layer, whole, inputs, depth + 1).map((value, i) => {
        const own = i === 0 ? name : b.unique(`${name}:${i}`)
        b.alias(own, b.resolve(value))
        return own
      })
    }
    b.begin(name)
    const row = Object.hasOwn(this.custom, kind)
      ? this.custom[kind]!
      : Object.hasOwn(rows, kind)
        ? rows[kind]!
        : wellKnown(kind)
    const before = b.nodes.length
    const reads = inputs.map(value => b.resolve(value))
    const weight = (variable: string, place: number) => {
      const found = this.weights.find(whole, variable, place)
      if (!b.constants.has(found)) b.add(found, this.weights.all.get(found)!)
      return found
    }
    try {
      if (row === undefined) throw new LayerRefusal(Object.hasOwn(reasons, kind) ? '' : NO_ROW)
      b.alias(name, row(new LayerCall(b, name, kind, configOf(layer), reads, weight)))
      return [name]
    } catch (error) {
      if (!(error instanceof LayerRefusal)) throw error
      b.undo(before)
      const outputs = Array.from({ length: Math.min(count, 1 << 10) }, (_, i) =>
        i === 0 ? name : b.unique(`${name}:${i}`),
      )
      b.unknown(kind, error.message, reads, outputs)
      return outputs
    }
  }
}
