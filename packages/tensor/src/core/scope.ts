import type { Backend, MemoryReport } from '@unravel/kernels'
import { tapesRecording } from './levels.js'
import { adopt, madeHere, type Owned, ownInto } from './owner.js'
import type { Tensor } from './tensor.js'
import { leaves, type Tree } from './tree.js'

/**
 * Runs `body` and disposes every tensor made in it, except those in what it returns (a tensor, or arrays and objects
 * of them). Inside a function that is being differentiated nothing is disposed early: the tape still needs it.
 * Memory on the js backend is the garbage collector's; there a scope only keeps use-after-dispose errors alike.
 */
export function scope<T>(body: () => T): T {
  if (tapesRecording() > 0) return body()
  const mine: Owned[] = []
  const outer = ownInto(mine)
  let result: T | undefined
  try {
    result = body()
    if (result instanceof Promise) throw new TypeError('scope() wants a synchronous function: await outside of it')
    return result
  } finally {
    ownInto(outer)
    const kept = new Set<Owned>()
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
  const made = madeHere()
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
  const made = madeHere()
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
