import { run, skip, type Tower } from '@unravel/resnet'
import { addScaled, gated as freeze, mul, reshape, type Tensor, vjp } from '@unravel/tensor'
import { frozen } from '../gated.js'
import { cotangentOf, statesOf, type Target } from '../gradient.js'
import { withoutBlocks } from '../lesion.js'
import { values } from './numbers.js'

/** The output along the paths that take the branches of one set of blocks and skip all others. */
export interface Path {
  readonly set: ReadonlySet<number>
  readonly value: Float64Array
}

/** All subsets of 0..n−1. */
export const powerSet = (n: number): ReadonlySet<number>[] =>
  Array.from(
    { length: 2 ** n },
    (_, bits) => new Set(Array.from({ length: n }, (_, i) => i).filter(i => (bits >> i) & 1)),
  )

/** Every path of the run with its gates frozen, one by one: `[batch, ...output]` each. */
export function gatedPaths(tower: Tower, x: Tensor): Path[] {
  const states = statesOf(tower, x)
  return powerSet(tower.blocks.length).map(set => {
    let path = reshape(states[0]!, [1, ...states[0]!.shape])
    // Only the first branch of a path brings its bias, and only skips before it bring theirs.
    let straight = true
    const through = (f: (h: Tensor) => Tensor, at: Tensor) =>
      straight ? freeze(f, at, path, 0).stack : frozen(f, at, path)
    tower.blocks.forEach((block, l) => {
      if (set.has(l)) {
        path = mul(through(block.branch, states[l]!), block.scale)
        straight = false
      } else if (block.skip !== undefined) path = through(block.skip, states[l]!)
    })
    return { set, value: values(through(tower.decode, states[states.length - 1]!)) }
  })
}

/** Every gradient path of output element `target`, one by one: `[batch, ...input]` each. */
export function gradientPaths(tower: Tower, x: Tensor, target: Target): Path[] {
  const states = statesOf(tower, x)
  const top = vjp(tower.decode, states[states.length - 1]!)
  const seed = top.pullback(cotangentOf(top.value, target))
  return powerSet(tower.blocks.length).map(set => {
    let g = seed
    for (let l = tower.blocks.length - 1; l >= 0; l--) {
      const { branch, skip, scale } = tower.blocks[l]!
      if (set.has(l)) g = mul(vjp(branch, states[l]!).pullback(g), scale)
      else if (skip !== undefined) g = vjp(skip, states[l]!).pullback(g)
    }
    return { set, value: values(vjp(tower.encode, x).pullback(g)) }
  })
}

/** Δ_S = Σ_{T⊆S} (−1)^{|S|−|T|} f_T of every set S of at most `most` blocks, from the runs of the sets themselves. */
export function differences(tower: Tower, x: Tensor, most = tower.blocks.length): Path[] {
  const n = tower.blocks.length
  const all = Array.from({ length: n }, (_, l) => l)
  const sets: number[][] = [[]]
  for (let size = 1; size <= most; size++) {
    for (const s of sets.filter(s => s.length === size - 1)) {
      for (let l = (s[s.length - 1] ?? -1) + 1; l < n; l++) sets.push([...s, l])
    }
  }
  const found = new Map<string, Float64Array>()
  // Δ_S = f_S − Σ_{T⊂S} Δ_T, smaller sets first.
  for (const s of sets) {
    const only = withoutBlocks(tower, new Set(all.filter(l => !s.includes(l))))
    let rest = values(run(only, x))
    for (const part of powerSet(s.length)) {
      if (part.size === s.length) continue
      const below = found.get(String([...part].map(i => s[i]!)))!
      rest = rest.map((v, i) => v - below[i]!)
    }
    found.set(String(s), rest)
  }
  return sets.map(s => ({ set: new Set(s), value: found.get(String(s))! }))
}

/** The output with the branches of `removed` multiplied by zero. */
export function silenced(tower: Tower, x: Tensor, removed: ReadonlySet<number>): Float64Array {
  let h = tower.encode(x)
  tower.blocks.forEach((block, l) => {
    h = addScaled(skip(block, h), block.branch(h), removed.has(l) ? 0 : block.scale)
  })
  return values(tower.decode(h))
}
