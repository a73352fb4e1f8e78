import type { Context } from './context.js'
import type { TexelHeap, Texels } from './memory.js'

/** Fills `out` by one thread an element, from kernel text of `define`. */
export function launch(
  { device, heap }: Context,
  source: string,
  out: Texels,
  inputs: readonly Texels[],
  scalars: readonly number[],
): void {
  if (out.length === 0) return
  const offsets = inputs.map(input => input.offset)
  heap.assign(
    out,
    device.run(
      source,
      out.length,
      inputs.map(input => heap.device(input)),
      [...offsets, ...scalars],
    ),
  )
}

/** Runs `body` with buffers that are gone afterwards. */
export function withTemporaries(heap: TexelHeap, lengths: readonly number[], body: (...t: Texels[]) => void): void {
  const made: Texels[] = []
  try {
    for (const length of lengths) made.push(heap.alloc('f32', length))
    body(...made)
  } finally {
    for (const t of made) heap.release(t)
  }
}
