import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initialise, type Model, residualMlp } from '@unravel/resnet'
import { writeModel } from '@unravel/resnet/node'
import { arrayData, formatNpy, Random, wasm } from '@unravel/tensor'
import { type Ran, runCommand } from '../command.js'
import type { Quantity, Size, Suite } from '../types.js'

const WIDTH = 64
const INPUTS = 16
const where = { dtype: 'f64', backend: wasm() } as const

const commands: Readonly<Record<string, readonly string[]>> = {
  'expand taylor': ['expand'],
  'expand gated': ['expand', '--expansion', 'gated', '--orders', 'all'],
  'expand gradient': ['expand', '--expansion', 'gradient', '--orders', 'all'],
  'expand subsets': ['expand', '--expansion', 'subsets', '--orders', '2'],
  ...Object.fromEntries(['paths', 'complexity', 'lesion', 'sweep', 'verify'].map(name => [name, [name]])),
  report: ['report', '--out', 'report.html'],
}

/** A folder with a tower at λ = 1/n, and inputs for it. */
export function network(depth: number, width: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'unravel-bench-'))
  const config = {
    architecture: 'residual-mlp' as const,
    ...{ input: width, width, hidden: width, output: 10, depth },
    ...({ activation: 'tanh', norm: 'none', norm_eps: 1e-5 } as const),
  }
  const random = new Random(1)
  writeModel(folder, initialise(residualMlp, config, { random, scale: { rule: { rule: '1/n' } }, ...where }) as Model)
  writeFileSync(join(folder, 'x.npy'), formatNpy(arrayData(random.normal([INPUTS, width], 0, 1, where))))
  return folder
}

function ran([command, ...options]: readonly string[], depth: number): Ran {
  const folder = network(depth, WIDTH)
  try {
    return runCommand([command!, folder, '--input', join(folder, 'x.npy'), ...options], folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Seconds and memory of one command, which runs once for both. */
function quantities(name: string, argv: readonly string[], { quick }: Size): Quantity[] {
  const depth = quick ? 100 : 1000
  let found: Ran | undefined
  const once = () => (found ??= ran(argv, depth))
  const key = `${name.replace(' ', '-')}-${depth}`
  const what = `unravel ${name}, ${depth} blocks of width ${WIDTH}, ${INPUTS} inputs, f64`
  return [
    { name: key, what, unit: 's', measure: () => once().seconds },
    { name: `${key}-memory`, what: 'its largest resident memory', unit: 'MiB', measure: () => once().memory },
  ]
}

export const commandLine: Suite = {
  name: 'commands',
  what: 'every command on a deep tower: seconds and resident memory of a process',
  cases: () => [],
  quantities: size => Object.entries(commands).flatMap(([name, argv]) => quantities(name, argv, size)),
}
