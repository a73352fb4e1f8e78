import { chainCounts, effectiveLengths, gradientMoments, sampleGradientPaths } from '@unravel/expansion'
import { run, type Tower } from '@unravel/resnet'
import { scope, type Tensor } from '@unravel/tensor'
import { UsageError } from './errors.js'

/** Which gradient, and what is drawn to look at it. */
export interface PathsChoice {
  /** The output element to differentiate. */
  readonly target: number
  readonly samples: number
  readonly probes: number
  readonly seed: number
}

/** Everything about the gradient paths of a network, by length 0..n. */
export async function pathsOf(tower: Tower, x: Tensor, { target, samples, probes, seed }: PathsChoice) {
  const width = scope(() => run(tower, x).shape.at(-1)!)
  if (target >= width) throw new UsageError(`--target ${target}: the model's outputs are 0 to ${width - 1}`)
  const n = tower.blocks.length
  const lengths = Array.from({ length: n + 1 }, (_, k) => k)
  const moments = await gradientMoments(tower, x, target, 'all', { probes, seed })
  const sampled = await sampleGradientPaths(tower, x, target, lengths, { samples, seed })
  const counts = chainCounts(n, n)
  const single = sampled.map(s => s.mean)
  // (number of paths) × (norm of one), as in the figure; C(n,k) may exceed f64 beyond a thousand blocks.
  const veit = single.map((s, k) => Number(counts[k]) * s)
  const energy = moments.norms.map(v => v * v)
  return {
    blocks: n,
    target,
    paths: counts.map(String),
    sampled_norm: single,
    sampled_error: sampled.map(s => s.standardError),
    /** Root mean square norm of one path, exactly or by random signs. */
    single_norm: Array.from(moments.moment, (m, k) => Math.sqrt(m / Number(counts[k]))),
    paths_times_norm: veit,
    sum_norm: Array.from(moments.norms),
    coherence: Array.from(moments.coherence),
    exact: moments.standardError === null,
    /** Lengths that hold 95 % of: the paths, of paths × norm, of the energy of the sums. */
    effective: {
      paths: effectiveLengths(counts.map(c => Number((c << 60n) >> BigInt(n)))),
      paths_times_norm: effectiveLengths(veit),
      energy: effectiveLengths(energy),
    },
  }
}
