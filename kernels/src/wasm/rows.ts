import type { Shape, Strides } from '../contract.js'
import { stepOf } from '../js/rows.js'
import type { Context } from './context.js'
import { copyKernel } from './copy.js'
import { addressOf, type Region } from './region.js'

/** An operand as the module takes it: consecutive elements, or one for all. */
export interface Dense {
  readonly address: number
  readonly step: boolean
}

/** Calls `run` with operands in dense form; those that are broadcast along some axes only are copied for as long. */
export function densely(
  context: Context,
  shape: Shape,
  operands: readonly (readonly [Region, Strides])[],
  run: (operands: readonly Dense[]) => void,
): void {
  const { heap } = context
  const contiguous = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1))
  heap.scratch(alloc => {
    const regions = operands.map(([x, strides]) => {
      const step = stepOf(shape, strides)
      if (step === 0 || step === 1) return { x, step: step === 1 }
      const copied = alloc(
        x.dtype,
        shape.reduce((a, b) => a * b, 1),
      )
      copyKernel(context)(shape, x, 0, strides, copied, 0, contiguous)
      return { x: copied, step: true }
    })
    run(regions.map(({ x, step }) => ({ address: addressOf(x), step })))
  })
}
