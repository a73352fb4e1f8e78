import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { folders } from './support/packages.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** The TypeScript examples of a README. */
const examples = (file: string) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(m => m[1]!)

// The README of the repository runs in examples/, whose package depends on all the others.
describe.each(['.', ...folders])('%s/README.md', folder => {
  const found = examples(`${folder}/README.md`)

  it('the README has an example', () => {
    expect(found.length).toBeGreaterThan(0)
  })

  it.each(found)('runs as printed %#', async source => {
    // Inside of the package, so that it finds just the dependencies of the package, and the package itself by name.
    const at = mkdtempSync(join(root, folder === '.' ? 'examples' : folder, '.readme-'))
    try {
      const file = join(at, 'example.ts')
      writeFileSync(file, source)
      const { stdout, stderr } = await run(
        process.execPath,
        ['--conditions=@unravel/source', '--import', 'tsx', file],
        {
          cwd: at,
        },
      )
      expect(stdout).not.toBe('')
      expect(stdout).not.toMatch(/NaN|undefined|false/)
      // Where there is no graphics processor, one line says so, and the numbers come from wasm.
      const instead = stderr.split('\n').filter(line => line.includes('the wasm backend runs instead'))
      if (source.includes('await gpu()')) expect(instead).toHaveLength(stdout.startsWith('wasm ') ? 1 : 0)
      else expect(instead).toEqual([])
    } finally {
      rmSync(at, { recursive: true, force: true })
    }
  })
})
