import { type Backend, js, wasm } from '@unravel/kernels'
import { type GpuMode, gpu } from '@unravel/kernels/gpu'

/** The device of a mode, opened once for all tests of a file; the policy is to throw, so that nothing falls back unseen. */
const opened = new Map<GpuMode, ReturnType<typeof open>>()
const open = (mode: GpuMode) => gpu({ mode, otherwise: 'throw', policy: 'throw' })

export function device(mode: GpuMode): ReturnType<typeof open> {
  let backend = opened.get(mode)
  if (backend === undefined) opened.set(mode, (backend = open(mode)))
  return backend
}

export { js, wasm }

/** Modes that this browser must have: a Chromium without WebGPU runs the tests on WebGL alone. */
export const modes: readonly GpuMode[] = (await hasWebGpu()) ? ['webgl2', 'webgpu'] : ['webgl2']

interface Adapters {
  readonly gpu?: { requestAdapter(): Promise<unknown> }
}
async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigator as unknown as Adapters
  return gpu !== undefined && (await gpu.requestAdapter()) !== null
}

/** Fails unless |got − want| ≤ tolerance·(largest |want|, at least `size`), NaN and ±Inf being equal. */
export function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, size = 0): void {
  if (got.length !== want.length) throw new Error(`${got.length} numbers instead of ${want.length}`)
  let scale = size
  for (let i = 0; i < want.length; i++) if (Number.isFinite(want[i])) scale = Math.max(scale, Math.abs(want[i]!))
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!]
    if (a === b || (a !== a && b !== b) || Math.abs(a - b) <= tolerance * scale) continue
    throw new Error(`element ${i} is ${a} instead of ${b} ± ${tolerance * scale}`)
  }
}

export type { Backend }
