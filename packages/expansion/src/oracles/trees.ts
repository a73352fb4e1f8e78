import { add, mul, type Rational, rational } from './rational.js'

/**
 * One term of the expansion: the derivative of branch `block` of order `children.length`, applied to the terms of its
 * children, all of them in earlier blocks. Equal children stand next to each other.
 */
export interface Tree {
  /** 1-based, in the order in which the input passes the blocks. */
  readonly block: number
  readonly children: readonly Tree[]
}

/**
 * Every distinct tree with `order` ≥ 1 vertices over `blocks` blocks, once each, by brute construction: a root, and below it
 * every multiset of smaller trees whose roots lie in earlier blocks. Exponential; for small sizes.
 */
export function enumerateTrees(blocks: number, order: number): Tree[] {
  // byOrder[m] holds the trees with m vertices; one object per distinct tree, so equality is identity.
  const byOrder: Tree[][] = [[]]
  for (let m = 1; m <= order; m++) {
    const trees: Tree[] = []
    for (let block = 1; block <= blocks; block++) {
      const candidates = byOrder.flatMap((list, vertices) =>
        list.filter(tree => tree.block < block).map(tree => ({ tree, vertices })),
      )
      for (const children of multisets(candidates, m - 1)) trees.push({ block, children })
    }
    byOrder.push(trees)
  }
  return byOrder[order]!
}

/**
 * Every multiset of candidates with `vertices` vertices in total, candidates in non-decreasing position from `from` on.
 */
function* multisets(
  candidates: readonly { tree: Tree; vertices: number }[],
  vertices: number,
  from = 0,
): Generator<Tree[]> {
  if (vertices === 0) yield []
  for (let i = from; i < candidates.length; i++) {
    const candidate = candidates[i]!
    if (candidate.vertices > vertices) continue
    for (const rest of multisets(candidates, vertices - candidate.vertices, i)) yield [candidate.tree, ...rest]
  }
}

/** The weight of a term: one over the number of permutations of the vertices that leave the tree unchanged. */
export function weight(tree: Tree): Rational {
  let result = rational(1)
  let run = 0
  tree.children.forEach((child, i) => {
    run = child === tree.children[i - 1] ? run + 1 : 1 // 1 · 2 · … · r over a run of r equal children is r!
    result = mul(result, mul(weight(child), rational(1, run)))
  })
  return result
}

/** The order total when every derivative of every branch is 1 (scalar exp branches at 0): the sum of the weights. */
export function totalWeight(trees: readonly Tree[]): Rational {
  return trees.reduce((sum, tree) => add(sum, weight(tree)), rational(0))
}
