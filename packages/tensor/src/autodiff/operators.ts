import type { Backend, DType, Shape } from '@unravel/kernels'
import type { TensorType } from '../core/errors.js'
import { atFreshLevel } from '../core/levels.js'
import { applyAs } from '../core/op.js'
import { scope } from '../core/scope.js'
import { type Dense, type Op, Tensor } from '../core/tensor.js'

/** A value of the run that comes from its input. */
class Followed extends Tensor {
  constructor(
    override readonly level: number,
    readonly value: Tensor,
    readonly counts: Map<string, number>,
  ) {
    super()
  }
  override get shape(): Shape {
    return this.value.shape
  }
  override get dtype(): DType {
    return this.value.dtype
  }
  override get backend(): Backend {
    return this.value.backend
  }
  override dense(): readonly Dense[] {
    return this.value.dense()
  }

  override interpret<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, type: TensorType): Tensor {
    const { level, counts } = this
    const lower = inputs.map(x => (x instanceof Followed && x.level === level ? x.value : x))
    counts.set(op.name, (counts.get(op.name) ?? 0) + 1)
    return new Followed(level, applyAs(type, op, lower, attrs), counts)
  }
}

/** Which ops `f` computes its result of `x` by, and how often each; those on constants alone are not counted. */
export function operatorsOf(f: (x: Tensor) => Tensor, x: Tensor): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  atFreshLevel(level => scope(() => void f(new Followed(level, x, counts))))
  return counts
}
