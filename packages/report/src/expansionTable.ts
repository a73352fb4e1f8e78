import type { Analysis } from '@unravel/expansion'
import { blockList, columns, count, percent, plural, significant, targetText } from './table.js'

/** The heading of a table. */
export interface Heading {
  readonly model: string
  readonly batch: number
  readonly dtype: string
  readonly backend: string
  /** Where λ comes from, in words. */
  readonly scaleFrom?: string
  /** Sites that are counted too, or could be, in words. */
  readonly counted?: string | undefined
  /** How far the network's output is from one that was expected, in words. */
  readonly expected?: string
  /** For `gradient`: the output element, or in words what of the output it is of. */
  readonly target?: number | string
  /** Names of the blocks, where they have some. */
  readonly names?: readonly string[] | undefined
  /** Multiple of λ that the series is about. */
  readonly about?: number
}

/** An analysis for a person to read: a row for each order, then what the orders mean, then the warnings. */
export function expansionTable(analysis: Analysis, heading: Heading): string {
  const { model, batch, dtype, backend, target, about = 0, scaleFrom, expected, counted, names = [] } = heading
  const what = target === undefined ? analysis.expansion : `${analysis.expansion} (of ${targetText(target)})`
  const { standardError: errors } = analysis
  const of = analysis.expansion === 'gradient' ? 'gradient' : 'output'
  return [
    `${what} expansion of ${model}`,
    `${plural(analysis.blocks, analysis.sites === 'all' ? 'residual addition' : 'block')}, λ = ${scaleText(analysis, names)}${about > 0 ? `, series about ${about}·λ` : ''}, ${plural(batch, 'input')}, ${dtype} on ${backend}`,
    '',
    columns([
      ['order', 'norm', ...(errors ? ['± error'] : []), 'share', 'remainder', 'terms', 'chains'],
      ...analysis.norms.map((norm, k) => [
        String(k),
        significant(norm),
        ...(errors ? [significant(errors[k]!, 2)] : []),
        percent(analysis.share[k]!),
        significant(analysis.remainder[k]!, 3),
        count(analysis.terms[k]!),
        count(analysis.chains[k]!),
      ]),
    ]),
    columns(
      [
        ...(scaleFrom === undefined ? [] : [['scale', scaleFrom]]),
        ...(counted === undefined ? [] : [['counted', counted]]),
        ...(names.length === 0 ? [] : [['blocks', blockList(names)]]),
        ...(expected === undefined ? [] : [['expected', expected]]),
        ...facts(analysis, of, about),
      ],
      2,
    ),
    `Shares are norms² over those of ${analysis.shareOf === 'all orders' ? `all orders 0 to ${analysis.longest}` : `the orders above, 0 to ${analysis.orders}`}.`,
    ...analysis.warnings.map(warning => `Warning: ${warning}`),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n')
}

function facts(analysis: Analysis, of: string, about: number): string[][] {
  const { radius, kinkRadius, resummed, bestOrder, tailNorm } = analysis
  const rows = [[of, `norm ${significant(analysis.outputNorm)}`]]
  if (tailNorm !== null && analysis.orders < analysis.longest) {
    rows.push(['tail', `norm ${significant(tailNorm)} in orders ${analysis.orders + 1} to ${analysis.longest}`])
  }
  if (bestOrder !== null) {
    rows.push(['best truncation', `order ${bestOrder}, remainder ${significant(analysis.remainder[bestOrder]!, 3)}`])
  }
  if (analysis.expansion === 'taylor') rows.push(['radius', radiusText(radius, analysis.scale, about)])
  if (kinkRadius !== null) rows.push(['kink radius', kinkText(kinkRadius, analysis.scale)])
  if (resummed !== null) {
    const { epsilon, pade } = resummed
    rows.push([
      'resummed',
      `remainder ${significant(epsilon.remainder, 3)} by the epsilon algorithm, ` +
        `${significant(pade.remainder, 3)} by Padé [${pade.numerator}/${pade.denominator}]`,
    ])
  }
  return rows
}

function radiusText(radius: Analysis['radius'], scale: Analysis['scale'], about: number): string {
  if (radius === null) return 'not known'
  if (radius.estimate === Infinity) return 'infinite: the series is a polynomial'
  const range = `${significant(radius.low, 3)} to ${significant(radius.high, 3)}`
  const start = about > 0 ? `from ${about}·λ on, ` : ''
  return `${start}${unit(scale)} ${significant(radius.estimate, 3)} (${range}); λ is at ${significant(radius.ratio, 3)} of it`
}

function kinkText(kink: number, scale: Analysis['scale']): string {
  if (kink === Infinity) return 'infinite: no gate flips at any λ'
  return `${unit(scale)} ${significant(kink, 3)}: the first gate flips there`
}

/** The unit of a radius. */
const unit = (scale: Analysis['scale']): string => (typeof scale === 'number' ? '|λ| =' : 'multiple of λ =')

function scaleText({ scale, sites }: Analysis, names: readonly string[]): string {
  if (typeof scale === 'number') return String(Number(scale.toPrecision(6)))
  const [least, most] = [Math.min, Math.max].map(pick => scale.reduce((a, b) => pick(a, b)))
  const at = (value: number) => (names.length === scale.length ? ` (${names[scale.indexOf(value)]})` : '')
  return `${significant(least!, 3)}${at(least!)} to ${significant(most!, 3)}${at(most!)} by ${sites === 'all' ? 'addition' : 'block'}`
}
