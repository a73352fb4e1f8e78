import { against, againstRows } from '../check.js'
import { ours } from '../peers/unravel.js'
import { towerOutput, trainingStep } from '../reference.js'
import type { Case, Suite } from '../types.js'
import { net, normal, rowsOf, towerFlop } from '../works.js'
import { byHand } from './byHand.js'

const SLOW = { 'tfjs-cpu': '0.4 GF/s' }

function forward(width: number, depth: number, batch: number): Case {
  const of = net('f32', depth, width, batch)
  const work = { kind: 'tower', net: of } as const
  const rows = [0, batch - 1]
  return {
    name: `tower-${width}`,
    what: `forward pass of ${depth} blocks h + λ·V·tanh(W·h), width ${width}, batch ${batch}, f32`,
    work,
    own: [() => ours(work), () => ours(work, 'ours plain'), () => ours(work, 'ours 2 threads')],
    without: SLOW,
    check: againstRows(() => towerOutput(rowsOf(of, rows)), 1e-4, rows, batch, width),
    amount: { count: towerFlop(of), unit: 'flop' },
  }
}

function step(width: number, depth: number, batch: number, quick: boolean): Case {
  const of = net('f32', depth, width, batch)
  const target = normal('f32', batch * width, 1, 14)
  const work = { kind: 'training', net: of, target, rate: 0.1 } as const
  return {
    name: `training-${width}`,
    what: `training step of the same tower: loss, all gradients, gradient descent; width ${width}, batch ${batch}, f32`,
    work,
    own: [() => ours(work), () => ours(work, 'ours plain'), () => ours(work, 'ours 2 threads'), () => byHand(work)],
    without: quick ? { ...SLOW, 'jax-js': 'compiles for many seconds; not in quick runs' } : SLOW,
    check: against(() => trainingStep(of, target, work.rate), 1e-4),
    amount: { count: 3 * towerFlop(of), unit: 'flop' },
  }
}

export const training: Suite = {
  name: 'training',
  what: 'towers of two-layer branches, forward and training step',
  cases: ({ quick }) =>
    (quick ? [64] : [64, 256]).flatMap(width => [() => forward(width, 100, 64), () => step(width, 100, 64, quick)]),
}
