import type { Backend, MemoryReport } from '@unravel/kernels'
import { tapesRecording } from './autodiff/recording.js'
import type { Dense, Tensor } from './tensor.js'
import { leaves, type Tree } from './tree.js'

// The tensors made since the innermost scope() began; null outside every scope.
let made: Dense[] | null = null

/** Gives a new tensor its owner: the scope in force, or else the garbage collector. */
export function adopt(tensor: Dense): void {
  if (made === null) tensor.watch()
  else made.push(tensor)
}

/**
 * Runs `body` and disposes every tensor made in it, except those in what it returns (a tensor, or arrays and objects
 * of them). Inside a function that is being differentiated nothing is disposed early: the tape still needs it.
 * Memory on the js backend is the garbage collector's; there a scope only keeps use-after-dispose errors alike.
 */
export function scope<T>(body: () => T): T {
  if (tapesRecording() > 0) return body()
  const outer = made
  const mine: Dense[] = []
  made = mine
  let result: T | undefined
  try {
    result = body()
    if (result instanceof Promise) throw new TypeError('scope() wants a synchronous function: await outside of it')
    return result
  } finally {
    made = outer
    const kept = new Set<Dense>()
    for (const leaf of leaves(result as Tree)) for (const d of leaf.dense()) kept.add(d)
    for (const tensor of mine) {
      if (kept.size > 0 && kept.has(tensor)) {
        if (!tensor.disposed) adopt(tensor)
      } else tensor.dispose()
    }
  }
}

/** Takes a tensor out of the scope in force: it lives until `dispose()` or until it is no longer referenced. */
export function keep<T extends Tensor>(tensor: T): T {
  for (const d of tensor.dense()) {
    const at = made?.indexOf(d) ?? -1
    if (at < 0) continue
    made!.splice(at, 1)
    d.watch()
  }
  return tensor
}

/** Disposes tensors early that the scope in force made, such as the previous state of a loop; leaves others alone, and
 *  everything while a tape records. */
export function release(...tensors: readonly Tensor[]): void {
  if (made === null || tapesRecording() > 0) return
  for (const tensor of tensors) {
    for (const d of tensor.dense()) {
      const at = made.lastIndexOf(d)
      if (at < 0) continue
      made.splice(at, 1)
      d.dispose()
    }
  }
}

/** Bytes and buffers that live on `backend`. */
export const memory = (backend: Backend): MemoryReport => backend.memory()
