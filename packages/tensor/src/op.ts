import type { Backend, DType, Shape } from '@unravel/kernels'
import type { Gating, Paths } from './autodiff/gated.js'
import type { Expansion } from './autodiff/series.js'
import { BackendError, describe, ShapeError, type TensorType } from './errors.js'
import { sameShape } from './shape.js'
import type { Dense, Tensor } from './tensor.js'

/** What a reverse rule sees of one application of its op. */
export interface Applied<A> {
  readonly inputs: readonly Tensor[]
  readonly output: Tensor
  readonly attrs: A
  /** Which inputs want a cotangent; a rule may return null for the others. */
  readonly wants: readonly boolean[]
}

/**
 * Everything the system knows about one op; one file in ops/ each. Rules are written in ops, so that derivatives have
 * derivatives, and they broadcast over extra leading axes of what they propagate: cotangents in `vjp`, stacked orders
 * in `series` and `gate`. Attributes therefore count axes from the end.
 */
export interface Op<A = void> {
  readonly name: string
  /** Shapes in and out, such as `[...,m,k], [...,k,n] -> [...,m,n]`. Printed in errors and docs, checked by tests. */
  readonly signature: string
  /** Type of the result. The only place that refuses shapes and dtypes. */
  infer(inputs: readonly Tensor[], attrs: A): TensorType
  /** Computes on numbers, by calling kernels. */
  run(inputs: readonly Dense[], attrs: A, type: TensorType): Dense
  /** Reverse rule: the cotangents of the inputs from the cotangent of the output, `[lead..., ...output.shape]`.
   *  An op without one is not differentiable: it is constant almost everywhere. */
  vjp?(applied: Applied<A>, cotangent: Tensor): readonly (Tensor | null)[]
  /** Taylor rule. Inputs are series of this expansion, or constants. An op without one acts on order 0. */
  series?(inputs: readonly Tensor[], attrs: A, at: Expansion): Tensor
  /** The op with its gates frozen at the run: an affine map of the paths. A string says why there is none. */
  gate?: string | ((inputs: readonly Tensor[], attrs: A, at: Gating) => Paths | Tensor)
  /** The op written in other ops. Interpreters use it where the op has no rule of its own. */
  body?(inputs: readonly Tensor[], attrs: A): Tensor
}

/** Applies an op to its inputs: numbers are computed, tracers are interpreted. */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  let top = inputs[0]!
  for (let i = 0; i < inputs.length; i++) {
    const level = inputs[i]?.level
    if (level === undefined) throw noTensor(op.name, inputs[i])
    if (level > top.level) top = inputs[i]!
  }
  return top.level === 0 ? run(op, inputs as readonly Dense[], attrs) : top.interpret(op, inputs, attrs)
}

function run<A>(op: Op<A>, inputs: readonly Dense[], attrs: A): Dense {
  const type = op.infer(inputs, attrs)
  const backend = inputs[0]!.backend
  for (let i = 1; i < inputs.length; i++) if (inputs[i]!.backend !== backend) mixed(op.name, inputs)
  return op.run(inputs, attrs, type)
}

function noTensor(name: string, got: unknown): TypeError {
  const what = Array.isArray(got) ? 'an array' : typeof got === 'number' ? got : typeof got
  return new TypeError(`${name} wants tensors, got ${what}: make one with tensor(…)`)
}

function mixed(name: string, inputs: readonly Dense[]): never {
  const places = inputs.map(t => `${describe(t)} on ${t.backend.name}`).join(', ')
  throw new BackendError(`${name} wants all inputs on one backend, got ${places}: move them with .to(backend)`)
}

export const backendOf = (t: Tensor): Backend => t.dense()[0]!.backend

/** The common dtype of the inputs, which must be one of `allowed`. */
export function commonDType(
  op: { readonly name: string; readonly signature: string },
  inputs: readonly Tensor[],
  allowed: readonly DType[] = ['f32', 'f64'],
): DType {
  const dtype = inputs[0]!.dtype
  for (let i = 1; i < inputs.length; i++) {
    if (inputs[i]!.dtype !== dtype)
      throw new ShapeError(op, inputs, "dtypes differ; convert one with .to('f32' | 'f64')")
  }
  if (!allowed.includes(dtype))
    throw new ShapeError(op, inputs, `dtype must be ${allowed.join(' or ')}; convert with .to('${allowed[0]}')`)
  return dtype
}

export const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape)
