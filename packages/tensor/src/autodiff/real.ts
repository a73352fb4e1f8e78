import { ShapeError, type TensorType } from '../core/errors.js'

/** Throws ShapeError for tensors of integers, which have no derivative. */
export function checkReal(name: string, signature: string, inputs: readonly TensorType[]): void {
  if (inputs.some(t => t.dtype === 'i32')) {
    const detail = "integers have no derivatives; convert them with .to('f32' | 'f64')"
    throw new ShapeError({ name, signature }, inputs, detail)
  }
}
