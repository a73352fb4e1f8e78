import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync, inflateRawSync } from 'node:zlib'
import { inputFrom, run, towerOf } from '@unravel/resnet'
import { readModel } from '@unravel/resnet/node'
import { baseProgram, program } from '../command.js'
import { wasmBuild } from '../peers/unravel.js'
import type { Case, Contender, Suite } from '../types.js'
import { network } from './commands.js'

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

/** A process from its start to its end, and the number in what it prints. */
function processOf(
  args: readonly string[],
  number: (printed: string) => number,
  rest: Pick<Contender, 'name' | 'backend' | 'variant'>,
): Contender {
  const once = (): number => {
    const child = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    if (child.status !== 0) throw new Error(child.stderr.trim().split('\n').at(-1) ?? 'the process failed')
    return number(child.stdout)
  }
  return {
    ...rest,
    result: () => [once()],
    sample: () => {
      const begin = performance.now()
      once()
      return (performance.now() - begin) / 1000
    },
  }
}

const start = async (name: keyof typeof product): Promise<Contender> =>
  processOf(['--input-type=module', '--eval', product[name]], Number, {
    name,
    backend: name === 'bare node' ? 'none' : 'wasm',
    variant: name === 'ours' ? wasmBuild() : '',
  })

const cold = (): Case => ({
  name: 'cold-start',
  what: 'a new process from its start to the end of the first 512×512 product, f32',
  own: (['ours', 'bare node', 'tfjs-wasm'] as const).map(name => () => start(name)),
  check: values => (values[0] === 512 ? 0 : Number.NaN),
})

/** A command that has next to nothing to compute. */
function coldExpand(): Case {
  const expand = (name: string, bin: string | undefined) => async (): Promise<Contender | undefined> => {
    if (bin === undefined) return undefined
    const model = network(8, 16)
    const args = [bin, 'expand', model, '--input', join(model, 'x.npy'), '--json']
    const rest = { name, backend: 'wasm', variant: name === 'ours' ? wasmBuild() : '' }
    const norm = (printed: string) => (JSON.parse(printed) as { output_norm: number }).output_norm
    return { ...processOf(args, norm, rest), dispose: () => rmSync(model, { recursive: true }) }
  }
  return {
    name: 'cold-expand',
    what: 'unravel expand on a tower of 8 blocks of width 16, 16 inputs, f64, from its start to its end',
    own: [expand('ours', program), expand('base', baseProgram())],
    check: values => {
      const model = network(8, 16)
      try {
        return Math.abs(values[0]! / outputNorm(model) - 1) / 1e-12
      } finally {
        rmSync(model, { recursive: true })
      }
    },
  }
}

/** The norm of a network's output, over the rows of its batch. */
function outputNorm(folder: string): number {
  const model = readModel(folder, { dtype: 'f64' })
  const x = inputFrom(readFileSync(join(folder, 'x.npy')), model, { dtype: 'f64' })
  const y = run(towerOf(model), x).dataSync() as Float64Array
  return Math.hypot(...y) / Math.sqrt(x.shape[0]!)
}

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
  cases: () => [cold, coldExpand],
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
