import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { add, scope, tensor, vjp } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { against } from '../check.js'
import { itsKernels, ours, variantOf } from '../peers/unravel.js'
import { taylorArrays, trainingStep } from '../reference.js'
import type { Case, Contender, Suite } from '../types.js'
import { type AddWork, net, normal } from '../works.js'
import { byHand } from './byHand.js'

const calls = 100

/** One addition with the tape recording, 100 in a chain; nothing is pulled back. */
async function taped(work: AddWork): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const [a, b] = [tensor(work.a, { backend }), tensor(work.b, { backend })]
  const record = () =>
    vjp((x: Dense) => {
      let y = add(x, b)
      for (let i = 1; i < calls; i++) y = add(y, b)
      return y
    }, a).value
  return {
    ...labels,
    name: 'ours with tape',
    backend: backend.name,
    calls,
    run: () => scope(() => void record()),
    result: () =>
      scope(() =>
        vjp((x: Dense) => add(x, b), a)
          .value.dense()[0]!
          .dataSync(),
      ),
  }
}

/** One addition whose result is left to the garbage collector. */
async function forgotten(work: AddWork): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const [a, b] = [tensor(work.a, { backend }), tensor(work.b, { backend })]
  return {
    ...labels,
    name: 'ours, nothing disposed',
    backend: backend.name,
    run: () => add(a, b),
    result: () => (add(a, b) as Dense).dataSync(),
  }
}

function small(): Case {
  const [a, b] = [normal('f32', 16, 1, 12), normal('f32', 16, 1, 13)] as [Float32Array, Float32Array]
  const work: AddWork = { kind: 'add', a, b }
  return {
    name: 'add-16',
    what: 'sum of two vectors of 16 elements, f32',
    work,
    own: [
      () => ours(work),
      () => itsKernels(work),
      () => taped(work),
      () => forgotten(work),
      () => ours(work, 'ours js'),
    ],
    check: against(() => a.map((v, i) => v + b[i]!), 1e-6),
    amount: { count: 1, unit: 'op' },
  }
}

/** Blocks so small that everything but the kernels shows. */
function smallStep(): Case {
  const of = net('f32', 8, 16, 8)
  const work = { kind: 'training', net: of, target: normal('f32', 8 * 16, 1, 14), rate: 0.1 } as const
  return {
    name: 'training-16',
    what: 'training step of 8 blocks, width 16, batch 8, f32: 16 products forward, 32 back, 16 updates',
    own: [() => ours(work), () => itsKernels(work), () => byHand(work)],
    check: against(() => trainingStep(of, work.target, work.rate), 1e-4),
  }
}

function smallPass(): Case {
  const of = net('f64', 8, 16, 8)
  const work = { kind: 'taylor', net: of, orders: 8 } as const
  return {
    name: 'taylor-16',
    what: 'taylor to order 8: 8 blocks, width 16, batch 8, f64; with its forward pass',
    own: [() => ours(work), () => itsKernels(work)],
    check: against(() => taylorArrays(of, work.orders), 1e-9),
  }
}

/** Runs `n` ops in turns of the event loop, as programs do that let the garbage collector work. */
const forget = `
  import { add, tanh, tensor, wasm } from '@unravel/tensor'
  const a = tensor(new Float32Array(16).fill(0.5), { backend: wasm() })
  const run = async n => {
    let held
    for (let i = 0; i < n; i++) {
      held = i % 2 === 0 ? add(a, a) : tanh(a)
      if (i % 1000 === 0) await new Promise(resolve => setTimeout(resolve))
    }
    gc()
    return held
  }
  const ops = Number(process.env.OPS)
  await run(ops / 10)
  const before = process.memoryUsage().rss
  await run(ops)
  console.log((process.memoryUsage().rss - before) / 2 ** 20)`

/** Growth of resident memory over that many ops whose results are not disposed, after a warm-up of a tenth, in a process of
 *  its own, MiB. */
function growth(ops: number): number {
  const child = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', forget], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    encoding: 'utf8',
    env: { ...process.env, OPS: String(ops) },
  })
  if (child.status !== 0) throw new Error(child.stderr.trim().split('\n').at(-1) ?? 'the process failed')
  return Number(child.stdout)
}

export const autodiff: Suite = {
  name: 'autodiff',
  what: 'cost of an op beside its numbers, dispatch, allocation, tape: the share of 1× that `its kernels` leave',
  cases: () => [small, smallStep, smallPass],
  quantities: ({ quick }) => [
    {
      name: 'add-16-growth',
      what: `resident memory after ${quick ? '100,000' : 'a million'} ops of 16 elements, nothing disposed by hand`,
      unit: 'MiB',
      measure: () => growth(quick ? 100_000 : 1_000_000),
    },
  ],
}
