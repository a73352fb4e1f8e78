import {
  completeP,
  deepNorm,
  fixup,
  layerScale,
  nf,
  reZero,
  type ScalePreset,
  type ScaleRule,
  skipInit,
} from '@unravel/resnet'
import { InvalidArgumentError } from 'commander'

/** Readers of option values: text in, value out, or an error that the argument parser reports. */

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** A finite decimal number, in a range. */
export const number =
  ({ above = -Infinity, from = -Infinity, below = Infinity }: { above?: number; from?: number; below?: number } = {}) =>
  (text: string): number => {
    const value = decimal.test(text) ? Number(text) : Number.NaN
    if (Number.isFinite(value) && value > above && value >= from && value < below) return value
    const range = [
      above > -Infinity && ` above ${above}`,
      from > -Infinity && ` of at least ${from}`,
      below < Infinity && ` and below ${below}`,
    ]
    throw new InvalidArgumentError(`It must be a finite number${range.filter(Boolean).join('')}.`)
  }

/** Numbers in a range, separated by commas. */
export const numbers =
  (range: Parameters<typeof number>[0] = {}) =>
  (text: string): number[] =>
    text.split(',').map(number(range))

/** An integer from `from` to `to`. */
export const integer =
  (from = 0, to = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(value) && value >= from && value <= to) return value
    const range = to === Number.MAX_SAFE_INTEGER ? `of at least ${from}` : `from ${from} to ${to}`
    throw new InvalidArgumentError(`It must be an integer ${range}.`)
  }

/** `all`, or an order. */
export const orders = (text: string): number | 'all' => {
  if (text === 'all') return text
  if (/^\+?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new InvalidArgumentError("It must be an integer of at least 0, or 'all' (gated and gradient).")
}

/** λ, `1/n`, `1/sqrt(n)`, or a multiple `c/n`, `c/sqrt(n)`. */
export const scale = (text: string): ScaleRule => {
  const [, multiple = text, by] = /^(.*)\/(n|sqrt\(n\))$/.exec(text) ?? []
  const value = decimal.test(multiple) ? Number(multiple) : Number.NaN
  if (!Number.isFinite(value)) {
    throw new InvalidArgumentError(
      "It must be a finite number, '1/n' or '1/sqrt(n)', or a multiple as in '1.4/sqrt(n)'.",
    )
  }
  if (by === undefined) return { rule: 'constant', value }
  const depth = by === 'n' ? 'n' : 'sqrt(n)'
  return multiple === '1' ? { rule: `1/${depth}` } : { rule: `c/${depth}`, value }
}

const presets: Readonly<Record<string, () => ScalePreset>> = {
  'skip-init': skipInit,
  're-zero': reZero,
  'complete-p': () => completeP(),
  'deep-norm': () => deepNorm(),
  fixup: () => fixup(),
}
/** The values of `--scale` of a fresh network. */
export const presetNames =
  "λ, 'constant:λ', '1/n', '1/sqrt(n)', 'c/n', 'c/sqrt(n)', 'per-block:λ1,λ2,…', 'skip-init', 're-zero', 'complete-p', 'deep-norm', 'layer-scale:ε', 'fixup' or 'nf:α[,β]'"

/** A way to scale the branches of a fresh network. */
export const scalePreset = (text: string): ScalePreset => {
  if (Object.hasOwn(presets, text)) return presets[text]!()
  const [name, ...parts] = text.split(':')
  const rest = parts.join(':')
  const numbers = () => rest.split(',').map(number())
  try {
    if (name === 'constant') return { rule: { rule: 'constant', value: number()(rest) } }
    if (name === 'per-block') return { rule: { rule: 'per-block', values: numbers() } }
    if (name === 'layer-scale') return layerScale(number()(rest))
    if (name === 'nf') {
      const [alpha, beta, ...more] = numbers() as [number, number?]
      if (more.length === 0 && (beta === undefined || beta > 0)) return nf(alpha, beta)
    }
    return { rule: scale(text) }
  } catch {
    throw new InvalidArgumentError(`It must be ${presetNames.replace('λ', 'a finite number')}.`)
  }
}
