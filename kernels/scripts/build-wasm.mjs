// Compiles assembly/ to two builds of one WebAssembly module (plain and relaxed SIMD) and writes both, as base64, to
// src/wasm/module.generated.ts. Does nothing when sources, this script and the compiler are those of the last build.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(import.meta.url)
const root = dirname(dirname(script))
const assembly = join(root, 'assembly')
const target = join(root, 'src/wasm/module.generated.ts')
const version = createRequire(import.meta.url)('assemblyscript/package.json').version

const sources = new Map(
  readdirSync(assembly)
    .filter(name => name.endsWith('.ts'))
    .sort()
    .map(name => [name, readFileSync(join(assembly, name), 'utf8')]),
)

const flags = [
  '--optimizeLevel',
  '3',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  // The most a memory may have; src/wasm/load.ts turns the import into one of a shared memory where there is one.
  '--maximumMemory',
  '65535',
  '--exportStart',
  'start',
  '--enable',
  'simd',
]
const builds = { plain: [], relaxed: ['--enable', 'relaxed-simd'] }

function sourceHash() {
  const hash = createHash('sha256').update(version).update(readFileSync(script))
  for (const [name, text] of sources) hash.update(`\0${name}\0${text}`)
  return hash.digest('hex')
}

function builtHash() {
  try {
    return /^\/\/ hash ([0-9a-f]{64})$/m.exec(readFileSync(target, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

async function compile(asc, name, extra) {
  let binary
  const { error, stderr } = await asc.main(['index.ts', '--outFile', 'module.wasm', ...flags, ...extra], {
    readFile: path => sources.get(path) ?? null,
    writeFile: (_path, data) => {
      binary = data
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`build-wasm: the ${name} build of kernels/assembly failed.\n${stderr}`, { cause: error })
  return Buffer.from(binary)
}

/** Readers see the old file or the new one, never half of one. */
function writeAtomically(path, text) {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
}

async function build() {
  const hash = sourceHash()
  if (hash === builtHash()) return
  const { default: asc } = await import('assemblyscript/asc')
  const lines = [`// Written by scripts/build-wasm.mjs with assemblyscript ${version}.`, `// hash ${hash}`]
  const sizes = []
  for (const [name, extra] of Object.entries(builds)) {
    const binary = await compile(asc, name, extra)
    await WebAssembly.compile(binary).catch(error => {
      if (name === 'plain') throw error // Node 20 cannot validate the relaxed build without a flag
    })
    sizes.push(`${name} ${(binary.length / 1024).toFixed(1)} KB`)
    lines.push(`export const ${name} =\n  '${binary.toString('base64')}'`)
  }
  writeAtomically(target, `${lines.join('\n')}\n`)
  console.log(`built kernels/src/wasm/module.generated.ts (${sizes.join(', ')})`)
}

await build().catch(error => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
