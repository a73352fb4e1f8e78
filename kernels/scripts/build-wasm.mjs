// Compiles assembly/ to two builds of one WebAssembly module (plain and relaxed SIMD) and writes both to
// src/wasm/module.generated.ts: functions that are the same in both once, the others side by side, all of it deflated, as
// base64; and the interface of what they export. Does nothing when sources, scripts and the compiler are those of the last
// build.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateRawSync } from 'node:zlib'
import { seam } from './seam.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
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
  const hash = createHash('sha256').update(version)
  for (const path of ['scripts/build-wasm.mjs', 'scripts/seam.mjs', 'src/contract.ts']) {
    hash.update(readFileSync(join(root, path)))
  }
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

async function compile(asc, sources, name, extra) {
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

/** A module as its bytes before the first function, the functions, and the bytes after the last one. */
function pieces(binary) {
  let at = 8
  const number = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = binary[at++]
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  const CODE = 10
  while (at < binary.length) {
    const section = binary[at++]
    const end = number() + at
    if (section === CODE) {
      const ends = [0, at]
      for (let left = number(); left > 0; left--) {
        if (ends.length === 2) ends[1] = at
        at = number() + at
        ends.push(at)
      }
      return [...ends, binary.length].slice(1).map((to, i) => binary.subarray(ends[i], to))
    }
    at = end
  }
  throw new Error('build-wasm: the module has no code')
}

/** Two modules in one: bytes of both, of the plain one, of the relaxed one, of both, …; and how many of each. */
function packed(plain, relaxed) {
  const [a, b] = [pieces(plain), pieces(relaxed)]
  if (a.length !== b.length) throw new Error('build-wasm: the builds differ in more than the code of functions')
  const lengths = []
  const parts = []
  let same = 0
  a.forEach((piece, i) => {
    if (piece.equals(b[i])) {
      same += piece.length
      parts.push(piece)
      return
    }
    lengths.push(same, piece.length, b[i].length)
    parts.push(piece, b[i])
    same = 0
  })
  return { lengths: [...lengths, same, 0, 0], bytes: Buffer.concat(parts) }
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
  const seamed = await seam(sources)
  const binaries = {}
  for (const [name, extra] of Object.entries(builds)) {
    binaries[name] = await compile(asc, seamed.sources, name, extra)
    await WebAssembly.compile(binaries[name]).catch(error => {
      if (name === 'plain') throw error // Node 20 cannot validate the relaxed build without a flag
    })
  }
  const { lengths, bytes } = packed(binaries.plain, binaries.relaxed)
  const deflated = deflateRawSync(bytes, { level: 9 })
  const lines = [
    `// Written by scripts/build-wasm.mjs with assemblyscript ${version}.`,
    `// hash ${hash}`,
    "import type { DType } from '../contract.js'",
    `type OfDType<F> = { readonly [dtype in DType]: F }`,
    `/** The functions of the module. One for each dtype is there for those of its kernel in the contract. */`,
    seamed.exports,
    `export const lengths = [${lengths}]`,
    `export const size = ${bytes.length}`,
    `export const deflated =\n  '${deflated.toString('base64')}'`,
  ]
  writeAtomically(target, `${lines.join('\n')}\n`)
  const kilobytes = data => `${(data.length / 1024).toFixed(1)} KB`
  const sizes = Object.entries(binaries).map(([name, binary]) => `${name} ${kilobytes(binary)}`)
  console.log(`built kernels/src/wasm/module.generated.ts (${sizes.join(', ')}, packed ${kilobytes(deflated)})`)
}

await build().catch(error => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
