import { FormatError, type Shape } from '@unravel/tensor'

/**
 * Throws FormatError unless every number of a row-major array is finite as `dtype`; its message says which one is not.
 * `name` is of the array, where it has one; `what` its numbers are: inputs, weights.
 */
export function checkFinite(
  data: ArrayLike<number>,
  shape: Shape,
  dtype: 'f32' | 'f64',
  what: string,
  name?: string,
): void {
  const round = dtype === 'f32' ? Math.fround : (x: number) => x
  for (let i = 0; i < data.length; i++) {
    const x = data[i]!
    if (Number.isFinite(round(x))) continue
    const problem = Number.isFinite(x) ? `${x}, beyond the range of f32; use f64` : `${x}; ${what} must be finite`
    const element = shape.length === 0 ? [] : [`element [${indexOf(i, shape).join(', ')}]`]
    const place = [...element, ...(name === undefined ? [] : [`tensor "${name}"`])].join(' of ')
    throw new FormatError(`${place} is ${problem}`)
  }
}

export function allFinite(data: ArrayLike<number>): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false
  return true
}

/** The index of element i of a row-major array. */
function indexOf(i: number, shape: Shape): number[] {
  const index: number[] = []
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(i % shape[axis]!)
    i = Math.floor(i / shape[axis]!)
  }
  return index
}
