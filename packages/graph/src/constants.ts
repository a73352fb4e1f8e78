import type { Constant, HostArray, HostData } from './graph.js'
import { arrayOfType, elementsOf, hostOf } from './host.js'

// Constants made from others: numbers are moved when they are read.

/** Integers as an operator reads them. */
export function integers(values: readonly number[], shape: readonly number[] = [values.length]): Constant {
  const array = hostOf('i64', shape, values.map(BigInt))
  return { type: 'i64', shape, read: () => array }
}

/** Real numbers of f32. */
export function reals(values: readonly number[], shape: readonly number[] = []): Constant {
  const array: HostArray = { type: 'f32', shape, data: Float32Array.from(values) }
  return { type: 'f32', shape, read: () => array }
}

/** The same numbers in another shape of as many. */
export const reshaped = (of: Constant, shape: readonly number[]): Constant => ({
  type: of.type,
  shape,
  read: () => ({ ...of.read(), shape }),
})

/** A constant with its axes in another order: axis i of the result is axis `order[i]`. */
export function turned(of: Constant, order: readonly number[]): Constant {
  const shape = order.map(axis => of.shape[axis]!)
  if (order.every((axis, i) => axis === i)) return of
  return { type: of.type, shape, read: () => ({ type: of.type, shape, data: moved(of.read(), order) }) }
}

function moved({ type, shape, data }: HostArray, order: readonly number[]): HostData {
  const to = order.map(axis => shape[axis]!)
  const steps = order.map(axis => elementsOf(shape.slice(axis + 1)))
  const from = data as Float64Array
  const out = arrayOfType(type, from.length) as Float64Array
  const last = to.length - 1
  const [length, step] = [to[last] ?? 1, steps[last] ?? 1]
  const index = to.map(() => 0)
  let place = 0
  for (let i = 0; i < out.length; ) {
    for (let p = place, end = i + length; i < end; i++, p += step) out[i] = from[p]!
    for (let d = last - 1; d >= 0; d--) {
      place += steps[d]!
      if (++index[d]! < to[d]!) break
      place -= steps[d]! * to[d]!
      index[d] = 0
    }
  }
  return out
}
