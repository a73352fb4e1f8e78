import type { TensorType } from '../core/errors.js'
import { describe, RuleError, ShapeError } from '../core/errors.js'
import { atFreshLevel } from '../core/levels.js'
import { alias, applyAs } from '../core/op.js'
import { sameShape } from '../core/shape.js'
import { type Dense, type GateContext, type Mark, type Op, type Tensor, Tracer } from '../core/tensor.js'
import { head } from '../ops/structure/slice.js'
import { Orders } from './orders.js'
import { checkOrder } from './series.js'

/** One run of `gated`: paths are counted up to `order`. */
export class Gating extends Orders implements GateContext {
  value(x: Tensor): Tensor {
    return this.has(x) ? x.value : x
  }
  override has(x: Tensor): x is Paths {
    if (!(x instanceof Paths) || x.level !== this.level) return false
    if (x.gating !== this) throw new RuleError(`${describe(x)} escaped from another gated()`)
    return true
  }
  paths(value: Tensor, stack: Tensor): Paths {
    return new Paths(this, value, head(stack, this.order + 1))
  }
}

/** A value of the run, taken apart by path length: path sums S_0, S_1, … stacked on a leading order axis; all of them
 *  together (none cut) sum to the value. */
export class Paths extends Tracer {
  constructor(
    readonly gating: Gating,
    /** The run's value, `shape`. */
    value: Tensor,
    /** `[stored orders, ...shape]`; orders beyond are known to vanish. */
    readonly stack: Tensor,
  ) {
    super(value)
  }
  override get level(): number {
    return this.gating.level
  }
  override dense(): readonly Dense[] {
    return [...super.dense(), ...this.stack.dense()]
  }
  override toString(): string {
    return `${describe(this)} sum of paths of orders 0 to ${this.stack.shape[0]! - 1}`
  }

  override interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor {
    const at = this.gating
    if (typeof op.gate === 'function') return op.gate(inputs, attrs, at)
    if (op.gate === undefined && op.body !== undefined) return op.body(inputs, attrs)
    if (op.gate === undefined && op.vjp === undefined)
      return applyAs(
        type,
        op,
        inputs.map(x => at.value(x)),
        attrs,
      )
    throw new RuleError(`${op.name} has no canonical gate: ${op.gate ?? 'it is used by rules only'}`)
  }
}

/**
 * Runs `f` on a value that is a sum of paths and returns the value and the path sums of the result, with every gate
 * frozen at the run. `stack` is `[stored orders, ...value.shape]` and sums to `value`; the result's stack is cut after
 * `order` and leaves out trailing orders that are known to vanish. `mark` is what marks do (see `branch`); without it they are
 * factors.
 */
export function gated(
  f: (x: Tensor) => Tensor,
  value: Tensor,
  stack: Tensor,
  order: number,
  { mark }: { readonly mark?: Mark | undefined } = {},
): { value: Tensor; stack: Tensor } {
  checkOrder('gated', order)
  if (stack.rank !== value.rank + 1 || !sameShape(stack.shape.slice(1), value.shape) || stack.shape[0] === 0) {
    throw new ShapeError({ name: 'gated', signature: `[stored orders,${value.shape}], at least one order` }, [stack])
  }
  return atFreshLevel(level => {
    const at = new Gating(level, order, mark)
    const y = f(at.paths(value, stack))
    // The run's value is a constant, a given one, or the op's own; a constant's stack is made here.
    const [v, s] = [at.value(y), at.stack(y)]
    return { value: v === y || v === value ? alias('gated', v) : v, stack: s === stack ? alias('gated', s) : s }
  })
}
