import { Tensor } from './tensor.js'

/** Tensors in arrays and plain objects, nested at will: parameters, gradients, batches. Anything that is not a
 *  tensor, an array or a plain object is left alone. */
export type Tree = unknown

/** The type of a tree whose tensors have been replaced by `U`. */
export type Mapped<T, U> = T extends Tensor
  ? U
  : T extends (...args: never) => unknown
    ? T
    : T extends object
      ? { [K in keyof T]: Mapped<T[K], U> }
      : T

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

/** The tensors of a tree by name, in the order of `leaves`: the keys that lead to each, such as `layers.0.weight`. Throws
 *  RangeError where two have the same name. */
export function named(tree: Tree, name = '', into: Record<string, Tensor> = {}): Record<string, Tensor> {
  if (tree instanceof Tensor) {
    if (Object.hasOwn(into, name)) throw new RangeError(`two tensors of a tree have the name "${name}": rename a key`)
    into[name] = tree
  } else if (Array.isArray(tree) || isPlainObject(tree)) {
    for (const [key, item] of Object.entries(tree)) named(item, name === '' ? key : `${name}.${key}`, into)
  }
  return into
}

/** The same tree with `f` of every tensor; `f` also gets the tensors at the same place in `others`. */
export function mapTree<T extends Tree, U>(
  f: (t: Tensor, ...others: Tensor[]) => U,
  tree: T,
  ...others: Tree[]
): Mapped<T, U> {
  return mapped(f, tree, others) as Mapped<T, U>
}

function mapped(f: (t: Tensor, ...others: Tensor[]) => unknown, tree: Tree, others: readonly Tree[]): Tree {
  if (tree instanceof Tensor) return f(tree, ...(others as Tensor[]))
  const at = (key: string | number) => others.map(o => (o as Record<string | number, Tree> | undefined)?.[key])
  if (Array.isArray(tree)) return tree.map((item, i) => mapped(f, item, at(i)))
  if (isPlainObject(tree)) {
    const out: Record<string, unknown> = {}
    for (const key of Object.keys(tree)) out[key] = mapped(f, tree[key], at(key))
    return out
  }
  return tree
}
