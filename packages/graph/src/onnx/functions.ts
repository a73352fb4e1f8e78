import { shown } from '@unravel/tensor/internals'
import { type Attribute, type Constant, type Graph, isConstant, isGraph, type Node } from '../graph.js'
import { hostOf } from '../host.js'
import { fail } from './protobuf.js'

/** A function of the model: an operator that is written in others. */
export interface LocalFunction {
  readonly name: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Names of its attributes; those with a default value are in `defaults`. */
  readonly parameters: readonly string[]
  readonly defaults: ReadonlyMap<string, Attribute>
  readonly nodes: readonly Node[]
}

/** In the body of a function: the attribute of the node that calls it. */
export class Reference implements Constant {
  readonly type = 'f32'
  readonly shape = []
  constructor(readonly parameter: string) {}
  read(): never {
    return fail(`the attribute ${shown(this.parameter)} is of a function that is not called`)
  }
}

const MOST_NODES = 1 << 17
const MOST_DEPTH = 16

/** The graph with calls of functions written out and the values of Constant nodes among its constants. */
export function inlined(graph: Graph, functions: readonly LocalFunction[]): Graph {
  const table = new Map(functions.map(f => [`${f.domain}\n${f.name}`, f]))
  let count = 0
  /** Writes out nodes whose values are called `rename(name)`. */
  const expand = (
    nodes: readonly Node[],
    constants: Map<string, Constant>,
    rename: (name: string) => string,
    attributes: ReadonlyMap<string, Attribute> | undefined,
    depth: number,
  ): Node[] =>
    nodes.flatMap(node => {
      if (++count > MOST_NODES) fail(`the functions of the model write out to more than ${MOST_NODES} nodes`)
      const bound: Record<string, Attribute> = Object.create(null)
      for (const [key, value] of Object.entries(node.attributes)) {
        if (value instanceof Reference) {
          const given = attributes?.get(value.parameter)
          if (attributes === undefined) value.read()
          if (given !== undefined) bound[key] = given
        } else bound[key] = isGraph(value) ? inner(value, rename, attributes, depth + 1) : value
      }
      const called = { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename), attributes: bound }
      if (node.op === 'Constant' && node.domain === '') {
        const name = called.outputs[0] ?? fail('a Constant has no output')
        if (constants.has(name)) fail(`the value ${shown(name)} is made twice`)
        constants.set(name, constantOf(called))
        return []
      }
      const body = table.get(`${node.domain}\n${node.op}`)
      if (body === undefined) return [called]
      if (depth > MOST_DEPTH) fail(`functions call one another more than ${MOST_DEPTH} deep`)
      const prefix = `${called.outputs.find(o => o !== '') ?? node.op}/${count}/`
      const names = new Map<string, string>([['', '']])
      body.inputs.forEach((name, i) => names.set(name, called.inputs[i] ?? ''))
      // An output that is an input of the function is copied.
      const copies: Node[] = []
      body.outputs.forEach((name, i) => {
        const output = called.outputs[i] ?? ''
        if (output === '') return
        if (!body.inputs.includes(name) && !names.has(name)) names.set(name, output)
        else {
          const from = names.get(name) ?? ''
          copies.push({
            ...called,
            op: 'Identity',
            domain: '',
            version: 1,
            inputs: [from],
            outputs: [output],
            attributes: {},
          })
        }
      })
      const arguments_ = new Map([...body.defaults, ...Object.entries(bound)])
      const within = (name: string) => names.get(name) ?? `${prefix}${name}`
      return [...expand(body.nodes, constants, within, arguments_, depth + 1), ...copies]
    })
  const inner = (
    graph: Graph,
    rename: (name: string) => string,
    attributes: ReadonlyMap<string, Attribute> | undefined,
    depth: number,
  ): Graph => {
    const constants = new Map([...graph.constants].map(([name, value]) => [rename(name), value]))
    const renamed = <T extends { readonly name: string }>(value: T): T => ({ ...value, name: rename(value.name) })
    const nodes = expand(graph.nodes, constants, rename, attributes, depth)
    return { ...graph, inputs: graph.inputs.map(renamed), outputs: graph.outputs.map(renamed), constants, nodes }
  }
  const constants = new Map(graph.constants)
  const nodes = expand(graph.nodes, constants, name => name, undefined, 0)
  return { ...graph, inputs: graph.inputs.filter(i => !constants.has(i.name)), constants, nodes }
}

/** The value of a Constant node, in whichever attribute it has. */
function constantOf({ attributes, outputs }: Node): Constant {
  const [name] = Object.keys(attributes)
  const value = name === undefined ? undefined : attributes[name]
  const known = (type: 'f32' | 'i64', shape: readonly number[], values: readonly number[]): Constant => ({
    type,
    shape,
    read: () => hostOf(type, shape, values),
  })
  if (isConstant(value)) return value
  // value_float(s) and value_int(s); in the body of a function also from an attribute of the caller.
  const list = Array.isArray(value) && value.every(v => typeof v === 'number') ? (value as number[]) : undefined
  if (name === 'value_float' && typeof value === 'number') return known('f32', [], [value])
  if (name === 'value_int' && typeof value === 'number') return known('i64', [], [value])
  if (name === 'value_floats' && list) return known('f32', [list.length], list)
  if (name === 'value_ints' && list) return known('i64', [list.length], list)
  return fail(`the constant ${shown(outputs[0] ?? '')} has ${shown(name ?? 'no value')}; expected numbers`)
}
