/**
 * An array buffer of `bytes` bytes that is never written, so that it takes addresses but no memory. An object that holds it weighs that much
 * on the garbage collector, which does not see the memory that it really holds. Undefined where an engine would fill it.
 */
export function ballast(bytes: number): ArrayBuffer | undefined {
  // Engines map buffers that may grow, and clear others.
  if (!('resizable' in ArrayBuffer.prototype)) return undefined
  const Resizable = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer
  return new Resizable(bytes, { maxByteLength: bytes })
}
