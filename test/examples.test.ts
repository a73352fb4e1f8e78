import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'examples')
const programs = readdirSync(folder).filter(name => name.endsWith('.ts'))

describe('the examples', () => {
  it.concurrent.each(programs)('%s prints its lines //>', async program => {
    const file = join(folder, program)
    const expected = [...readFileSync(file, 'utf8').matchAll(/^ *\/\/> (.*)$/gm)].map(line => line[1])
    const run = ['--conditions=@unravel/source', '--import', 'tsx', file]
    const { stdout } = await promisify(execFile)(process.execPath, run, { cwd: root })
    expect(stdout.trimEnd().split('\n')).toEqual(expected)
  })

  it('every example is in the table of the README', () => {
    const listed = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^\| \[(\S+)\]/gm)].map(row => row[1])
    expect(listed).toEqual(programs)
  })
})
