import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync, inflateRawSync } from 'node:zlib'
import { wasmBuild } from '../peers/unravel.js'
import type { Case, Contender, Suite } from '../types.js'

const product = {
  ours: `
    const { wasm, tensor, matmul } = await import('@unravel/tensor')
    const a = tensor(new Float32Array(512 * 512).fill(1), { shape: [512, 512], backend: wasm() })
    console.log(matmul(a, a).dataSync()[0])`,
  'tfjs-wasm': `
    const tf = await import('@tensorflow/tfjs-core')
    const wasm = await import('@tensorflow/tfjs-backend-wasm')
    const { createRequire } = await import('node:module')
    const { dirname, join } = await import('node:path')
    const folder = dirname(createRequire(process.cwd() + '/').resolve('@tensorflow/tfjs-backend-wasm/package.json'))
    wasm.setWasmPaths(join(folder, 'dist/'))
    wasm.setThreadsCount(1)
    await tf.setBackend('wasm')
    const a = tf.ones([512, 512])
    console.log(tf.matMul(a, a).dataSync()[0])`,
  'bare node': 'console.log(512)',
} as const

const folder = fileURLToPath(new URL('../..', import.meta.url))

/** A process from its start to its end. */
async function start(name: keyof typeof product): Promise<Contender> {
  const once = (): number => {
    const child = spawnSync(process.execPath, ['--input-type=module', '--eval', product[name]], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    if (child.status !== 0) throw new Error(child.stderr.trim().split('\n').at(-1) ?? 'the process failed')
    return Number(child.stdout)
  }
  return {
    name,
    backend: name === 'bare node' ? 'none' : 'wasm',
    variant: name === 'ours' ? wasmBuild() : '',
    result: () => [once()],
    sample: () => {
      const begin = performance.now()
      once()
      return (performance.now() - begin) / 1000
    },
  }
}

const cold = (): Case => ({
  name: 'cold-start',
  what: 'a new process from its start to the end of the first 512×512 product, f32',
  own: (['ours', 'bare node', 'tfjs-wasm'] as const).map(name => () => start(name)),
  check: values => (values[0] === 512 ? 0 : Number.NaN),
})

/** The bytes of one build inside the files that the package ships: see kernels/scripts/build-wasm.mjs. */
function module(name: 'plain' | 'relaxed'): Buffer | undefined {
  const dist = fileURLToPath(new URL('.', import.meta.resolve('@unravel/kernels')))
  for (const file of readdirSync(dist).filter(f => f.endsWith('.js'))) {
    const text = readFileSync(`${dist}/${file}`, 'utf8')
    const [, deflated] = /const deflated = ["']([^"']+)["']/.exec(text) ?? []
    const [, lengths] = /const lengths = \[([^\]]+)\]/.exec(text) ?? []
    if (deflated === undefined || lengths === undefined) continue
    const bytes = inflateRawSync(Buffer.from(deflated, 'base64'))
    const other = name === 'plain' ? 2 : 1
    let at = 0
    const pieces = lengths.split(',').map(length => bytes.subarray(at, (at += Number(length))))
    return Buffer.concat(pieces.filter((_, i) => i % 3 !== other))
  }
  return undefined
}

const kilobytes = (n: number | undefined) => (n === undefined ? undefined : n / 1000)

export const startup: Suite = {
  name: 'startup',
  what: 'start of a process, size of what is shipped',
  cases: () => [cold],
  quantities: () =>
    (['plain', 'relaxed'] as const).flatMap(name => [
      {
        name: `module-${name}`,
        what: `WebAssembly module, ${name} build`,
        unit: 'kB',
        measure: () => kilobytes(module(name)?.length),
      },
      {
        name: `module-${name}-gzip`,
        what: `the same, compressed by gzip`,
        unit: 'kB',
        measure: () => kilobytes(module(name) && gzipSync(module(name)!).length),
      },
    ]),
}
