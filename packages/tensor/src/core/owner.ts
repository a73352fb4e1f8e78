/** What a scope can own: a tensor's numbers. */
export interface Owned {
  readonly disposed: boolean
  /** Asks the garbage collector to free the numbers when nothing refers to them. */
  watch(): void
  dispose(): void
}

// What was made since the innermost scope() began; null outside every scope.
let made: Owned[] | null = null

/** Gives a new tensor its owner: the scope in force, or else the garbage collector. */
export function adopt(tensor: Owned): void {
  if (made === null) tensor.watch()
  else made.push(tensor)
}

/** What the scope in force has made, or null outside every scope. */
export const madeHere = (): Owned[] | null => made

/** Makes `list` the one that `adopt` appends to. Returns the one before. */
export function ownInto(list: Owned[] | null): Owned[] | null {
  const before = made
  made = list
  return before
}
