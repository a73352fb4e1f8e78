import type { TensorType } from '../core/errors.js'
import { atFreshLevel } from '../core/levels.js'
import { applyAs } from '../core/op.js'
import { scope } from '../core/scope.js'
import { type Op, type Tensor, Tracer } from '../core/tensor.js'

/** A value of the run that comes from its input. */
class Followed extends Tracer {
  constructor(
    override readonly level: number,
    value: Tensor,
    readonly counts: Map<string, number>,
  ) {
    super(value)
  }

  override interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor {
    const { level, counts } = this
    const lower = inputs.map(x => (x instanceof Followed && x.level === level ? x.value : x))
    counts.set(op.name, (counts.get(op.name) ?? 0) + 1)
    return new Followed(level, applyAs(type, op, lower, attrs), counts)
  }
}

/** f(x), and which ops compute it, and how often each; those on constants alone are not counted. */
export function operatorsOf(
  f: (x: Tensor) => Tensor,
  x: Tensor,
): { readonly output: Tensor; readonly operators: ReadonlyMap<string, number> } {
  const operators = new Map<string, number>()
  const output = atFreshLevel(level =>
    scope(() => {
      const y = f(new Followed(level, x, operators))
      return y instanceof Followed ? y.value : y
    }),
  )
  return { output, operators }
}
