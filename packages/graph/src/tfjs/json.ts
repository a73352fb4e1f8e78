import { FormatError } from '@unravel/tensor'
import { shown } from '@unravel/tensor/internals'

// Fields of a model.json, checked where they are read.

export const fail = (message: string): never => {
  throw new FormatError(`tfjs: ${message}`)
}

export type Json = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A field of an object that is its own. */
export const field = (of: Json, name: string): unknown => (Object.hasOwn(of, name) ? of[name] : undefined)

export const record = (value: unknown, what: string): Json =>
  isRecord(value) ? value : fail(`${what} is ${shown(value)}; expected an object`)

export const list = (value: unknown, what: string): readonly unknown[] =>
  Array.isArray(value) ? value : fail(`${what} is ${shown(value)}; expected a list`)

export const text = (value: unknown, what: string): string =>
  typeof value === 'string' ? value : fail(`${what} is ${shown(value)}; expected a string`)

export const number = (value: unknown, what: string): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : fail(`${what} is ${shown(value)}; expected a number`)

export const integer = (value: unknown, what: string, least = -(2 ** 53)): number => {
  const n = number(value, what)
  return Number.isSafeInteger(n) && n >= least
    ? n
    : fail(`${what} is ${n}; expected an integer${least > -(2 ** 53) ? ` of at least ${least}` : ''}`)
}

/** Lengths of axes, at most 64 of them. */
export function shapeIn(value: unknown, what: string): number[] {
  const axes = list(value, what)
  if (axes.length > 64) fail(`${what} has ${axes.length} axes; 64 are the most`)
  return axes.map(n => integer(n, `an axis of ${what}`, 0))
}
