import { ShapeError } from '../errors.js'
import { apply, commonDType, type Op } from '../op.js'
import type { Dense, Tensor } from '../tensor.js'
import { add } from './add.js'
import { matmul } from './matmul.js'

export const linearOp: Op = {
  name: 'linear',
  signature: '[...,in], [out,in], [out] -> [...,out]',
  infer(inputs) {
    const [x, w, b] = inputs
    const n = w!.shape[0]!
    const fits = w!.rank === 2 && x!.rank > 0 && x!.shape[x!.rank - 1] === w!.shape[1]
    if (!fits || (b !== undefined && (b.rank !== 1 || b.shape[0] !== n))) throw new ShapeError(linearOp, inputs)
    return { shape: [...x!.shape.slice(0, -1), n], dtype: commonDType(linearOp, inputs) }
  },
  run: inputs => body(inputs) as Dense,
  body,
}

function body([x, w, b]: readonly Tensor[]): Tensor {
  const y = x!.rank === 1 ? matmul(w!, x!) : matmul(x!, w!, false, true)
  return b === undefined ? y : add(y, b)
}

/** x Wᵀ + b, with W [out,in] and b [out] as PyTorch lays them out; b may be absent. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return apply(linearOp, bias === undefined ? [x, weight] : [x, weight, bias], undefined)
}
