import type { Shape, Strides } from '../contract.js'

/** The same walk over fewer axes: axes of length 1 are left out, and those that continue each other in every operand are
 *  taken as one. */
export function collapse(shape: Shape, operands: readonly Strides[]): { shape: number[]; strides: number[][] } {
  const lengths: number[] = []
  const strides: number[][] = operands.map(() => [])
  for (let d = 0; d < shape.length; d++) {
    const n = shape[d]!
    if (n === 1) continue
    const last = lengths.length - 1
    if (last >= 0 && operands.every((s, o) => strides[o]![last] === s[d]! * n)) {
      lengths[last]! *= n
      operands.forEach((s, o) => (strides[o]![last] = s[d]!))
    } else {
      lengths.push(n)
      operands.forEach((s, o) => strides[o]!.push(s[d]!))
    }
  }
  return { shape: lengths, strides }
}
