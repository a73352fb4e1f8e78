import type { Backend, DType } from '@unravel/kernels'
import { BackendError, describe, ShapeError } from './errors.js'
import { sameShape } from './shape.js'
import type { Dense, Op, Tensor, TensorType } from './tensor.js'

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
