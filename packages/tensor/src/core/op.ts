import type { Backend, DType } from '@unravel/kernels'
import type { TensorType } from './errors.js'
import { BackendError, describe, ShapeError } from './errors.js'
import { allOrNothing } from './owner.js'
import { sameShape } from './shape.js'
import { Dense, type Op, Tensor } from './tensor.js'

/** Applies an op to its inputs: numbers are computed, tracers are interpreted. Both are refused alike. */
export function apply<A, I extends readonly Tensor[]>(op: Op<A, I>, inputs: NoInfer<I>, attrs: A): Tensor {
  checkTensors(op.name, inputs)
  const type = op.infer(inputs, attrs)
  const { backend } = inputs[0]!
  for (let i = 1; i < inputs.length; i++) if (inputs[i]!.backend !== backend) throw mixed(op.name, inputs)
  return applyAs(type, op, inputs, attrs)
}

/** `apply` where the type of the result is known: interpreters go on with the same op on inputs of the same types. */
export function applyAs<A>(type: TensorType, op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  let top = inputs[0]!
  for (let i = 1; i < inputs.length; i++) if (inputs[i]!.level > top.level) top = inputs[i]!
  if (top.level > 0) return top.interpret(op, inputs, attrs, type)
  return allOrNothing(op.run, inputs as readonly Dense[], attrs, type)
}

/** `f` of every input, as a tuple of as many. */
export const each = <I extends readonly Tensor[], U>(inputs: I, f: (t: Tensor) => U) =>
  inputs.map(t => f(t)) as { readonly [K in keyof I]: U }

/** x under a handle of its own, where the op `name` has nothing to do: disposing either leaves the other. Tracers own
 *  no numbers and are returned as they are. */
export function alias(name: string, x: Tensor): Tensor {
  if (!(x instanceof Tensor)) throw noTensor(name, x)
  return x instanceof Dense ? x.share(x.shape, 0, x.origin) : x
}

/** Throws the TypeError of `apply` for an argument that is no tensor: for functions that read shapes before they apply an op. */
export function checkTensors(name: string, xs: readonly Tensor[]): void {
  for (let i = 0; i < xs.length; i++) if (xs[i]?.level === undefined) throw noTensor(name, xs[i])
}

/** Throws TypeError for an argument that is true or false by its place, and was given as an object of options or as a word, which
 *  would count as true. */
export function checkFlag(op: string, flag: string, value: unknown): void {
  if (typeof value !== 'object' && typeof value !== 'string') return
  const got = typeof value === 'string' ? `"${value}"` : value === null ? 'null' : 'an object'
  throw new TypeError(`${op}: ${flag} is an argument of its own, true or false, got ${got}`)
}

/** `checkTensors` for a function made of other ops, which wants real numbers. */
export function checkReals(name: string, xs: readonly Tensor[]): void {
  checkTensors(name, xs)
  if (xs.some(x => x.dtype === 'i32')) throw wrongDType({ name, signature: '[...] -> [...]' }, xs, ['f32', 'f64'])
}

const wrongDType = (op: { name: string; signature: string }, inputs: readonly Tensor[], allowed: readonly DType[]) =>
  new ShapeError(op, inputs, `dtype must be ${allowed.join(' or ')}; convert with .to('${allowed[0]}')`)

function noTensor(name: string, got: unknown): TypeError {
  const what = Array.isArray(got) ? 'an array' : typeof got === 'number' ? got : typeof got
  return new TypeError(`${name} wants tensors, got ${what}: make one with tensor(…)`)
}

function mixed(name: string, inputs: readonly Tensor[]): BackendError {
  const places = inputs.map(t => `${describe(t)} on ${t.backend.name}`).join(', ')
  return new BackendError(`${name} wants all inputs on one backend, got ${places}: move them with .to(backend)`)
}

export const backendOf = (t: Tensor): Backend => t.backend

/** Dtype and backend of a tensor, for one that is made to meet it. */
export const like = (t: Pick<Tensor, 'dtype' | 'backend'>) => ({ dtype: t.dtype, backend: t.backend })

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
  if (!allowed.includes(dtype)) throw wrongDType(op, inputs, allowed)
  return dtype
}

export const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape)
