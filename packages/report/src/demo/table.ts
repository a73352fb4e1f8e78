import { meanOrder, percent, radiusRange, ratioRange, significant } from '../table.js'
import { bestRemainder, type DemoResult, LISTED, listedShares, type State } from './result.js'

/** The demonstration's one table: a column for each tower before and after training. The first two rows are its head. */
export function demoTable({ towers }: DemoResult): string[][] {
  const rates = towers.flatMap(({ rate, divergedAt }) => ['', divergedAt === null ? String(rate) : 'diverged'])
  const states = towers.flatMap(tower => [tower.initial, tower.trained])
  const row = (name: string, cell: (state: State) => string) => [name, ...states.map(cell)]
  return [
    ['', ...towers.flatMap(tower => [`λ = ${tower.name}`, `λ = ${tower.name}`])],
    ['', ...towers.flatMap(() => ['initial', 'trained'])],
    ['learning rate', ...rates],
    row('test accuracy', s => percent(s.accuracy)),
    row('output norm', s => significant(s.gated.outputNorm, 3)),
    ...Array.from({ length: LISTED + 1 }, (_, k) =>
      row(`share of order ${k}`, s => percent(listedShares(s.gated)[k]!)),
    ),
    row(`beyond order ${LISTED}`, s => percent(listedShares(s.gated)[LISTED + 1]!)),
    row('mean order', s => significant(meanOrder(s.gated), 3)),
    row('Taylor radius in λ', s => radiusRange(s.taylor.radius)),
    row('λ / radius', s => ratioRange(s.taylor.radius)),
    row('best truncation', s => (s.taylor.bestOrder === null ? '—' : `order ${s.taylor.bestOrder}`)),
    row('its remainder', s => significant(bestRemainder(s.taylor), 3)),
  ]
}
