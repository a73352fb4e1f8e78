import { entryOf, type Run } from './record.js'
import { ratioSpread, type Spread } from './statistics.js'

/** The condition of a goal on one row: time of `over` / time of `under`, or a quantity, on one side of a bound. */
export interface Measure {
  readonly row: string
  /** Contenders; for quantities absent. Default of `under`: ours. */
  readonly over?: string
  readonly under?: string
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Goal {
  readonly number: number
  readonly what: string
  readonly measures: readonly Measure[]
}

export type Verdict = Measure & {
  readonly value: number | undefined
  readonly spread?: Spread
  readonly reached?: boolean
}

/** `ours` (or `under`) is at least `atLeast` times as fast as `over`. */
const faster = (row: string, over: string, atLeast: number, under = 'ours'): Measure => ({ row, over, under, atLeast })
/** `over` takes at most `atMost` times as long as `under`. */
const within = (row: string, over: string, under: string, atMost: number): Measure => ({ row, over, under, atMost })
const quantity = (row: string, atMost: number): Measure => ({ row, atMost })

/** The goals of the project: ratios in one run, one thread and the relaxed build unless the row says otherwise. */
export const goals: readonly Goal[] = [
  {
    number: 1,
    what: 'matmul 512, 1024 f32',
    measures: ['matmul-512-f32', 'matmul-1024-f32'].flatMap(row => [
      faster(row, 'tfjs-wasm', 1.8),
      faster(row, 'numpy', 0.48),
      faster(row, 'tfjs-wasm', 1.3, 'ours plain'),
      faster(row, 'numpy', 0.34, 'ours plain'),
    ]),
  },
  {
    number: 2,
    what: 'matmul 64 f32, call included',
    measures: [
      faster('matmul-64-f32', 'tfjs-wasm', 2.5),
      faster('matmul-64-f32', 'numpy', 0.65),
      faster('matmul-64-f32', 'jax-js', 15),
    ],
  },
  {
    number: 3,
    what: 'NT, TN, TT against NN',
    measures: ['matmul-layouts-64x256x256', 'matmul-layouts-512x512x512'].flatMap(row =>
      ['NT', 'TN', 'TT'].map(form => within(row, `ours ${form}`, 'ours', 1.1)),
    ),
  },
  {
    number: 4,
    what: 'matmul f64 256–1024',
    measures: [256, 512, 1024].flatMap(n => [
      faster(`matmul-${n}-f64`, 'numpy', 0.45),
      faster(`matmul-${n}-f64`, 'numpy-ts', 1.6),
    ]),
  },
  { number: 5, what: 'plain-TypeScript matmul 256', measures: [faster('matmul-js-256', 'naive loop', 4, 'ours js')] },
  {
    number: 6,
    what: 'two threads',
    measures: [
      faster('matmul-64-f32', 'ours', 0.95, 'ours 2 threads'),
      faster('matmul-256-f32', 'ours', 0.95, 'ours 2 threads'),
      faster('matmul-512-f32', 'ours', 1.7, 'ours 2 threads'),
      faster('matmul-1024-f32', 'ours', 1.9, 'ours 2 threads'),
      quantity('matmul-512-threads-differ', 0),
      quantity('matmul-1024-threads-differ', 0),
    ],
  },
  {
    number: 7,
    what: 'tower forward',
    measures: [
      faster('tower-64', 'tfjs-wasm', 5),
      faster('tower-64', 'torch', 1.25),
      faster('tower-256', 'tfjs-wasm', 2.4),
      faster('tower-256', 'torch', 0.65),
    ],
  },
  {
    number: 8,
    what: 'training step with autograd',
    measures: [
      faster('training-64', 'tfjs-wasm', 20),
      faster('training-64', 'jax-js', 6),
      faster('training-64', 'torch', 1.15),
      within('training-64', 'ours', 'by hand', 1.1),
      faster('training-256', 'tfjs-wasm', 20),
      faster('training-256', 'jax-js', 2.4),
      faster('training-256', 'torch', 0.65),
      within('training-256', 'ours', 'by hand', 1.1),
    ],
  },
  {
    number: 9,
    what: 'conv 3×3',
    measures: [
      faster('conv-16', 'tfjs-wasm', 1.9),
      faster('conv-16', 'torch', 0.6),
      faster('conv-16-backward', 'torch', 0.5),
      faster('conv-16-backward', 'jax-js', 80),
    ],
  },
  {
    number: 10,
    what: 'exp, tanh, gelu of 4 M elements; their errors (f64: tested in kernels/src/accuracy.test.ts)',
    measures: [
      ...['exp', 'tanh', 'gelu'].map(op => faster(`${op}-f32`, 'tfjs-wasm', 9)),
      faster('exp-f32', 'torch', 0.8),
      faster('tanh-f32', 'torch', 1.1),
      faster('gelu-f32', 'torch', 0.6),
      quantity('exp-f32-ulp', 1),
      quantity('tanh-f32-ulp', 1.5),
      quantity('gelu-f32-ulp', 2),
    ],
  },
  {
    number: 11,
    what: 'softmax, layer norm, sums',
    measures: [
      faster('softmax', 'tfjs-wasm', 1),
      faster('layerNorm', 'tfjs-wasm', 4),
      faster('sum', 'tfjs-wasm', 4),
      within('sumRows', 'ours', 'ours sum of all', 1.5),
      within('sumColumns', 'ours', 'ours sum of all', 1.5),
    ],
  },
  {
    number: 12,
    what: '16-element op, ns; MiB over 10⁶ ops',
    measures: [
      { row: 'add-16', under: 'ours', atMost: 150 },
      { row: 'add-16', under: 'ours with tape', atMost: 350 },
      quantity('add-16-growth', 10),
    ],
  },
  {
    number: 13,
    what: 'taylor pass over its own gemms, f64',
    measures: (
      [
        ['256-b32-K8', 1.05],
        ['256-b32-K16', 1.05],
        ['256-b32-K32', 1.05],
        ['64-b32-K8', 1.15],
        ['64-b32-K16', 1.15],
        ['64-b32-K32', 1.2],
      ] as const
    ).map(([size, most]) => within(`taylor-${size}-n100`, 'ours', 'its gemms', most)),
  },
  {
    number: 14,
    what: 'taylor pass',
    measures: [
      faster('taylor-64-b1-K16-n100', 'typed arrays', 5),
      faster('taylor-64-b32-K16-n100', 'typed arrays', 5),
      faster('taylor-64-b1-K16-n100', 'torch', 30),
      faster('taylor-64-b32-K16-n100', 'torch', 2.8),
      faster('taylor-256-b32-K16-n100', 'torch', 1),
      within('taylor-64-b1-K16-n100', 'ours, n × 10', 'ours', 13),
      within('taylor-64-b32-K16-n100', 'ours, n × 10', 'ours', 13),
      quantity('taylor-memory', 1.05),
    ],
  },
  {
    number: 15,
    what: 'taylor pass, two threads',
    measures: [faster('taylor-256-b32-K16-n100', 'ours', 1.7, 'ours 2 threads'), quantity('taylor-threads-differ', 0)],
  },
  {
    number: 16,
    what: 'against shared-prefix enumeration; against nested forward mode',
    measures: [faster('paths-n16-k8', 'enumeration', 350), faster('order-8', 'nested forward mode', 30)],
  },
  {
    number: 17,
    what: 'gated pass, all orders, n=1000',
    measures: [within('gated-64-n1000', 'ours', 'its gemms', 1.1)],
  },
  {
    number: 18,
    what: 'cold start to the first 512 matmul, and of a command (base: commit 7044cb9); kB of each build',
    measures: [
      faster('cold-expand', 'base', 1.67),
      within('cold-start', 'ours', 'bare node', 1.5),
      within('cold-start', 'ours', 'tfjs-wasm', 0.45),
      quantity('module-plain', 150),
      quantity('module-relaxed', 150),
    ],
  },
  {
    number: 19,
    what: 'a pass of ESRGAN thick ×2, read from its tfjs file; a depthwise convolution',
    measures: [
      faster('esrgan-thick', 'tfjs-wasm', 1),
      faster('esrgan-thick', 'onnxruntime-web', 0.8),
      faster('conv-depthwise', 'tfjs-wasm', 1),
    ],
  },
  {
    number: 20,
    what: 'training step of ResNet-20 and of ViT-tiny; base: commit 7044cb9',
    measures: [
      faster('resnet20-batch-norm', 'base', 1.7),
      faster('resnet20-batch-norm', 'torch', 0.55),
      faster('resnet20-batch-norm', 'ours', 1.75, 'ours 2 threads'),
      faster('resnet20-skip-init', 'torch', 0.6),
      faster('vit-tiny', 'torch', 0.5),
    ],
  },
  {
    number: 21,
    what: 'GPT-2 of 124 M parameters, gated to order 8: over its products; MiB (1.3 and 2.6 GB)',
    measures: [
      within('gpt2-small-gated', 'ours', 'its products', 1.25),
      quantity('gpt2-small-memory-f32', 1240),
      quantity('gpt2-small-memory-f64', 2480),
    ],
  },
  { number: 22, what: 'a study of 10,000 jobs: ms beside each job', measures: [quantity('study-overhead', 20)] },
]

/** The measurement of one part of a goal. */
export function verdict(measure: Measure, run: Run): Verdict {
  const spread = spreadOf(measure, run)
  const value = typeof spread === 'object' ? spread.median : spread
  if (value === undefined) return { ...measure, value }
  const reached = value >= (measure.atLeast ?? -Infinity) && value <= (measure.atMost ?? Infinity)
  return { ...measure, value, reached, ...(typeof spread === 'object' && { spread }) }
}

function spreadOf({ row, over, under }: Measure, run: Run): Spread | number | undefined {
  const found = run.rows.find(r => r.name === row)
  if (under === undefined) return run.quantities.find(q => q.name === row)?.value ?? undefined
  const below = entryOf(found, under)
  if (below === undefined) return undefined
  // Nanoseconds, where a goal is a time: ones of 10⁻⁹ s stand for the other contender.
  if (over === undefined)
    return ratioSpread(
      below.seconds,
      below.seconds.map(() => 1e-9),
    )
  const above = entryOf(found, over)
  return above && ratioSpread(above.seconds, below.seconds)
}

/** Why a part of a goal has no value in a run. */
export function missing({ row, over, under }: Measure, run: Run): string {
  const found = run.rows.find(r => r.name === row)
  if (found === undefined) return run.quantities.some(q => q.name === row) ? 'could not be measured' : 'not in this run'
  const reasons = [under, over].flatMap(name => {
    if (name === undefined || entryOf(found, name) !== undefined) return []
    const entry = found.entries.find(e => e.name === name)
    return [entry === undefined ? `no ${name}` : `${name}: ${entry.failed ?? entry.variant}`]
  })
  return reasons.join(', ')
}
