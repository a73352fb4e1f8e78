import type { DType, Shape, TypedArray } from '@unravel/kernels'
import { sizeOf } from './shape.js'

/** A number, or lists of lists of numbers. */
export type Nested = number | Nested[]

/** Numbers as nested lists of the given shape; of the shape [] the number itself. */
export function nested(data: TypedArray, shape: Shape): Nested {
  let at = 0
  const level = (d: number): Nested =>
    d === shape.length ? data[at++]! : Array.from({ length: shape[d]! }, () => level(d + 1))
  return level(0)
}

// NumPy's defaults.
const PRECISION = 8
const WIDTH = 75
/** Beyond so many elements the middle of every long axis is left out … */
const THRESHOLD = 1000
/** … except for so many at both ends. */
const EDGE = 3

/** Numbers as NumPy prints an array: aligned, with as many digits as tell them apart, at most 8 after the point. */
export function formatted(data: TypedArray, shape: Shape, dtype: DType): string {
  const size = sizeOf(shape)
  if (size === 0) return '[]'
  if (shape.length === 0) return single(data[0]!, dtype)
  const short = size > THRESHOLD
  /** The indices of an axis that are shown; −1 stands for those left out. */
  const shown = (n: number): number[] =>
    short && n > 2 * EDGE ? [0, 1, 2, -1, n - 3, n - 2, n - 1] : Array.from({ length: n }, (_, i) => i)
  const visible: number[] = []
  const collect = (d: number, offset: number): void => {
    if (d === shape.length) visible.push(data[offset]!)
    else for (const i of shown(shape[d]!)) if (i >= 0) collect(d + 1, offset * shape[d]! + i)
  }
  collect(0, 0)
  const text = dtype === 'i32' ? integers(visible) : floats(visible, dtype)

  const block = (d: number, offset: number): string => {
    if (d === shape.length) return text(data[offset]!)
    const n = shape[d]!
    const parts = shown(n).map(i => (i < 0 ? '...' : block(d + 1, offset * n + i)))
    // Every line but the first stands below what follows its opening brackets.
    const indent = ' '.repeat(d + 1)
    if (d < shape.length - 1) return `[${parts.join('\n'.repeat(shape.length - 1 - d) + indent)}]`
    const lines: string[] = []
    let line = ''
    parts.forEach((part, i) => {
      if (i > 0 && indent.length + line.length + 1 + part.length + shape.length > WIDTH) {
        lines.push(line.trimEnd())
        line = part
      } else line = i === 0 ? part : `${line} ${part}`
    })
    lines.push(line)
    return `[${lines.join(`\n${indent}`)}]`
  }
  return block(0, 0)
}

/** One number in full. */
function single(x: number, dtype: DType): string {
  if (!Number.isFinite(x)) return name(x)
  if (dtype === 'i32') return String(x)
  const size = Math.abs(x)
  const short = shortest(size, dtype)
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, power] = short.split('e') as [string, string]
    return `${sign(x)}${digits}e${twoDigits(power)}`
  }
  return `${sign(x)}${Number(short)}${Number.isInteger(size) ? '.0' : ''}`
}

function integers(values: readonly number[]): (x: number) => string {
  const width = values.reduce((w, x) => Math.max(w, String(x).length), 0)
  return x => String(x).padStart(width)
}

function floats(values: readonly number[], dtype: DType): (x: number) => string {
  const finite = values.filter(Number.isFinite)
  const sizes = finite.filter(x => x !== 0).map(Math.abs)
  const [most, least] = [sizes.reduce((m, x) => Math.max(m, x), 0), sizes.reduce((m, x) => Math.min(m, x), Infinity)]
  const ratio = dtype === 'f32' ? Math.fround(most / least) : most / least
  const scientific = sizes.length > 0 && (most >= 1e8 || least < 1e-4 || ratio > 1000)
  const split = (x: number) => (scientific ? scientificParts(x, dtype) : positionalParts(x, dtype))
  const all = finite.map(split)
  const longest = (part: 0 | 1 | 2) => all.reduce((n, p) => Math.max(n, p[part].length), 0)
  let before = longest(0)
  const [after, exponents] = [longest(1), longest(2)]
  // In scientific notation all numbers have equally many digits after the point; else blanks fill up.
  const right = after + exponents
  for (const x of values) if (!Number.isFinite(x)) before = Math.max(before, name(x).length - right - 1)
  return x => {
    if (!Number.isFinite(x)) return name(x).padStart(before + 1 + right)
    let [whole, fraction, exponent] = split(x)
    if (scientific && fraction.length < after) fraction = scientificDigits(x, after)
    return `${whole.padStart(before)}.${fraction}${widened(exponent, exponents)}`.padEnd(before + 1 + right)
  }
}

const name = (x: number) => (x !== x ? 'nan' : x > 0 ? 'inf' : '-inf')
/** An exponent such as e-05 with as many digits as the longest. */
const widened = (exponent: string, width: number) =>
  exponent === '' ? '' : exponent.slice(0, 2) + exponent.slice(2).padStart(width - 2, '0')

const twoDigits = (power: string) => power[0] + power.slice(1).padStart(2, '0')

type Parts = readonly [whole: string, fraction: string, exponent: string]

/** The fewest significant digits that tell a number of this dtype from its neighbours. */
function shortest(x: number, dtype: DType): string {
  if (dtype === 'f32') {
    for (let digits = 1; digits <= 9; digits++) {
      const text = x.toExponential(digits - 1)
      if (Math.fround(Number(text)) === x) return text
    }
  }
  return x.toExponential()
}

/** Digits after the point and the power of ten of a number in scientific notation. */
function places(text: string): { fraction: number; power: number } {
  const [digits, power] = text.split('e') as [string, string]
  return { fraction: digits.includes('.') ? digits.length - digits.indexOf('.') - 1 : 0, power: Number(power) }
}

const sign = (x: number) => (x < 0 || Object.is(x, -0) ? '-' : '')

function positionalParts(x: number, dtype: DType): Parts {
  const size = Math.abs(x)
  const { fraction, power } = places(shortest(size, dtype))
  const wanted = Math.min(Math.max(fraction - power, 0), PRECISION)
  const text =
    fraction - power > PRECISION ? rounded(d => size.toFixed(d)) : Number(shortest(size, dtype)).toFixed(wanted)
  const [whole, digits = ''] = text.split('.') as [string, string?]
  return [sign(x) + whole, digits.replace(/0+$/, ''), '']
}

function scientificParts(x: number, dtype: DType): Parts {
  const size = Math.abs(x)
  const short = shortest(size, dtype)
  const text = places(short).fraction > PRECISION ? rounded(d => size.toExponential(d)) : short
  const [digits, power] = text.split('e') as [string, string]
  const [whole, fraction = ''] = digits.split('.') as [string, string?]
  return [sign(x) + whole, fraction.replace(/0+$/, ''), `e${twoDigits(power)}`]
}

/** So many digits after the point in scientific notation. */
const scientificDigits = (x: number, n: number): string =>
  Math.abs(x)
    .toExponential(n)
    .slice(2, 2 + n)

/** A number with 8 digits after the point; exactly between two, the even one (JavaScript takes the larger). */
function rounded(digits: (n: number) => string): string {
  const text = digits(PRECISION)
  const [exact, power = ''] = digits(100).split('e') as [string, string?]
  const tie = /^50*$/.test(exact.slice(exact.indexOf('.') + 1 + PRECISION))
  if (!tie) return text
  // The digits cut off are a tie: the digits before them are even, or one more is.
  const cut = exact.slice(0, exact.indexOf('.') + 1 + PRECISION)
  return Number(cut[cut.length - 1]) % 2 === 0 ? cut + (power === '' ? '' : `e${power}`) : text
}
