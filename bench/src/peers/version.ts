import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version of an installed package, from the package.json above its entry. */
export function versionOf(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.resolve(name)))
  for (;;) {
    const file = join(folder, 'package.json')
    if (existsSync(file)) {
      const found = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string }
      if (found.name === name) return found.version ?? 'unknown'
    }
    if (dirname(folder) === folder) return 'unknown'
    folder = dirname(folder)
  }
}
