import type { Backend } from '@unravel/tensor'

/** Runs `body`, and says which kernels ran on js meanwhile because `backend` left them to it, and how often: `cast ×3`. */
export async function countingFallbacks<T>(
  backend: Backend,
  body: () => T | Promise<T>,
): Promise<{ readonly result: T; readonly left: readonly string[] }> {
  const before = new Map(backend.fallbacks())
  const result = await body()
  const left: string[] = []
  for (const [kernel, times] of backend.fallbacks()) {
    const here = times - (before.get(kernel) ?? 0)
    if (here > 0) left.push(`${kernel} ×${here}`)
  }
  return { result, left }
}
