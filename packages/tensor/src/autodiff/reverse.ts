import { onesLike, zeros } from '../core/create.js'
import type { TensorType } from '../core/errors.js'
import { describe, RuleError, ShapeError } from '../core/errors.js'
import { atFreshLevel, tapesRecording, whileRecording } from '../core/levels.js'
import { alias, applyAs, like } from '../core/op.js'
import { allOrNothing } from '../core/owner.js'
import { release, scope } from '../core/scope.js'
import { sameShape } from '../core/shape.js'
import { Dense, type Mark, type Op, Tensor, Tracer } from '../core/tensor.js'
import { leaves, mapTree, type Tree } from '../core/tree.js'
import { add } from '../ops/arithmetic/add.js'
import { addAligned } from '../ops/arithmetic/addAligned.js'
import { checkReal } from './real.js'

// biome-ignore lint/suspicious/noExplicitAny: a tape holds applications of every op
interface Node<A = any> {
  readonly op: Op<A>
  readonly attrs: A
  /** The inputs as values one level down. */
  readonly inputs: readonly Tensor[]
  readonly output: Tensor
  /** For each input the tape index of what made it; −1 for constants. */
  readonly parents: readonly number[]
}

/** How marks are counted (see `branch`) in cotangents whose first axis is one of orders; those up to `order` are kept. */
export interface CountedMarks {
  readonly mark: Mark
  readonly order: number
}

/** The applications of one differentiated function, in the order they ran; variables come first, as null. */
class Tape {
  readonly nodes: (Node | null)[] = []
  readonly #constants = new Map<Dense, Tensor>()
  constructor(
    readonly level: number,
    readonly marks?: CountedMarks,
  ) {}

  /** A constant under a handle of the tape's: the function may dispose its own before the way back. */
  constant(x: Tensor): Tensor {
    if (!(x instanceof Dense)) return x
    let held = this.#constants.get(x)
    if (held === undefined) this.#constants.set(x, (held = alias('vjp', x)))
    return held
  }
}

/** A value that a tape follows. */
class Traced extends Tracer {
  constructor(
    readonly tape: Tape,
    readonly index: number,
    value: Tensor,
  ) {
    super(value)
  }
  override get level(): number {
    return this.tape.level
  }
  override toString(): string {
    return `${describe(this)} traced by grad or vjp`
  }

  override interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor {
    if (op.vjp === undefined && op.body !== undefined) return op.body(inputs, attrs)
    const tape = this.tape
    const lower = new Array<Tensor>(inputs.length)
    const parents = new Array<number>(inputs.length)
    for (let i = 0; i < inputs.length; i++) {
      const x = inputs[i]!
      if (x instanceof Traced && x.level === tape.level) {
        if (x.tape !== tape) throw new RuleError(`${op.name}: ${describe(x)} escaped from another grad or vjp`)
        lower[i] = x.value
        parents[i] = x.index
      } else {
        lower[i] = op.vjp === undefined ? x : tape.constant(x)
        parents[i] = -1
      }
    }
    const output = applyAs(type, op, lower, attrs)
    if (op.vjp === undefined) return output
    return new Traced(tape, tape.nodes.push({ op, attrs, inputs: lower, output, parents }) - 1, output)
  }
}

/** Cotangents of the tape's first `variables` entries, from one of entry `last`. Tensors that only the way down needs are
 *  freed at once, so that their memory is used again while it is in the cache. */
function backward(tape: Tape, last: number, variables: number, cotangent: Tensor): (Tensor | undefined)[] {
  const cotangents = new Array<Tensor | undefined>(last + 1)
  // How many entries share a cotangent. The caller's own, and values of the run, are never freed.
  const holders = new Map<Tensor, number>([[cotangent, 2]])
  const hold = (t: Tensor, extra = 0) => holders.set(t, (holders.get(t) ?? extra) + 1)
  const drop = (t: Tensor) => {
    const left = holders.get(t)! - 1
    if (left > 0) return holders.set(t, left)
    holders.delete(t)
    return t.level === 0 && release(t)
  }
  const { marks } = tape
  const marking = marks && { mark: (c: Tensor, scale: number) => marks.mark(c, scale, marks.order) }
  // Stacks of orders may differ in length.
  const sumOf = (a: Tensor, b: Tensor) => (marks === undefined ? add(a, b) : addAligned(a, b, 0))
  cotangents[last] = cotangent
  for (let i = last; i >= variables; i--) {
    const c = cotangents[i]
    const node = tape.nodes[i]
    if (c === undefined || node === null || node === undefined) continue
    const { op, attrs, inputs, output, parents } = node
    const wants = parents.map(p => p >= 0)
    const contributions = scope(() => op.vjp!({ inputs, output, attrs, wants, ...marking }, c))
    for (let j = 0; j < parents.length; j++) {
      const p = parents[j]!
      const g = contributions[j]
      if (p < 0 || g === null || g === undefined) continue
      hold(g, g === output || inputs.includes(g) ? 1 : 0)
      const before = cotangents[p]
      if (before === undefined) cotangents[p] = g
      else {
        hold((cotangents[p] = sumOf(before, g)))
        drop(before)
        drop(g)
      }
    }
    cotangents[i] = undefined
    drop(c)
  }
  return cotangents.slice(0, variables).map(g => {
    if (g === undefined || holders.get(g) === 1) return g
    drop(g)
    return alias('pullback', g)
  })
}

export interface Pullback<T extends Tree = Tensor, Aux = undefined> {
  readonly value: Tensor
  /** The second result of `f`, tracing removed. */
  readonly aux: Aux
  /** The cotangents of the inputs, for a cotangent of the value of shape `[lead..., ...value.shape]`; any number of
   *  leading axes is carried through, so that many cotangents cost one pass. May be called repeatedly. */
  pullback(cotangent: Tensor): T
}

/** A tensor, or a tensor and an auxiliary result that is not differentiated. */
export type WithAux<Aux> = Tensor | readonly [Tensor, Aux]

/**
 * Runs `f` on a tree of tensors and remembers how to pull cotangents back through it (reverse mode).
 * Inputs that `f` does not depend on get zeros. `f` may return `[value, aux]`. With `marks`, the first leading axis of a cotangent
 * counts orders and grows with the marks that it passes. Throws ShapeError for inputs of integers.
 */
export function vjp<T extends Tree = Tensor, Aux = undefined>(
  f: (inputs: T) => WithAux<Aux>,
  inputs: T,
  marks?: CountedMarks,
): Pullback<T, Aux> {
  return traced('vjp', f, inputs, marks)
}

/** `vjp` under the name that its errors have. */
function traced<T extends Tree, Aux>(
  name: string,
  f: (inputs: T) => WithAux<Aux>,
  inputs: T,
  marks?: CountedMarks,
): Pullback<T, Aux> {
  const variables = leaves(inputs)
  checkReal(name, 'inputs of dtype f32 or f64', variables)
  return atFreshLevel(level => {
    const tape = new Tape(level, marks)
    const followed = mapTree(t => new Traced(tape, tape.nodes.push(null) - 1, alias(name, t)), inputs) as T
    const result = whileRecording(() => f(followed))
    const [output, aux] = Array.isArray(result) ? (result as [Tensor, Aux]) : [result as Tensor, undefined]
    if (!(output instanceof Tensor))
      throw new TypeError(`${name} wants a function that returns a tensor, or [tensor, aux]`)
    const strip = (t: Tensor) => (t instanceof Traced && t.tape === tape ? alias(name, t.value) : t)
    const value = output instanceof Traced ? strip(output) : alias(name, output)
    return {
      value,
      aux: mapTree(strip, aux) as Aux,
      pullback(cotangent: Tensor): T {
        const lead = cotangent.shape.slice(0, Math.max(0, cotangent.rank - value.rank))
        if (!sameShape(cotangent.shape.slice(lead.length), value.shape) || cotangent.dtype !== value.dtype) {
          const wanted = { name: 'pullback', signature: `[lead..., ${value.shape.join(',')}] of dtype ${value.dtype}` }
          throw new ShapeError(wanted, [cotangent])
        }
        const depends = output instanceof Traced && output.tape === tape
        return allOrNothing(() => {
          const found = depends ? backward(tape, output.index, variables.length, cotangent) : []
          let i = 0
          return mapTree(t => found[i++] ?? zeros([...lead, ...t.shape], like(t)), inputs) as T
        })
      },
    }
  })
}

/**
 * A function that gives `[value, gradient, aux]` of a scalar function with respect to its first argument, a tree of
 * tensors. Further arguments are passed on and not differentiated. Intermediate memory is freed before it returns.
 * Throws ShapeError when the value is not a scalar, and for integers.
 */
export function valueAndGrad<T extends Tree = Tensor, R extends unknown[] = [], Aux = undefined>(
  f: (inputs: T, ...rest: R) => WithAux<Aux>,
): (inputs: T, ...rest: R) => [value: Tensor, gradient: T, aux: Aux] {
  return gradientOf('valueAndGrad', f)
}

/** `valueAndGrad` under the name that its errors have. */
function gradientOf<T extends Tree, R extends unknown[], Aux>(
  name: string,
  f: (inputs: T, ...rest: R) => WithAux<Aux>,
): (inputs: T, ...rest: R) => [value: Tensor, gradient: T, aux: Aux] {
  return (inputs, ...rest) => {
    const both = (): [Tensor, T, Aux] => {
      const { value, aux, pullback } = traced<T, Aux>(name, x => f(x, ...rest), inputs)
      if (value.rank !== 0) {
        throw new ShapeError({ name, signature: 'a function to a scalar []; reduce with sum or mean' }, [value])
      }
      checkReal(name, 'a function to a scalar of dtype f32 or f64', [value])
      return [value, pullback(onesLike(value)), aux]
    }
    return tapesRecording() > 0 ? both() : scope(both)
  }
}

/** The gradient of a scalar function with respect to its first argument; see `valueAndGrad`. */
export function grad<T extends Tree = Tensor, R extends unknown[] = []>(
  f: (inputs: T, ...rest: R) => WithAux<unknown>,
): (inputs: T, ...rest: R) => T {
  const all = gradientOf('grad', f)
  return (inputs, ...rest) => scope(() => all(inputs, ...rest)[1])
}
