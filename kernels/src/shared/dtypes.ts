import type { DType } from '../contract.js'

/** The typed array of each dtype. */
export const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array } as const

export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f64: 8, i32: 4 }
