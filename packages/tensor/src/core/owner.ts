/** A tensor's numbers, which a scope can own. */
export interface Owned {
  readonly disposed: boolean
  /** Asks the garbage collector to free the numbers when nothing refers to them. */
  watch(): void
  dispose(): void
}

// Tensors made since the innermost scope() began; null outside every scope.
let made: Owned[] | null = null

// Tensors that `allOrNothing` frees if its body throws, and the garbage collector otherwise. All calls, which do not nest, share
// a list: small ops cannot afford one each.
const unscoped: Owned[] = []
let recordingUnscoped = false

/** Gives a new tensor its owner: the scope in force, or else the garbage collector. */
export function adopt(tensor: Owned): void {
  if (made !== null) return void made.push(tensor)
  if (recordingUnscoped) unscoped.push(tensor)
  tensor.watch()
}

/** The tensors that the scope in force has made, or null outside every scope. */
export const madeHere = (): Owned[] | null => made

/** Makes `list` the one that `adopt` appends to. Returns the one before. */
export function ownInto(list: Owned[] | null): Owned[] | null {
  const before = made
  made = list
  return before
}

/** Runs `body` on its arguments; if it throws outside every scope, its tensors are freed at once and not left to the garbage
 *  collector. */
export function allOrNothing<A extends readonly unknown[], T>(body: (...args: A) => T, ...args: A): T {
  if (made !== null || recordingUnscoped) return body(...args)
  recordingUnscoped = true
  try {
    return body(...args)
  } catch (error) {
    for (const tensor of unscoped) tensor.dispose()
    throw error
  } finally {
    unscoped.length = 0
    recordingUnscoped = false
  }
}
