import type { Context } from './context.js'
import { addressOf } from './region.js'

/** Runs `body` with `bytes` of working memory: the module's scratch, or memory of its own where that is too small. */
export function withScratch({ exports, heap }: Context, bytes: number, body: (scratch: number) => void): void {
  if (bytes <= exports.scratchBytes()) body(exports.scratchBase())
  else heap.scratch(alloc => body(addressOf(alloc('f64', Math.ceil(bytes / 8)))))
}
