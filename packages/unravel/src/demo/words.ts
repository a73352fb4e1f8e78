import type { Analysis } from '@unravel/expansion'
import { percent, significant } from '../table.js'
import { bestRemainder, type DemoResult, meanOrder, type TowerResult } from './result.js'

/** The largest remainder that the words call an approximation. */
const TOLERANCE = 0.01

/** What is seen in a demonstration, in sentences that follow from its numbers. */
export function inWords(demo: DemoResult): string[] {
  return [accuracies(demo), ...demo.towers.map(tower => aboutTower(tower))]
}

function accuracies({ towers, steps, batch }: DemoResult): string {
  const ranked = [...towers].sort((a, b) => b.trained.accuracy - a.trained.accuracy)
  const list = ranked.map(t => `${percent(t.trained.accuracy)} at λ = ${t.name}`)
  return `After ${steps} steps on batches of ${batch}, the same data and the same seed, the towers classify ${joined(list)} of the test images correctly.`
}

function aboutTower(tower: TowerResult): string {
  const { name, initial, trained, divergedAt } = tower
  const sentences = [
    divergedAt === null
      ? null
      : `training diverged at step ${divergedAt}, and "trained" is the state of the last finite loss`,
    energy(initial.gated, trained.gated),
    cancellation(initial.gated, trained.gated),
    series(trained.taylor),
  ]
  return `λ = ${name}: ${sentences.filter(s => s !== null).join('; ')}.`
}

/** Where the energy of the gated orders lies. */
function energy(initial: Analysis, trained: Analysis): string {
  const [before, after] = [meanOrder(initial), meanOrder(trained)]
  if (!Number.isFinite(before) || !Number.isFinite(after)) return 'the gated orders are not all finite'
  const direction = after > 1.1 * before ? 'moves up' : after < before / 1.1 ? 'moves down' : 'stays'
  return `the mean order of the energy ${direction}, from ${significant(before, 3)} at initialisation (${span(initial)}) to ${significant(after, 3)} after training (${span(trained)})`
}

/** The fewest orders, from 0, that hold 95 % of the energy. */
function span({ share }: Analysis): string {
  let sum = 0
  const last = share.findIndex(s => (sum += s) >= 0.95)
  return last === 0 ? '95 % of it in order 0' : `95 % of it in orders 0 to ${last}`
}

/** Orders that are far larger than what they sum to. */
function cancellation(initial: Analysis, trained: Analysis): string | null {
  const [before, after] = [initial, trained].map(a => Math.max(...a.norms) / a.outputNorm)
  const worst = Math.max(before!, after!)
  if (!(worst > 2)) return null
  const when = after! >= before! ? 'after training' : 'at initialisation'
  return `its orders explode and cancel: ${when} the largest is ${significant(worst, 3)} times the output`
}

/** What the Taylor series is worth. */
function series(taylor: Analysis): string {
  const { radius, bestOrder } = taylor
  const remainder = bestRemainder(taylor)
  const best =
    bestOrder === null
      ? 'no truncation gives finite numbers'
      : `the best truncation, order ${bestOrder}, leaves ${significant(remainder, 3)} of the output`
  const verdict = remainder <= TOLERANCE ? 'a faithful approximation' : 'not an approximation to rely on'
  const judged = bestOrder === null ? best : `${best}: ${verdict}`
  if (radius === null) return `the radius of its Taylor series cannot be estimated, and ${judged}`
  const place = radius.ratio < 1 ? 'inside' : 'beyond'
  return `the trained tower stands ${place} the radius of its Taylor series (λ is ${significant(radius.ratio, 3)} of it) and ${judged}`
}

const joined = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
