import { integers, reals, reshaped, turned } from '../constants.js'
import type { Attribute, Constant, Node } from '../graph.js'
import { fewOf, Names, rankAfter } from '../layout.js'
import { fail } from './json.js'

/** The version of ONNX's vocabulary that is written. */
const VERSION = 21
/** Operators and layers that nothing translates keep their name in a vocabulary of their own, and say in "why" what is amiss. */
export const TFJS = 'tfjs'
const MOST_NODES = 1 << 17

export type Attributes = Readonly<Record<string, Attribute>>

/** Writes nodes in ONNX's vocabulary, one operator or layer of tfjs after the other. */
export class Builder {
  readonly nodes: Node[] = []
  readonly constants = new Map<string, Constant>()
  readonly ranks = new Map<string, number>()
  /** Names that the file has for values. */
  readonly given = new Set<string>()
  readonly #names = new Names()
  readonly #makers = new Map<string, Node>()
  readonly #like = new Map<string, string>()
  /** Constants that others were turned into: equal ones are one, so that equal nodes are seen to be equal. */
  readonly #turned = new Map<string, string>()
  #scope = ''
  #first = true

  /** Takes a name that is the file's. */
  reserve(name: string): void {
    this.#names.add(name)
  }

  /** Nodes written from now on belong to the operator or layer of this name. */
  begin(scope: string): void {
    this.#scope = scope
    this.#first = true
  }

  /** A name that nothing has: this one, or one with a number behind it. */
  unique(name: string): string {
    return this.#names.unique(name)
  }

  rank(name: string): number | undefined {
    return this.ranks.get(name) ?? this.constants.get(name)?.shape.length
  }

  /** The node that makes a value. */
  maker(name: string): Node | undefined {
    return this.#makers.get(name)
  }

  /** Numbers of a small constant. */
  numbers(name: string): number[] | undefined {
    return fewOf(this.constants.get(name))
  }

  add(name: string, constant: Constant): string {
    this.constants.set(name, constant)
    this.ranks.set(name, constant.shape.length)
    return name
  }

  constant(constant: Constant): string {
    return this.add(this.unique(`${this.#scope}/constant`), constant)
  }

  /** A list of integers, as operators take axes and shapes. */
  integers(values: readonly number[]): string {
    const wrong = values.findIndex(v => !Number.isSafeInteger(v))
    if (wrong >= 0) fail(`${values[wrong]} is among the axes, lengths or pads of "${this.#scope}"; expected integers`)
    return this.constant(integers(values))
  }

  integer(value: number): string {
    return this.constant(integers([value], []))
  }

  real(value: number): string {
    return this.constant(reals([value]))
  }

  /** Values that an operator makes. */
  outputs(op: string, inputs: readonly string[], attributes: Attributes, count: number, domain = ''): string[] {
    const outputs = Array.from({ length: count }, () => this.unique(`${this.#scope}/${op}`))
    // The operator or layer lends its name to the first node that computes.
    const own = this.#first && op !== 'Transpose'
    if (own) this.#first = false
    const name = own ? this.#scope : outputs[0]!
    this.#write({ op, domain, version: VERSION, name, inputs, outputs, attributes })
    return outputs
  }

  #write(node: Node): void {
    if (this.nodes.length >= MOST_NODES) fail(`the model is written out to more than ${MOST_NODES} nodes`)
    this.nodes.push(node)
    for (const output of node.outputs) this.#makers.set(output, node)
    const rank = rankAfter(node, name => this.rank(name), name => this.numbers(name)) // biome-ignore format: short
    if (rank !== undefined) for (const output of node.outputs) this.ranks.set(output, rank)
  }

  /** The value that an operator makes. */
  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.outputs(op, inputs, attributes, 1)[0]!
  }

  /** Removes the nodes after the first `count`. */
  undo(count: number): void {
    this.nodes.length = count
  }

  /** Writes a node that no reader translates: it is refused by its name when the graph is to run. */
  unknown(op: string, why: string, inputs: readonly string[], outputs: readonly string[]): void {
    const attributes: Attributes = why === '' ? {} : { why }
    this.#write({ op, domain: TFJS, version: 1, name: this.#scope, inputs, outputs, attributes })
  }

  /** Gives a value the name that the file has for it. */
  alias(name: string, value: string): void {
    this.given.add(name)
    if (name === value) return
    const like = { domain: '', version: VERSION, attributes: {} }
    this.#write({ ...like, op: 'Identity', name: `${name}/name`, inputs: [value], outputs: [name] })
    this.#like.set(name, this.resolve(value))
  }

  /** The value behind names. */
  resolve(name: string): string {
    return this.#like.get(name) ?? name
  }

  /** A value with its axes in another order; a constant at once. */
  transpose(name: string, perm: readonly number[]): string {
    const before = this.#turned.get(`${name}\ntransposed ${perm}`)
    if (before !== undefined) return before
    const constant = this.constants.get(name)
    if (constant === undefined) return this.node('Transpose', [name], { perm })
    if (constant.shape.length !== perm.length) {
      fail(`"${name}" of "${this.#scope}" has shape [${constant.shape}]; expected ${perm.length} axes`)
    }
    return this.#remember(`${name}\ntransposed ${perm}`, turned(constant, perm))
  }

  /** A constant in another shape; what is no constant is reshaped when the graph runs. */
  reshape(name: string, shape: readonly number[]): string {
    const before = this.#turned.get(`${name}\nreshaped ${shape}`)
    if (before !== undefined) return before
    const constant = this.constants.get(name)
    if (constant === undefined) return this.node('Reshape', [name, this.integers(shape)])
    const count = (axes: readonly number[]) => axes.reduce((a, b) => a * b, 1)
    const known = shape.map(n => (n === -1 ? count(constant.shape) / count(shape.filter(m => m !== -1)) : n))
    if (count(known) !== count(constant.shape) || known.some(n => !Number.isSafeInteger(n))) {
      fail(`"${name}" of "${this.#scope}" has shape [${constant.shape}]; expected one of [${shape}]`)
    }
    return this.#remember(`${name}\nreshaped ${shape}`, reshaped(constant, known))
  }

  #remember(key: string, constant: Constant): string {
    const made = this.constant(constant)
    this.#turned.set(key, made)
    return made
  }
}

/** Of an array with `rank` axes: channels from the last axis to the second, and back. */
export const toFirst = (rank: number): number[] => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)]
export const toLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]
