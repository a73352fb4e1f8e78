import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

it('the site builds without a warning, with every package, page of docs/ and the explorer', async () => {
  const out = mkdtempSync(join(tmpdir(), 'site-'))
  try {
    const { stderr } = await promisify(execFile)(process.execPath, ['scripts/docs.mjs', out], { cwd: root })
    expect(stderr).toBe('')
    const page = (path: string) => readFileSync(join(out, path), 'utf8')
    // A function with its docstring; a README; a page of docs/; the explorer.
    expect(page('functions/_unravel_expansion.taylor.html')).toContain('Residual Expansion Theorem')
    expect(page('modules/_unravel_resnet.html')).toContain('Scale presets')
    expect(page('documents/docs_formats.html')).toContain('safetensors')
    expect(page('explorer/index.html')).toContain('<script')
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}, 300_000)
