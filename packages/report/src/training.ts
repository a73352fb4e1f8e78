import type { OrderRecord } from './orderRecord.js'
import type { Part } from './page.js'
import { type Curve, heatMap, linePlot, palette } from './plot.js'
import { percent } from './table.js'

/** How a network was trained: its loss, and its order spectra, by step. */
export interface Course {
  readonly name: string
  readonly losses: readonly { readonly step: number; readonly loss: number | null }[]
  readonly orders: readonly OrderRecord[]
}

/** Orders whose coherence is drawn, one for each colour. */
const COHERENT = [1, 2, 3, 4, 8, 16] as const
/** An order is drawn if its share once reaches this. */
const LEAST_SHARE = 1e-3

/** Figures of training: numbers of all networks against step, and the spectrum and the coherence of each. Empty without
 *  networks whose orders were recorded. */
export function trainingParts(courses: readonly Course[]): Part[] {
  const recorded = courses.filter(({ orders }) => orders.length > 0)
  if (recorded.length === 0) return []
  const curve = (name: string, i: number, points: Curve['points']): Curve => ({
    ...{ name, color: palette[i % palette.length]!, marks: true, points },
  })
  const overlay = (title: string, y: string, log: boolean, of: (record: OrderRecord) => number | null | undefined) =>
    linePlot({
      title,
      x: { name: 'step' },
      y: { name: y, log },
      curves: recorded.map(({ name, orders }, i) =>
        curve(
          name,
          i,
          orders.map(record => [record.step, of(record) ?? null]),
        ),
      ),
    })
  const loss = recorded.some(({ losses }) => losses.length > 0)
    ? [
        linePlot({
          title: 'Training loss',
          x: { name: 'step' },
          y: { name: 'loss', log: true },
          curves: recorded.map(({ name, losses }, i) => ({
            ...curve(
              name,
              i,
              losses.map(({ step, loss }) => [step, loss]),
            ),
            marks: false,
          })),
        }),
      ]
    : []
  return [
    {
      kind: 'figure',
      svg: [
        ...loss,
        overlay('Mean order', 'mean order', false, record => record.gated.mean_order),
        overlay('Radius of convergence', 'radius in λ', true, record => record.taylor.radius?.estimate),
        overlay('Best truncation', 'remainder', true, record => record.taylor.best_remainder),
        overlay('Geometric complexity', 'complexity', true, record => record.complexity),
      ],
      caption:
        'The networks at steps of their training, on a fixed batch of held-out inputs. The mean order is that of the gated expansion, weighted by share; the radius and the smallest remainder are those of the Taylor series.',
    },
    ...recorded.map(({ name, orders }): Part => {
      const last = orders.reduce(
        (most, { gated: { share } }) =>
          share.reduce<number>((found, part, k) => ((part ?? 0) >= LEAST_SHARE ? Math.max(found, k) : found), most),
        0,
      )
      return {
        kind: 'figure',
        svg: [
          heatMap({
            title: `${name}: share of each order`,
            x: 'step',
            y: 'order',
            values: Array.from({ length: last + 1 }, (_, k) => orders.map(({ gated: { share } }) => share[k] ?? null)),
            columnNames: orders.map(({ step }) => String(step)),
            format: percent,
          }),
          linePlot({
            title: `${name}: coherence of paths`,
            x: { name: 'step' },
            y: { name: 'κ', log: true },
            curves: COHERENT.filter(k => orders.some(({ coherence }) => k < coherence.length)).map((k, i) =>
              curve(
                `order ${k}`,
                i,
                orders.map(({ step, coherence }) => [step, coherence[k] ?? null]),
              ),
            ),
          }),
        ],
        caption: `Left, how the energy moves between orders of the gated expansion while ${name} is trained: a column is a step. Right, whether paths of one order add up (above 1) or cancel (below 1).`,
      }
    }),
  ]
}
