import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// What a user gets: every package is built, packed, and installed into an empty project from its tarball alone.
const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['kernels', 'packages/tensor', 'packages/resnet', 'packages/expansion', 'packages/unravel']
const project = mkdtempSync(join(tmpdir(), 'unravel-packaging-'))
const exec = promisify(execFile)
const pnpm = ['-y', 'pnpm@10.34.9']
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

const manifest = (folder: string) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
const names = folders.map(folder => manifest(folder).name as string)

/** One line for every package and entry point, that uses something of it. */
const program = `
import { js, wasm } from '@unravel/kernels'
import { add, tensor, type Tensor, useBackend } from '@unravel/tensor'
import { run, type Tower } from '@unravel/resnet'
import { gated, taylor } from '@unravel/expansion'
import { expansionDocument } from 'unravel/report'
useBackend(wasm())
const tower: Tower = { encode: x => x, blocks: [{ branch: (h: Tensor) => add(h, 1), scale: 0.5 }], decode: h => h }
const x = tensor([[1, 2]], { dtype: 'f64' })
const orders: number[] = [...taylor(tower, x, 1).coefficients.dataSync()]
console.log(JSON.stringify([expansionDocument.safeParse({}).success, js().name, ...orders, ...run(tower, x).dataSync(), gated(tower, x, 'all').coefficients.shape]))
`
const answer = '[false,"js",1,2,1,1.5,2,3.5,[2,1,2]]'

beforeAll(async () => {
  await exec(process.execPath, [join(root, 'kernels/scripts/build-wasm.mjs')])
  await exec(bin('tsc'), ['-b', ...folders], { cwd: root })
  await exec(process.execPath, [join(root, 'scripts/bundle.mjs')])
  const tarballs: Record<string, string> = {}
  for (const [i, folder] of folders.entries()) {
    await exec('npx', [...pnpm, 'pack', '--pack-destination', project], { cwd: join(root, folder) })
    const file = `${names[i]!.replace('@', '').replace('/', '-')}-${manifest(folder).version}.tgz`
    tarballs[names[i]!] = `file:./${file}`
  }
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies: tarballs, pnpm: { overrides: tarballs } }),
  )
  await exec('npx', [...pnpm, 'install', '--prefer-offline', '--ignore-workspace'], { cwd: project })
}, 300_000)

afterAll(() => rmSync(project, { recursive: true, force: true }))

describe('the packed packages', () => {
  it('hold no tests, no build leftovers, and what they say they do', () => {
    for (const name of names) {
      const at = join(project, 'node_modules', name)
      const files = readdirSync(at, { recursive: true })
        .map(String)
        .filter(f => !f.includes('node_modules'))
      expect(files.filter(f => /\.test\.|tsbuildinfo|oracles/.test(f))).toEqual([])
      const { exports: entries, bin: bins } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'))
      const targets = [...Object.values(entries), bins ?? {}].flatMap(e =>
        typeof e === 'string' ? [e] : Object.values(e as object),
      )
      for (const target of targets) expect(files).toContain(target.replace('./', ''))
      expect(files).toContain('README.md')
      expect(files).toContain('LICENSE')
    }
  })

  it('run in Node', async () => {
    const file = join(project, 'main.mjs')
    writeFileSync(file, program.replace(/, type \w+/g, '').replace(/: (Tower|Tensor|number\[\])/g, ''))
    const { stdout } = await exec(process.execPath, [file], { cwd: project })
    expect(stdout.trim()).toBe(answer)
  })

  it.each([
    ['node16', 'node16'],
    ['bundler', 'esnext'],
  ])('type-check under moduleResolution %s', async (moduleResolution, module) => {
    const at = join(project, moduleResolution)
    mkdirSync(at)
    writeFileSync(join(at, 'main.ts'), program)
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2022',
      module,
      moduleResolution,
      skipLibCheck: false,
      types: [],
    }
    writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['main.ts'] }))
    const { stdout } = await exec(bin('tsc'), ['-p', at]).catch(e => e as { stdout: string })
    expect(stdout).toBe('')
  })

  it.each([
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ])('type-check under moduleResolution %s as their READMEs are printed', async (moduleResolution, module) => {
    const at = join(project, `readme-${moduleResolution}`)
    mkdirSync(at)
    for (const [i, folder] of folders.entries()) {
      const examples = readFileSync(join(root, folder, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)
      for (const [j, example] of [...examples].entries()) writeFileSync(join(at, `${i}-${j}.ts`), example[1]!)
    }
    const compilerOptions = {
      strict: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      target: 'es2022',
      module,
      moduleResolution,
      typeRoots: [join(root, 'node_modules/@types')],
      types: ['node'],
    }
    writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const { stdout } = await exec(bin('tsc'), ['-p', at]).catch(e => e as { stdout: string })
    expect(stdout).toBe('')
  })

  /** The scripts that vite makes of an app: what a browser would download. */
  async function bundle(name: string, main: string): Promise<{ files: string[]; text: string }> {
    const at = join(project, name)
    mkdirSync(at)
    writeFileSync(join(at, 'index.html'), '<script type="module" src="./main.js"></script>')
    writeFileSync(join(at, 'main.js'), main)
    // Without the preload polyfill, which wants a document, Node can run the bundle.
    writeFileSync(join(at, 'vite.config.js'), 'export default { build: { modulePreload: { polyfill: false } } }\n')
    await exec(bin('vite'), ['build', '--logLevel', 'error', at], { cwd: at })
    const assets = join(at, 'dist/assets')
    const files = readdirSync(assets).map(f => join(assets, f))
    return { files, text: files.map(f => readFileSync(f, 'utf8')).join('\n') }
  }

  it('bundle with vite, without what is not used', async () => {
    // What stands for gpu.js, so that it could be bundled.
    const stub = join(project, 'node_modules/gpu.js')
    mkdirSync(stub)
    writeFileSync(join(stub, 'package.json'), '{ "name": "gpu.js", "version": "2.24.1", "main": "index.js" }')
    writeFileSync(join(stub, 'index.js'), "export class GPU { name = 'all of gpu.js' }\n")
    try {
      const { files, text } = await bundle(
        'app',
        "import { add, tensor } from '@unravel/tensor'\nconsole.log(add(tensor([1]), 2).dataSync()[0])\n",
      )
      expect(files).toHaveLength(1)
      expect(text).not.toContain('gpu.js')
      expect(text).not.toContain('WebGL')
      expect(text).not.toContain('AGFzbQ') // the first bytes of a WebAssembly module in base64
      const { stdout } = await exec(process.execPath, files)
      expect(stdout.trim()).toBe('3')

      const onGpu = await bundle('gpu-app', "import { gpu } from '@unravel/kernels/gpu'\ngpu().then(console.log)\n")
      expect(onGpu.text).toContain('all of gpu.js')
    } finally {
      rmSync(stub, { recursive: true })
    }
  })

  it('ask for gpu.js by name where it is not installed', async () => {
    const file = join(project, 'gpu.mjs')
    writeFileSync(file, "import { gpu } from '@unravel/kernels/gpu'\ngpu().catch(e => console.log(e.message))\n")
    const { stdout } = await exec(process.execPath, [file], { cwd: project })
    expect(stdout).toMatch(/needs the package gpu\.js.*npm install gpu\.js@2\.24\.1/)
  })

  it('bring the command', async () => {
    const { stdout } = await exec(join(project, 'node_modules/.bin/unravel'), ['--version'])
    expect(stdout.trim()).toBe(manifest('packages/unravel').version)
  })
})
