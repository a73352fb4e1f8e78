import type { Buffer } from '@unravel/kernels'
import { RuleError } from '../../core/errors.js'
import { apply } from '../../core/op.js'
import { broadcastIndices, sizeOf } from '../../core/shape.js'
import { type Applied, allocate, type Binary, type Dense, type Op, type Tensor, type Unary } from '../../core/tensor.js'

type Core<A, I extends readonly Tensor[]> = Pick<Op<A, I>, 'name' | 'signature' | 'infer' | 'run'>

/** A linear op of its first tensor; further inputs, such as indices, are constants. The op works under leading axes
 *  of itself, so its Taylor rule and its gate are the op on the stack. */
export function linear<A, I extends readonly [Tensor, ...Tensor[]] = Unary>(
  op: Core<A, I> & { vjp(applied: Applied<A, I>, cotangent: Tensor): Tensor },
): Op<A, I> {
  const onto = (x: Tensor, [, ...rest]: I, attrs: A) => apply(self, [x, ...rest] as unknown as I, attrs)
  const self: Op<A, I> = {
    ...op,
    vjp: (applied, c) => applied.inputs.map((_, i) => (i === 0 ? op.vjp(applied, c) : null)),
    series: (inputs, attrs, at) => at.series(onto(at.stack(inputs[0]), inputs, attrs)),
    gate: (inputs, attrs, at) =>
      at.paths(onto(at.value(inputs[0]), inputs, attrs), onto(at.stack(inputs[0]), inputs, attrs)),
  }
  return self
}

/** An op linear in each of two tensors. A product of two path-valued tensors has no canonical gate; `instead` names
 *  what to write. `product` is the Taylor rule where both are series (default: the op on every pair of orders). */
export function bilinear<A>(
  op: Core<A, Binary> & {
    vjp: NonNullable<Op<A, Binary>['vjp']>
    instead: string
    product?(a: Tensor, b: Tensor, attrs: A, order: number): Tensor
  },
): Op<A, Binary> {
  const self: Op<A, Binary> = {
    name: op.name,
    signature: op.signature,
    infer: op.infer,
    run: op.run,
    vjp: op.vjp,
    series([a, b], attrs, at) {
      const rank = Math.max(a.rank, b.rank)
      if (!at.has(b)) return at.series(apply(self, [at.stack(a, rank), b], attrs))
      if (!at.has(a)) return at.series(apply(self, [a, at.stack(b, rank)], attrs))
      if (op.product !== undefined) return at.series(op.product(a.stack, b.stack, attrs, at.order))
      return at.series(at.convolve(a.stack, at.stack(b, rank), (aj, bs) => apply(self, [aj, bs], attrs)))
    },
    gate([a, b], attrs, at) {
      const rank = Math.max(a.rank, b.rank)
      const value = apply(self, [at.value(a), at.value(b)], attrs)
      if (at.has(a) && at.has(b)) {
        throw new RuleError(`${op.name} of two path-valued tensors has no canonical gate: use ${op.instead}`)
      }
      const stack = at.has(a) ? apply(self, [at.stack(a, rank), b], attrs) : apply(self, [a, at.stack(b, rank)], attrs)
      return at.paths(value, stack)
    },
  }
  return self
}

/** Runs a kernel on the last `rank` axes of two tensors, once for every leading index; leading axes broadcast. */
export function runItems(
  origin: string,
  [a, b]: readonly [Dense, Dense],
  rank: number,
  { shape, dtype }: Pick<Dense, 'shape' | 'dtype'>,
  kernel: (a: Buffer, b: Buffer, out: Buffer) => void,
): Dense {
  const { backend } = a
  const out = allocate(backend, shape, dtype, origin)
  const lead = shape.slice(0, -rank)
  const items = (t: Dense) => {
    const size = sizeOf(t.shape.slice(-rank))
    const at = broadcastIndices(t.shape.slice(0, -rank), lead)
    return (l: number) => (at.length === 1 ? t.buffer : backend.view(t.buffer, at[l]! * size, size))
  }
  const [A, B, C] = [items(a), items(b), items(out)]
  for (let l = 0, leads = sizeOf(lead); l < leads; l++) kernel(A(l), B(l), C(l))
  return out
}
