import type { Constant, Graph, Node } from './graph.js'
import { numbersOf } from './host.js'
import { readsOf } from './sort.js'

// Patterns of nodes, written as the expressions that they compute: `op('Sub', any('x'), op('ReduceMean', any('x')))`.

/** The values of a pattern's names, and numbers that were found. */
export interface Match {
  readonly values: Readonly<Record<string, string>>
  readonly numbers: Readonly<Record<string, number>>
  /** Nodes between the value that is matched and those that names stand for. */
  readonly nodes: readonly Node[]
}

const nothing: Match = { values: {}, numbers: {}, nodes: [] }

/** Every way in which a value is what the pattern says, given what its names stand for already. */
export type Pattern = (value: string, match: Match, at: Finder) => Iterable<Match>

/** A graph to look for patterns in. */
export class Finder {
  readonly #makers = new Map<string, Node>()
  readonly #readers = new Map<string, number>()

  constructor(readonly graph: Graph) {
    for (const node of graph.nodes) for (const output of node.outputs) this.#makers.set(output, node)
    const reads = [...graph.nodes.flatMap(readsOf), ...graph.outputs.map(o => o.name)]
    for (const name of reads) this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1)
  }

  /** How often a value is read, outputs of the graph included. */
  readers(value: string): number {
    return this.#readers.get(value) ?? 0
  }

  maker(value: string): Node | undefined {
    return this.#makers.get(value)
  }

  constant(value: string): Constant | undefined {
    return this.graph.constants.get(value)
  }

  /** The number of a constant of one element. */
  number(value: string): number | undefined {
    const constant = this.constant(value)
    if (constant === undefined || constant.shape.some(n => n !== 1)) return undefined
    return numbersOf(constant.read())[0]
  }

  /** The first way in which a value matches. */
  find(pattern: Pattern, value: string): Match | undefined {
    for (const match of pattern(value, nothing, this)) return match
    return undefined
  }
}

/** Any value, the same wherever the name is. */
export const any = (name: string): Pattern =>
  function* (value, match) {
    const before = match.values[name]
    if (before === undefined) yield { ...match, values: { ...match.values, [name]: value } }
    else if (before === value) yield match
  }

/** A constant of any size. */
export const constant = (name: string): Pattern =>
  function* (value, match, at) {
    if (at.constant(value) !== undefined) yield* any(name)(value, match, at)
  }

/** A constant of one element: that number to within `tolerance` of it, or any, under a name. */
export const number = (wanted: number | string, tolerance = 1e-6): Pattern =>
  function* (value, match, at) {
    const found = at.number(value)
    if (found === undefined) return
    if (typeof wanted === 'number') {
      if (Math.abs(found - wanted) <= tolerance * Math.abs(wanted)) yield match
    } else if (match.numbers[wanted] === undefined || match.numbers[wanted] === found) {
      yield { ...match, numbers: { ...match.numbers, [wanted]: found } }
    }
  }

const commutative: ReadonlySet<string> = new Set(['Add', 'Mul'])

/** The output of an operator whose inputs match; further inputs are not looked at. Sums and products match in either order. */
export const op = (name: string, ...inputs: readonly Pattern[]): Pattern =>
  function* (value, match, at) {
    const node = at.maker(value)
    if (node?.op !== name || node.domain !== '' || node.outputs[0] !== value) return
    const from = { ...match, nodes: [...match.nodes, node] }
    yield* all(inputs, node.inputs, from, at)
    if (commutative.has(name) && inputs.length === 2) yield* all(inputs, node.inputs.toReversed(), from, at)
  }

function* all(patterns: readonly Pattern[], values: readonly string[], match: Match, at: Finder): Iterable<Match> {
  const [pattern, ...rest] = patterns
  if (pattern === undefined) yield match
  else if (values[0] !== undefined && values[0] !== '') {
    for (const found of pattern(values[0], match, at)) yield* all(rest, values.slice(1), found, at)
  }
}

export const either = (...patterns: readonly Pattern[]): Pattern =>
  function* (value, match, at) {
    for (const pattern of patterns) yield* pattern(value, match, at)
  }

/** A product of factors in any order and grouping, times one number under a name: divisions by numbers are factors too. */
export const product = (scale: string, ...factors: readonly Pattern[]): Pattern =>
  function* (value, match, at) {
    if (at.maker(value) === undefined) return
    for (const { parts, nodes, factor } of flattened(value, at, factors.length)) {
      const from = { ...match, nodes: [...match.nodes, ...nodes] }
      for (const found of assigned(factors, parts, from, at)) {
        yield { ...found, numbers: { ...found.numbers, [scale]: factor } }
      }
    }
  }

interface Flat {
  readonly parts: readonly string[]
  readonly nodes: readonly Node[]
  readonly factor: number
}

/** Ways to write a value as a number times so many values. */
function* flattened(value: string, at: Finder, count: number): Iterable<Flat> {
  if (count === 1) yield { parts: [value], nodes: [], factor: 1 }
  const node = at.maker(value)
  if (node?.domain !== '') return
  const [a, b] = node.inputs as [string, string]
  if (node.op === 'Mul' || node.op === 'Div') {
    const right = at.number(b)
    const by = right === undefined ? undefined : node.op === 'Mul' ? right : 1 / right
    const left = node.op === 'Mul' ? at.number(a) : undefined
    const rest = by !== undefined ? a : left !== undefined ? b : undefined
    if (rest !== undefined) {
      for (const f of flattened(rest, at, count)) {
        yield { ...f, nodes: [node, ...f.nodes], factor: f.factor * (by ?? left!) }
      }
      return
    }
  }
  if (node.op !== 'Mul') return
  for (let n = 1; n < count; n++) {
    for (const f of flattened(a, at, n)) {
      for (const g of flattened(b, at, count - n)) {
        yield { parts: [...f.parts, ...g.parts], nodes: [node, ...f.nodes, ...g.nodes], factor: f.factor * g.factor }
      }
    }
  }
}

/** Patterns matched to values in any order. */
function* assigned(patterns: readonly Pattern[], values: readonly string[], match: Match, at: Finder): Iterable<Match> {
  const [pattern, ...rest] = patterns
  if (pattern === undefined) {
    yield match
    return
  }
  for (let i = 0; i < values.length; i++) {
    for (const found of pattern(values[i]!, match, at)) yield* assigned(rest, values.toSpliced(i, 1), found, at)
  }
}
