// Memory, from address 0:
//   [0, __heap_base)              static tables of the sources
//   [scratchBase, + scratchBytes) scratch of the running kernel: nothing in it outlives a call
//   the rest                      buffers, handed out by the caller
// A buffer starts at a multiple of 16 and is followed by at least 256 readable bytes, so that a vector load may run
// past its end. Nothing is ever written past an end.

/** Where scratch begins: a multiple of 64. @part matmul */
export function scratchBase(): usize {
  return (__heap_base + 63) & ~63
}

/** Bytes of scratch: packed panels of A and B, and one tile, of matmul in f64. @part matmul */
export function scratchBytes(): usize {
  return panelABytes + panelBBytes + 256
}

/** Rows and columns of A, and columns of B, that matmul packs at a time. */
export const blockM: usize = 128
export const blockK: usize = 256
export const blockN: usize = 1024

/** Room for the packed blocks, whichever the element type. */
export const panelABytes: usize = blockM * blockK * sizeof<f64>()
export const panelBBytes: usize = blockK * blockN * sizeof<f64>()
