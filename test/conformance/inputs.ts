import { type Backend, type DType, js } from '@unravel/kernels'
import { logSoftmax, mul, Random, softmax, type Tensor, tensor } from '@unravel/tensor'
import { apply, type Dense, type opTable } from '@unravel/tensor/internals'
import type { Case, Domain } from './cases.js'

// Inputs of the cases of an op, and the op as a function of those that it is differentiated by.

export type AnyOp = (typeof opTable)[number]

/** Inputs of a case; the same numbers on every backend and, rounded, in every dtype. Where they are `narrow`, f32 holds them. */
export function inputsOf(c: Case, dtype: DType, backend: Backend, narrow = false): Dense[] {
  const random = new Random(7)
  return c.inputs.map(({ shape, domain }) => sample(random, shape, domain, dtype, backend, narrow))
}

function sample(
  random: Random,
  shape: readonly number[],
  domain: Domain,
  dtype: DType,
  backend: Backend,
  narrow: boolean,
): Dense {
  const where = { dtype: 'f64' as const, backend: js() }
  const make = (values: ArrayLike<number>, as: DType = dtype) =>
    tensor(Float64Array.from(narrow ? Float32Array.from(values) : values), { shape, dtype: as, backend })
  const n = shape.reduce((a, b) => a * b, 1)
  if (typeof domain === 'object') {
    return make(random.uniform(shape, 0, domain.ids, where).dataSync().map(Math.floor), 'i32')
  }
  if (domain === 'unit') return make(random.uniform(shape, -0.9, 0.9, where).dataSync())
  if (domain === 'positive') return make(random.uniform(shape, 0.5, 2, where).dataSync())
  if (domain === 'mask') return make(random.uniform(shape, 0, 2, where).dataSync().map(Math.floor))
  if (domain === 'distinct') {
    // No two within 0.1 of each other, none within 0.05 of 0: kinks and ties stay away from small steps.
    const order = random.permutation(n)
    return make(Float64Array.from(order, i => ((i - n / 2 + 0.5) * 1.7) / Math.max(1, n / 2)))
  }
  const values = random.normal(shape, 0, 0.8, where)
  // Sharp enough that some rows have a probability above ½.
  if (domain === 'softmax') return make(softmax(mul(values, 3)).dataSync())
  if (domain === 'logSoftmax') return make(logSoftmax(mul(values, 3)).dataSync())
  return make(values.dataSync())
}

const floats = (c: Case) =>
  c.inputs.map((x, i) => (typeof x.domain === 'object' || x.domain === 'mask' ? -1 : i)).filter(i => i >= 0)

/** The op as a function of its differentiable inputs. */
export function ofFloats(op: AnyOp, c: Case, inputs: readonly Tensor[]) {
  const at = floats(c)
  const f = (...xs: Tensor[]) => {
    const all = [...inputs]
    at.forEach((i, j) => {
      all[i] = xs[j]!
    })
    return apply(op, all, c.attrs)
  }
  return { f, xs: at.map(i => inputs[i]!) }
}

export const differentiable = (op: AnyOp) => op.vjp !== undefined || op.body !== undefined
