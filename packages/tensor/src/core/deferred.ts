import type { Buffer, MapOp } from '@unravel/kernels'

/**
 * A deferred computation: the numbers of a tensor that are computed on first read, or fused into the op that consumes
 * them. `linear` and `matmul`-like ops defer their products; an addition (`addScaled`, `addAligned`) or an activation
 * that is the first to use the result passes its own work to `Dense.fuse`, and the product is never written on its own.
 * Every other consumer reads `Dense.buffer`, which computes it once. The buffers that the computation reads are held until then.
 */
export interface Deferred {
  /** out = scale·φ(value), plus `add` on its first rows: `add` may be shorter than out. */
  into(out: Buffer, phi: MapOp | null, scale: number, add: Buffer | null): void
  /** Releases the buffers that the computation reads. */
  free(): void
}
