import { reportPage } from '../page.js'
import { barPlot, type Curve, linePlot, palette } from '../plot.js'
import { percent } from '../table.js'
import type { DemoResult, State, TowerResult } from './result.js'
import { demoTable } from './table.js'
import { inWords } from './words.js'

/**
 * The demonstration as a self-contained HTML page.
 *
 * @param commands lines to go on with
 */
export function demoReport(demo: DemoResult, commands: readonly string[]): string {
  const { form = `width ${demo.width}, ${demo.activation}`, data = 'MNIST' } = demo
  const { towers, blocks, steps, batch, rates, heldOut, seed, expanded, tested } = demo
  const [head, when, ...rows] = demoTable(demo)
  const named = (head as string[]).map((name, i) => (name === '' ? '' : `${name}, ${when![i]}`))
  return reportPage({
    title: `${blocks} residual blocks at ${towers.length} scales`,
    lead:
      `${towers.length} normalization-free residual networks of ${blocks} blocks (${form}) that differ only in the ` +
      `scale λ of their branches, trained alike on ${data} (${steps} steps of SGD on batches of ${batch}, seed ${seed}, at the best of the rates ${rates.join(', ')} on ${heldOut} held-out images) and expanded by ` +
      `the number of branches that a path takes. Expansions are of ${expanded} test images in f64; accuracy is on ${tested} test images.`,
    sections: [
      { heading: 'Findings', parts: [{ kind: 'list', items: inWords(demo) }] },
      {
        heading: 'All numbers',
        parts: [
          {
            kind: 'table',
            caption:
              'Shares are those of the gated expansion, whose orders sum to the output at any λ. The radius is that of the Taylor series in λ; ' +
              'the remainder is what the best truncation of that series misses, relative to the output.',
            head: named,
            rows,
          },
        ],
      },
      {
        heading: 'Training',
        parts: [
          {
            kind: 'figure',
            svg: [
              linePlot({
                title: 'Training loss',
                x: { name: 'step' },
                y: { name: 'cross-entropy', log: true },
                curves: curves(towers, tower => smoothed(tower.losses)),
              }),
              barPlot({
                title: 'Test accuracy after training',
                y: { name: 'accuracy', min: 0, max: 1, format: value => `${Math.round(100 * value)} %` },
                bars: towers.map((tower, i) => ({
                  name: `λ = ${tower.name}`,
                  value: tower.trained.accuracy,
                  color: palette[i]!,
                })),
                format: percent,
              }),
            ],
            caption:
              'Left: the loss on training batches, a running mean on a logarithmic axis; lower is better, and a curve that ends early is a run that diverged. ' +
              'Right: the share of test images classified correctly; guessing gives 10 %.',
          },
        ],
      },
      {
        heading: 'Which paths carry the output',
        parts: [
          {
            kind: 'figure',
            svg: [
              spectrum('At initialisation', towers, tower => tower.initial),
              spectrum('After training', towers, tower => tower.trained),
            ],
            caption:
              `The share of the energy, norm² over the sum of norms², that paths through k of the ${blocks} branches carry (gated expansion). ` +
              'A curve that falls steeply from order 0 is a network that acts like a shallow one; a hump away from 0 means that long paths dominate. ' +
              'Orders may cancel in the sum, so shares tell sizes and not contributions to accuracy.',
          },
        ],
      },
      {
        heading: 'The Taylor series and its remainder',
        parts: [
          {
            kind: 'figure',
            svg: [
              remainder('At initialisation', towers, tower => tower.initial),
              remainder('After training', towers, tower => tower.trained),
            ],
            caption:
              'Remainder of the Taylor series in λ when it is cut after order k, relative to the output. ' +
              'A curve that keeps falling is a series that converges; one that turns upwards diverges, and its lowest point is the best that the series gives. ' +
              'The dashed line marks the size of the output itself: above it, the truncated series is worse than the constant zero.',
          },
        ],
      },
      {
        heading: 'To go on',
        parts: [
          {
            kind: 'text',
            text: 'Each folder holds a trained network; sample.npy, a batch of its test inputs; and labels.npy, their digits. These lines print the expansions, and what is left of a network without some of its blocks:',
          },
          { kind: 'code', text: commands.join('\n') },
        ],
      },
    ],
  })
}

const curves = (towers: readonly TowerResult[], points: (tower: TowerResult) => Curve['points']): Curve[] =>
  towers.map((tower, i) => ({ name: `λ = ${tower.name}`, color: palette[i]!, points: points(tower) }))

/** Shares below this are rounding, and would flatten the plot. */
const FLOOR = 1e-8

const spectrum = (title: string, towers: readonly TowerResult[], state: (tower: TowerResult) => State): string =>
  linePlot({
    title,
    x: { name: 'order k, branches on the path' },
    y: { name: 'share of the energy', log: true, min: FLOOR, max: 1 },
    curves: curves(towers, tower => state(tower).gated.share.map((s, k) => [k, s >= FLOOR ? s : null])).map(curve => ({
      ...curve,
      marks: true,
    })),
  })

function remainder(title: string, towers: readonly TowerResult[], state: (tower: TowerResult) => State): string {
  const orders = Math.max(...towers.map(tower => state(tower).taylor.orders))
  const output: Curve = {
    name: 'the output itself',
    color: '#6b6b6b',
    dashed: true,
    points: [
      [0, 1],
      [orders, 1],
    ],
  }
  return linePlot({
    title,
    x: { name: 'truncated after order k', max: orders },
    y: { name: 'remainder', log: true },
    curves: [
      ...curves(towers, tower => state(tower).taylor.remainder.map((r, k) => [k, r])).map(c => ({ ...c, marks: true })),
      output,
    ],
  })
}

/** An exponential running mean with a memory of about twenty points. */
function smoothed(losses: TowerResult['losses']): Curve['points'] {
  let mean: number | undefined
  return losses.map(([step, loss]) => {
    mean = mean === undefined ? loss : 0.95 * mean + 0.05 * loss
    return [step, mean] as const
  })
}
