import type { TensorType } from '../core/errors.js'
import { describe, RuleError } from '../core/errors.js'
import { atFreshLevel } from '../core/levels.js'
import { alias, applyAs } from '../core/op.js'
import { type Op, type Tensor, Tracer } from '../core/tensor.js'
import { branchOp } from '../ops/arithmetic/branch.js'

/** The marks of a network (see `branch`) in the order they ran, and which of them comes next to which. */
export interface Marks {
  readonly scales: readonly number[]
  /** For every mark what its branch begins with, no other mark between: earlier marks, and −1 for the input. Ascending. */
  readonly before: readonly (readonly number[])[]
  /** The same for the output. */
  readonly last: readonly number[]
}

type Sources = ReadonlySet<number>
const INPUT: Sources = new Set([-1])

interface Found {
  readonly scale: number
  readonly from: Sources
}

/** A value of the run, and the marks (or the input) that it comes from with no other mark between. */
class Marked extends Tracer {
  constructor(
    override readonly level: number,
    value: Tensor,
    readonly from: Sources,
    readonly found: Found[],
  ) {
    super(value)
  }

  override interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor {
    const { level, found } = this
    const from: Sources[] = []
    const lower = inputs.map(x => {
      if (!(x instanceof Marked) || x.level !== level) return x
      if (x.found !== found) throw new RuleError(`${op.name}: ${describe(x)} escaped from another marksOf()`)
      from.push(x.from)
      return x.value
    })
    const value = applyAs(type, op, lower, attrs)
    // No path leads through what is constant to derivatives.
    if (op.vjp === undefined && op.body === undefined) return value
    const sources = union(from)
    if (op.name !== branchOp.name) return new Marked(level, value, sources, found)
    const { scale } = attrs as { scale: number }
    return new Marked(level, value, new Set([found.push({ scale, from: sources }) - 1]), found)
  }
}

function union([first, ...others]: readonly Sources[]): Sources {
  const rest = others.filter(s => s !== first)
  return rest.length === 0 ? first! : new Set([...first!, ...rest.flatMap(s => [...s])])
}

/** Runs `f` and says which marks it has, and which follow each other on some path. */
export function marksOf(f: (x: Tensor) => Tensor, x: Tensor): { readonly value: Tensor; readonly marks: Marks } {
  return atFreshLevel(level => {
    const found: Found[] = []
    const y = f(new Marked(level, x, INPUT, found))
    const ascending = (set: Sources) => [...set].sort((a, b) => a - b)
    const followed = y instanceof Marked && y.found === found
    const value = followed ? y.value : y
    const marks = {
      scales: found.map(m => m.scale),
      before: found.map(m => ascending(m.from)),
      last: followed ? ascending(y.from) : [],
    }
    return { value: value === x || value === y ? alias('marksOf', value) : value, marks }
  })
}
