import { type GpuBackend, type GpuMode, gpu } from '@unravel/kernels/gpu'

/** The modes that may have a device here: those of a page, or the one of Node. WebGPU is a mode of its own in a page. */
export const modes: readonly GpuMode[] = typeof document === 'undefined' ? ['headlessgl'] : ['webgl2', 'webgpu']

const opened = new Map<GpuMode, Promise<GpuBackend>>()

/** The device of a mode, opened once; rejects with the reason where there is none. No kernel falls back unseen. */
export function device(mode: GpuMode): Promise<GpuBackend> {
  let backend = opened.get(mode)
  if (backend === undefined) opened.set(mode, (backend = gpu({ mode, otherwise: 'throw', policy: 'throw' })))
  return backend
}

/** The reason for a missing device, and its remedy; undefined where a device was found. */
export async function noDevice(): Promise<string | undefined> {
  const found = await Promise.allSettled(modes.map(device))
  if (found.some(f => f.status === 'fulfilled')) return undefined
  if (typeof document !== 'undefined') return `this browser has none of ${modes.join(', ')}`
  return 'Node has no WebGL here: `pnpm bench gpu --browser` measures in Chromium, and bench/README.md says how to build the package gl for headless GL'
}

/** The processor of a device. Headless GL does not name it: glxinfo asks the same display. */
export async function rendererOf(backend: GpuBackend): Promise<string> {
  const { mode, renderer } = backend.info()
  if (mode !== 'headlessgl') return renderer
  try {
    const { execFileSync } = await import('node:child_process')
    const told = execFileSync('glxinfo', ['-B'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return /OpenGL renderer string: (.*)/.exec(told)?.[1] ?? renderer
  } catch {
    return renderer
  }
}
