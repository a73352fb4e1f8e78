import type { Tower } from '@unravel/resnet'
import { addScaled, scope, type Tensor } from '@unravel/tensor'
import { operatorsOf } from '@unravel/tensor/internals'
import type { InspectedNetwork, InspectedValue } from './inspection.js'

type Counts = Readonly<Record<string, number>>

/** Ops that move numbers about, and those without a nonlinearity of their own. */
const moves = new Set(['reshape', 'transpose', 'broadcastTo'])
const projections = new Set([
  ...['conv1d', 'conv2d', 'convTranspose2d', 'linear', 'matmul', 'batchNorm', 'layerNorm', 'rmsNorm', 'avgPool2d'],
  ...[
    'maxPool2d',
    'mean',
    'sum',
    'pad',
    'slice',
    'concat',
    'resize',
    'add',
    'sub',
    'mul',
    'affine',
    'neg',
    'addScaled',
  ],
])

const kindOf = (operators: Counts): 'identity' | 'projection' | 'nonlinear' => {
  const names = Object.keys(operators).filter(name => !moves.has(name))
  if (names.some(name => !projections.has(name))) return 'nonlinear'
  return names.length === 0 ? 'identity' : 'projection'
}

/** The counts by name, most first. */
const sorted = (counts: Iterable<readonly [string, number]>): Counts =>
  Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)))

function together(parts: readonly Counts[]): Counts {
  const sum = new Map<string, number>()
  for (const part of parts) for (const [name, n] of Object.entries(part)) sum.set(name, (sum.get(name) ?? 0) + n)
  return sorted(sum)
}

/**
 * What `unravel inspect` prints of a tower: its blocks under their names, by which ops they compute on a batch, encoder and decoder.
 * Without a batch the blocks are named, and what they compute is not known.
 *
 * @param parameters how many numbers it has learned; null where only its author knows
 */
export function inspectTower(
  tower: Tower,
  x: Tensor | undefined,
  { input, parameters }: { readonly input: InspectedValue; readonly parameters: number | null },
): InspectedNetwork {
  const { blocks, names = blocks.map((_, l) => `block ${l}`) } = tower
  /** f(h), and the ops that compute it. */
  const seen = (f: (h: Tensor) => Tensor, h: Tensor | undefined): { output?: Tensor; operators: Counts } => {
    if (h === undefined) return { operators: {} }
    const { output, operators } = operatorsOf(f, h)
    return { output, operators: sorted(operators) }
  }
  const { encoder, parts, decoder, output } = scope(() => {
    const encoded = seen(v => tower.encode(v), x)
    let h = encoded.output
    const parts = blocks.map(({ skip, branch, scale }, l) => {
      const { onSkip, onBranch, sum } = scope(() => {
        const onSkip = skip === undefined ? { output: h, operators: {} } : seen(skip, h)
        const onBranch = seen(branch, h)
        const sum = onSkip.output && onBranch.output && addScaled(onSkip.output, onBranch.output, scale)
        return { onSkip: onSkip.operators, onBranch: onBranch.operators, sum }
      })
      h = sum
      const kind = skip !== undefined && x === undefined ? 'nonlinear' : kindOf(onSkip)
      return { name: names[l]!, skip: kind, operators: together([onSkip, onBranch]), scale }
    })
    const decoded = seen(v => tower.decode(v), h)
    const output = decoded.output && { shape: [...decoded.output.shape], type: decoded.output.dtype }
    return { encoder: encoded.operators, parts, decoder: decoded.operators, output }
  })
  return {
    inputs: [input],
    outputs: [{ name: 'output', type: output?.type ?? 'f32', shape: output ? [null, ...output.shape.slice(1)] : null }],
    operators: together([encoder, ...parts.map(p => p.operators), decoder]),
    unsupported: [],
    parameters,
    blocks: parts,
    sites: parts.map(({ name, skip, scale }) => ({
      name,
      level: 0,
      scale,
      skip: skip === 'identity' ? skip : 'projection',
    })),
    encoder: { from: input.name, to: names[0] ?? 'output', operators: encoder },
    decoder: { from: names.at(-1) ?? input.name, to: 'output', operators: decoder },
  }
}
