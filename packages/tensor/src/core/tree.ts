import { Tensor } from './tensor.js'

/** Tensors in arrays and plain objects, nested at will: parameters, gradients, batches. Anything that is not a
 *  tensor, an array or a plain object is left alone. */
// biome-ignore lint/suspicious/noExplicitAny: a tree's other leaves are any value
export type Tree = any

const isPlainObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' &&
  x !== null &&
  (Object.getPrototypeOf(x) === Object.prototype || Object.getPrototypeOf(x) === null)

/** The tensors of a tree, in order of keys. */
export function leaves(tree: Tree, into: Tensor[] = []): Tensor[] {
  if (tree instanceof Tensor) into.push(tree)
  else if (Array.isArray(tree)) for (const item of tree) leaves(item, into)
  else if (isPlainObject(tree)) for (const key of Object.keys(tree)) leaves(tree[key], into)
  return into
}

/** The same tree with `f` of every tensor; `f` also gets the tensors at the same place in `others`. */
export function mapTree<T extends Tree>(
  f: (t: Tensor, ...others: Tensor[]) => unknown,
  tree: T,
  ...others: Tree[]
): Tree {
  if (tree instanceof Tensor) return f(tree, ...others)
  if (Array.isArray(tree)) return tree.map((item, i) => mapTree(f, item, ...others.map(o => o?.[i])))
  if (isPlainObject(tree)) {
    const out: Record<string, unknown> = {}
    for (const key of Object.keys(tree)) out[key] = mapTree(f, tree[key], ...others.map(o => o?.[key]))
    return out
  }
  return tree
}
