declare module 'ndarray-gemm' {
  import type { NdArray } from 'ndarray'

  /** out = alpha·a·b + beta·out */
  export default function gemm(out: NdArray, a: NdArray, b: NdArray, alpha?: number, beta?: number): void
}

declare module 'lodash' {
  const lodash: object
  export default lodash
}
