import {
  chainCounts,
  effectiveLengths,
  gradientMoments,
  sampleGradientPaths,
  type Target,
  targets,
} from '@unravel/expansion'
import { InputError, run, type Tower } from '@unravel/resnet'
import { scope, type Tensor } from '@unravel/tensor'
import { blockList, columns, count, percent, plural, significant, targetText } from './table.js'

/** Which gradient, and what is drawn to look at it. */
export interface PathsChoice {
  /** The function of the output to differentiate. */
  readonly target: Target
  /** The target in words. */
  readonly targetName?: string | undefined
  readonly samples: number
  readonly probes: number
  readonly seed: number
  /** Called with the work done, of all, by what is computed. */
  readonly onProgress?: { readonly moments?: Progress; readonly samples?: Progress } | undefined
}

type Progress = (done: number, of: number) => void

/** Lengths whose paths are sampled: every one of towers of so many blocks, so many of deeper ones. */
const MAX_LENGTHS = 200
const SHORTEST = 16
const SPREAD = 48

/** Lengths 0..n; of deep towers 0..16 and 48 more, evenly spaced to n. */
function sampledLengths(n: number): number[] {
  if (n <= MAX_LENGTHS) return Array.from({ length: n + 1 }, (_, k) => k)
  const shortest = Array.from({ length: SHORTEST + 1 }, (_, k) => k)
  const spread = Array.from({ length: SPREAD }, (_, i) => SHORTEST + Math.round(((i + 1) * (n - SHORTEST)) / SPREAD))
  return [...shortest, ...spread]
}

/** The natural logarithm of a positive count of any size. */
function logOf(count: bigint): number {
  const excess = Math.max(0, count.toString(16).length * 4 - 64)
  return Math.log(Number(count >> BigInt(excess))) + excess * Math.LN2
}

/** Values at ascending places, joined by straight lines over 0..n; −Infinity next to one that is not finite. */
function joined(places: readonly number[], values: readonly number[], n: number): number[] {
  let i = 0
  return Array.from({ length: n + 1 }, (_, k) => {
    while (i + 1 < places.length && places[i + 1]! <= k) i++
    const [from, to] = [places[i]!, places[i + 1] ?? places[i]!]
    if (k === from || to === from) return values[i]!
    const t = (k - from) / (to - from)
    const value = (1 - t) * values[i]! + t * values[i + 1]!
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value
  })
}

/** The relative error of √m, half that of m. */
const halved = (error: number, m: number) => (m > 0 ? error / (2 * m) : 0)

/** Everything about the gradient paths of a network, by length 0..n. Throws InputError where it has no such output. */
export async function pathsOf(
  tower: Tower,
  x: Tensor,
  { target, targetName, samples, probes, seed, onProgress = {} }: PathsChoice,
) {
  const width = scope(() => targets(run(tower, x)))
  if (typeof target === 'number' && target >= width)
    throw new InputError(`target ${target}: the model's outputs are 0 to ${width - 1}`)
  const n = tower.blocks.length
  const lengths = sampledLengths(n)
  const moments = await gradientMoments(tower, x, target, 'all', { probes, seed, onProgress: onProgress.moments })
  const sampled = await sampleGradientPaths(tower, x, target, lengths, {
    samples,
    seed,
    onProgress: onProgress.samples,
  })
  const counts = chainCounts(n, n)
  const logs = counts.map(logOf)
  const at = new Map(sampled.map(s => [s.length, s]))
  const everywhere = (of: (s: (typeof sampled)[number]) => number) =>
    counts.map((_, k) => (at.has(k) ? of(at.get(k)!) : null))
  // (number of paths) × (norm of one), as in the figure, by its logarithm: C(n,k) may exceed f64 beyond a thousand blocks.
  const single = joined(
    lengths,
    sampled.map(s => Math.log(s.mean)),
    n,
  )
  const products = single.map((log, k) => log + logs[k]!)
  const largest = products.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const relative = products.map(log => (largest === Number.NEGATIVE_INFINITY ? 0 : Math.exp(log - largest)))
  const total = relative.reduce((a, b) => a + b, 0)
  /** √(m / C(n,k)) */
  const rootMean = (m: number, k: number) => Math.exp((Math.log(m) - logs[k]!) / 2)
  return {
    blocks: n,
    ...(tower.names && { names: tower.names }),
    /** The output element; null where it is another functional of the output. */
    target: typeof target === 'number' ? target : null,
    ...(targetName !== undefined && { target_name: targetName }),
    paths: counts.map(String),
    /** Lengths whose paths were sampled; statistics of samples are null at the others. */
    sampled_lengths: lengths,
    sampled_norm: everywhere(s => s.mean),
    sampled_error: everywhere(s => s.standardError),
    /** Root mean square norm of one path, exactly or by random signs, and then its standard error. */
    single_norm: Array.from(moments.moment, rootMean),
    single_error:
      moments.standardError &&
      Array.from(moments.standardError, (e, k) => halved(e, moments.moment[k]!) * rootMean(moments.moment[k]!, k)),
    paths_times_norm: products.map((log, k) => (at.has(k) ? Math.exp(log) : null)),
    /** Of the sum over all lengths, those between sampled ones by geometric interpolation. */
    paths_times_norm_share: relative.map(v => v / total),
    sum_norm: Array.from(moments.norms),
    coherence: Array.from(moments.coherence),
    exact: moments.standardError === null,
    /** Lengths that hold 95 % of: the paths, of paths × norm, of the energy of the sums. */
    effective: {
      paths: effectiveLengths(counts.map(c => Number((c << 60n) >> BigInt(n)))),
      paths_times_norm: effectiveLengths(relative),
      energy: effectiveLengths(moments.norms.map(v => v * v)),
    },
  }
}

/** Gradient paths as a table of text, headed by the network's name. */
export function pathsTable(model: string, d: Awaited<ReturnType<typeof pathsOf>>): string {
  const range = ({ from, to }: { from: number; to: number }) => (from === to ? `${from}` : `${from} to ${to}`)
  const all = d.sampled_lengths.length === d.blocks + 1
  const errors = d.single_error
  return [
    `gradient paths of ${model}, ${targetText(d.target_name ?? d.target ?? 'a direction')}, ${plural(d.blocks, 'block')}`,
    '',
    columns([
      [
        ...['length', 'paths', 'one path', '± error', 'rms path', ...(errors ? ['± error'] : [])],
        ...['paths × one', 'share', 'norm of sum', 'coherence'],
      ],
      ...d.sampled_lengths.map(k => [
        String(k),
        count(BigInt(d.paths[k]!)),
        significant(d.sampled_norm[k]!),
        significant(d.sampled_error[k]!, 2),
        significant(d.single_norm[k]!),
        ...(errors ? [significant(errors[k]!, 2)] : []),
        significant(d.paths_times_norm[k]!),
        percent(d.paths_times_norm_share[k]!),
        significant(d.sum_norm[k]!),
        significant(d.coherence[k]!, 3),
      ]),
    ]),
    ...(all
      ? []
      : [
          `${d.sampled_lengths.length} of ${d.blocks + 1} lengths are sampled and listed (--json has the norms of all sums); shares are of all lengths, those between by interpolation.`,
        ]),
    `95 % of all paths have lengths ${range(d.effective.paths)}; of paths × norm, ${range(d.effective.paths_times_norm)}; ` +
      `of the energy of the sums, ${range(d.effective.energy)}.`,
    ...(d.names && d.names.length > 0 ? [`Blocks: ${blockList(d.names)}.`] : []),
    `Second moments are ${d.exact ? 'exact' : 'estimated by random signs, with standard errors'}.`,
    '',
  ].join('\n')
}
