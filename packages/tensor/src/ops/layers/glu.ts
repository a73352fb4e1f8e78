import { ShapeError } from '../../core/errors.js'
import { entryOf } from '../../core/messages.js'
import { apply, checkReals } from '../../core/op.js'
import { fromEnd } from '../../core/shape.js'
import type { Binary, Dense, Op, Tensor } from '../../core/tensor.js'
import { mul } from '../arithmetic/mul.js'
import { gelu } from '../functions/gelu.js'
import { geluTanh } from '../functions/geluTanh.js'
import { relu } from '../functions/relu.js'
import { sigmoid } from '../functions/sigmoid.js'
import { silu } from '../functions/silu.js'
import { narrow } from '../structure/slice.js'
import { zipped } from '../structure/zipped.js'

/** The function of the gate factor: GLU, GEGLU, ReGLU, SwiGLU; identity for a bilinear unit. */
export type GateFunction = 'sigmoid' | 'gelu' | 'geluTanh' | 'relu' | 'silu' | 'identity'
const functions: Record<GateFunction, (x: Tensor) => Tensor> = { sigmoid, gelu, geluTanh, relu, silu, identity: x => x }

const product = zipped('glu', 'mul')

export const gluOp: Op<{ gate: GateFunction }, Binary> = {
  name: 'glu',
  signature: '[...], [...] -> [...]',
  infer(inputs, { gate }) {
    entryOf(functions, gate, 'glu: the gate is')
    return product.infer(inputs, undefined)
  },
  run: ([a, b], { gate }) => mul(a, functions[gate](b)) as Dense,
  // The gate factor is frozen at the run, unless paths run through it alone.
  gate: ([a, b], { gate }, at) => mul(a, functions[gate](at.has(a) ? at.value(b) : b)),
  body: ([a, b], { gate }) => mul(a, functions[gate](b)),
}

/** Gated product a ⊙ g(b), g a sigmoid by default. Paths run through a; the factor g(b) is a gate, frozen. */
export function gatedProduct(a: Tensor, b: Tensor, gate: GateFunction = 'sigmoid'): Tensor {
  return apply(gluOp, [a, b], { gate })
}

/** Gated linear unit: the first half of x along `axis` times g of the second half (Dauphin 2017, Shazeer 2020). */
export function glu(x: Tensor, axis = -1, gate: GateFunction = 'sigmoid'): Tensor {
  checkReals('glu', [x])
  const at = fromEnd(axis, x.rank, 'glu')
  const half = x.shape[x.rank + at]! / 2
  if (!Number.isInteger(half)) throw new ShapeError(gluOp, [x], `axis ${axis} has an odd length`)
  return gatedProduct(narrow(x, at, 0, half), narrow(x, at, half, half), gate)
}
