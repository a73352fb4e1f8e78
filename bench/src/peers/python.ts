import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Peer } from '../types.js'
import type { Floats, Work } from '../works.js'

type Reply = { error?: string; version?: string; blas?: string; has?: boolean; seconds?: number; length?: number }

/** Networks of torch.nn, whose losses are recorded for the tests. */
const record = fileURLToPath(new URL('../../../packages/resnet/fixtures/training/record.py', import.meta.url))

const oneThread = { OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' }

/** Whether vectors are held to 256 bits, for which the goals were set, where the processor has 512. */
const narrow = process.env.UNRAVEL_VECTORS === '256'
const vectors256 = {
  OPENBLAS_CORETYPE: 'Haswell',
  ATEN_CPU_CAPABILITY: 'avx2',
  DNNL_MAX_CPU_ISA: 'AVX2',
  NPY_DISABLE_CPU_FEATURES: 'AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL',
}

/** One interpreter that answers one request at a time. */
function converse(kind: 'numpy' | 'torch') {
  const python = process.env.UNRAVEL_PYTHON ?? '/usr/bin/python3'
  const child = spawn(python, [fileURLToPath(new URL('./peer.py', import.meta.url)), kind], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...oneThread, ...(narrow && vectors256) },
  })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  let settle: { resolve(reply: Reply): void; reject(error: Error): void } | undefined
  const fail = (error: Error) => settle?.reject(error)
  child.on('error', fail)
  child.stdin.on('error', fail)
  child.on('exit', () => fail(new Error(said.trim().split('\n').at(-1) || 'the interpreter ended')))
  createInterface(child.stdout).on('line', line => settle?.resolve(JSON.parse(line) as Reply))
  return {
    close: () => child.kill(),
    ask: async (request: object): Promise<Reply> => {
      const reply = await new Promise<Reply>((resolve, reject) => {
        settle = { resolve, reject }
        child.stdin.write(`${JSON.stringify(request)}\n`)
      })
      if (reply.error !== undefined) throw new Error(reply.error)
      return reply
    },
  }
}

/** NumPy (on OpenBLAS as Debian has it) or PyTorch in a process of its own that times itself; one thread. Where its BLAS is the
 *  reference one, ten times slower, its rows say so and count for no goal. The interpreter
 *  is /usr/bin/python3, or what UNRAVEL_PYTHON names. */
export async function load(kind: 'numpy' | 'torch'): Promise<Peer> {
  const { ask, close } = converse(kind)
  const { version, blas } = await ask({ do: 'hello' })
  const folder = mkdtempSync(join(tmpdir(), 'unravel-bench-'))
  let files = 0
  let ids = 0
  const fileOf = (data: Floats) => {
    const file = join(folder, `${files++}.bin`)
    writeFileSync(file, data)
    return file
  }
  return {
    name: kind,
    version: version!,
    async prepare(work) {
      const described = describe(work, fileOf)
      if (described === undefined) return undefined
      const id = ids++
      if (!(await ask({ do: 'prepare', id, work: described })).has) return undefined
      return {
        name: kind,
        backend: 'native',
        variant: [multiplies(work) ? blas! : '', narrow ? '256-bit' : ''].filter(Boolean).join(', '),
        sample: async seconds => (await ask({ do: 'sample', id, seconds })).seconds!,
        result: async () => {
          const file = join(folder, `${files++}.bin`)
          await ask({ do: 'result', id, file })
          const bytes = readFileSync(file)
          rmSync(file)
          return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
        },
        dispose: () => ask({ do: 'drop', id }),
      }
    },
    close: () => {
      close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Whether the work is done by the BLAS; convolutions are not, in PyTorch. */
const multiplies = ({ kind }: Work): boolean => ['matmul', 'tower', 'training', 'taylor'].includes(kind)

/** The work with every array as {file, dtype, shape}. */
function describe(work: Work, fileOf: (data: Floats) => string): object | undefined {
  const put = (data: Floats, shape: number[]) => ({
    file: fileOf(data),
    dtype: data instanceof Float64Array ? 'f64' : 'f32',
    shape,
  })
  switch (work.kind) {
    case 'matmul': {
      const { a, b, ...rest } = work
      const { m, k, n, transA, transB } = work
      return { ...rest, arrays: { a: put(a, transA ? [k, m] : [m, k]), b: put(b, transB ? [n, k] : [k, n]) } }
    }
    case 'map': {
      const { x, ...rest } = work
      return { ...rest, arrays: { x: put(x, [x.length]) } }
    }
    case 'add':
      return { kind: 'add', arrays: { a: put(work.a, [work.a.length]), b: put(work.b, [work.b.length]) } }
    case 'conv': {
      const { x, w, batch, channels, out, size, ...rest } = work
      return {
        ...rest,
        arrays: { x: put(x, [batch, channels, size, size]), w: put(w, [out, channels / work.groups, 3, 3]) },
      }
    }
    case 'tower':
    case 'training':
    case 'taylor': {
      const { depth, width, batch, scale, x, first, second } = work.net
      const square = [depth, width, width]
      const arrays = {
        x: put(x, [batch, width]),
        first: put(joined(first), square),
        second: put(joined(second), square),
        ...(work.kind === 'training' && { target: put(work.target, [batch, width]) }),
      }
      const rest =
        work.kind === 'training' ? { rate: work.rate } : work.kind === 'taylor' ? { orders: work.orders } : {}
      return { kind: work.kind, scale, ...rest, arrays }
    }
    case 'network':
      return undefined
    case 'steps': {
      const { x, shape, labels, weights, torch, optimiser, rate } = work
      const parameters = Object.values(weights)
      return {
        ...{ kind: 'steps', ...torch, optimiser, rate, labels: [...labels], record, parameters: parameters.length },
        arrays: {
          x: put(x, [...shape]),
          ...Object.fromEntries(parameters.map((data, i) => [String(i), put(data, [data.length])])),
        },
      }
    }
    default: {
      const { x, ...rest } = work
      return { ...rest, arrays: { x: put(x, [work.rows, work.n]) } }
    }
  }
}

function joined(parts: readonly Floats[]): Floats {
  const total = parts.reduce((n, p) => n + p.length, 0)
  const out = parts[0] instanceof Float64Array ? new Float64Array(total) : new Float32Array(total)
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}
