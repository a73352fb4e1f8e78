import type { Analysis } from '@unravel/expansion'
import { meanOrder, percent, ratioRange, significant } from '../table.js'
import { bestRemainder, type DemoResult, type TowerResult } from './result.js'

/** The largest remainder that the words call an approximation. */
const TOLERANCE = 0.01

/** The findings of a demonstration, in sentences that follow from its numbers. */
export function inWords(demo: DemoResult): string[] {
  return [accuracies(demo), lesson(demo), ...demo.towers.map(tower => aboutTower(tower))]
}

function accuracies({ towers, steps, batch, rates, heldOut }: DemoResult): string {
  const ranked = [...towers].sort((a, b) => b.trained.accuracy - a.trained.accuracy)
  const list = ranked.map(
    t => `${percent(t.trained.accuracy)} at λ = ${t.name} (${t.divergedAt === null ? `rate ${t.rate}` : 'diverged'})`,
  )
  const choice =
    rates.length === 1
      ? `rate ${rates[0]}`
      : `each at the best of the rates ${joined(rates.map(String))} on ${heldOut} held-out images`
  return (
    `After ${steps} steps of SGD (batches of ${batch}, ${choice}), the towers classify ` +
    `${joined(list)} of the test images correctly.`
  )
}

/** How much worse than another accuracy counts as worse. */
const WORSE = 0.01

/** Sentences about depth without a scale. */
function lesson({ towers, blocks }: DemoResult): string {
  const [plain, ...scaled] = towers
  const sizes = towers.map(t => `${significant(t.initial.gated.outputNorm, 3)} at λ = ${t.name}`)
  const norms = `At initialisation the output of ${blocks} blocks has the norm ${joined(sizes)}.`
  const best = scaled.reduce((most, t) => Math.max(most, t.trained.accuracy), 0)
  if (plain === undefined || scaled.length === 0) return norms
  const broken = plain.tried.every(t => t.divergedAt !== null)
  if (broken && scaled.some(t => t.divergedAt === null)) {
    return `${norms} At λ = ${plain.name} the sum of all paths explodes with depth, and training diverges at every rate that was tried; with a scale it does not.`
  }
  if (plain.trained.accuracy < best - WORSE) {
    return `${norms} At λ = ${plain.name}, without a scale, the tower learns less than with one.`
  }
  return `${norms} At this depth, and in so many steps, the tower learns no less at λ = ${plain.name} than with a scale: its paths multiply with depth (--depth), and with them the difference.`
}

function aboutTower({ name, initial, trained, divergedAt }: TowerResult): string {
  const sentences = [
    divergedAt !== null && `Training diverged at step ${divergedAt}; "trained" is the state of the last finite loss.`,
    energy(initial.gated, trained.gated),
    cancellation(initial.gated, trained.gated),
    series(trained.taylor),
  ]
  return `λ = ${name}: ${sentences.filter(s => typeof s === 'string').join(' ')}`
}

/** Where the energy of the gated orders lies. */
function energy(initial: Analysis, trained: Analysis): string {
  const [before, after] = [meanOrder(initial), meanOrder(trained)]
  if (!Number.isFinite(before) || !Number.isFinite(after)) return 'The gated orders are not all finite.'
  const direction = after > 1.1 * before ? 'moves up' : after < before / 1.1 ? 'moves down' : 'stays'
  return (
    `The mean order of the energy ${direction}, from ${significant(before, 3)} at initialisation (${span(initial)}) ` +
    `to ${significant(after, 3)} after training (${span(trained)}).`
  )
}

/** The fewest orders, from 0, that hold 95 % of the energy. */
function span({ share }: Analysis): string {
  let sum = 0
  const last = share.findIndex(s => (sum += s) >= 0.95)
  return last === 0 ? '95 % of it in order 0' : `95 % of it in orders 0 to ${last}`
}

/** Orders that are far larger than what they sum to. */
function cancellation(initial: Analysis, trained: Analysis): string | null {
  const [before, after] = [initial, trained].map(a => a.norms.reduce((x, y) => Math.max(x, y)) / a.outputNorm)
  if (!(Math.max(before!, after!) > 2)) return null
  return (
    `Its orders explode and cancel: the largest is ${significant(before!, 3)} times the output at initialisation ` +
    `and ${significant(after!, 3)} times after training.`
  )
}

/** Sentences about the Taylor series of the trained tower. */
function series(taylor: Analysis): string {
  const { radius, bestOrder } = taylor
  const place =
    radius === null
      ? 'The radius of convergence of the trained tower’s Taylor series cannot be estimated'
      : `The coefficients of the trained tower’s Taylor series put λ at ${ratioRange(radius)} of the radius of ` +
        `convergence, where the series ${certain(radius)}`
  if (bestOrder === null) return `${place}; no truncation gives finite numbers.`
  const remainder = bestRemainder(taylor)
  const verdict = remainder <= TOLERANCE ? 'a faithful approximation' : 'not an approximation to rely on'
  return `${place}; its best truncation, order ${bestOrder}, misses ${significant(remainder, 3)} of the output: ${verdict}.`
}

/** The sentence that the range of a radius supports. */
function certain({ estimate, low, high, ratio }: NonNullable<Analysis['radius']>): string {
  const [least, most] = [(ratio * estimate) / high, (ratio * estimate) / low]
  if (!(most > 1)) return 'converges'
  if (least > 1) return 'diverges'
  return ratio < 1 ? 'probably converges' : 'probably diverges'
}

const joined = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
