import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** The browser that the machine has: CHROMIUM_PATH, or a chromium on the path. */
export function chromium(): string | undefined {
  const given = process.env.CHROMIUM_PATH
  if (given) return existsSync(given) ? given : undefined
  try {
    return execFileSync('which', ['chromium'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}
