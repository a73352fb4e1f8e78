import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { folded, type Graph, readGraph } from '@unravel/graph'
import { sourceOfFile } from '@unravel/resnet/node'
import { tensor, wasm } from '@unravel/tensor'
import type { NetworkWork } from './works.js'

// Networks that others published are large, and no dependency of an install: a run that wants one fetches its package once.

const cache = fileURLToPath(new URL('../node_modules/.cache/networks/', import.meta.url))

const esrgan = {
  spec: '@upscalerjs/esrgan-thick@1.0.0',
  tarball: 'upscalerjs-esrgan-thick-1.0.0.tgz',
  sha512: 'Xt7LAEa1WYVdU8teye1A2J3T2ylb3ihlU/x01x1ieM7zZh5FzTll6fwmeUC82mkztWloGZM65KdSEWOmhlXOdw==',
  model: 'package/models/x2/model.json',
}

function ran(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`)
}

/** The model.json of ESRGAN thick, ×2, from its package on npm (110 MB, fetched once). Throws Error. */
export function esrganThick(): string {
  const folder = join(cache, esrgan.spec.replaceAll('/', '-'))
  const path = join(folder, esrgan.model)
  if (existsSync(path)) return path
  const making = `${folder}.${process.pid}`
  mkdirSync(making, { recursive: true })
  try {
    ran('npm', ['pack', esrgan.spec, '--silent'], making)
    const tarball = join(making, esrgan.tarball)
    const hash = createHash('sha512').update(readFileSync(tarball)).digest('base64')
    if (hash !== esrgan.sha512) throw new Error(`${esrgan.spec} has the hash sha512-${hash}; expected ${esrgan.sha512}`)
    ran('tar', ['xzf', esrgan.tarball, dirname(esrgan.model)], making)
    rmSync(tarball)
    renameSync(making, folder)
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return path
}

/** The graph in a model.json with its weights beside it. */
export const graphAt = (path: string): Graph =>
  readGraph(sourceOfFile(path), { beside: name => sourceOfFile(join(dirname(path), name)) })

/** What a model.json and its weights hold, as they lie there. */
export function partsAt(path: string) {
  const json = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly modelTopology: object
    readonly weightsManifest: readonly { readonly paths: readonly string[]; readonly weights: readonly object[] }[]
  }
  const shards = json.weightsManifest.flatMap(group => group.paths).map(name => readFileSync(join(dirname(path), name)))
  const { buffer, byteOffset, byteLength } = Buffer.concat(shards)
  return {
    topology: json.modelTopology,
    weights: json.weightsManifest.flatMap(group => group.weights),
    data: buffer.slice(byteOffset, byteOffset + byteLength),
  }
}

/** The graph for the work's input, with the shapes of all values. */
export function foldedFor({ graph: read, x, shape }: NetworkWork): Graph {
  const graph = read()
  return folded(
    graph,
    { [graph.inputs[0]!.name]: tensor(x, { shape, backend: wasm() }) },
    { dtype: 'f32', backend: wasm() },
  )
}

/** Multiplications and additions of the convolutions of a graph that has the shapes of its values. */
export const flopOf = ({ nodes, constants, declared }: Graph): number =>
  nodes
    .filter(n => n.op === 'Conv')
    .map(({ inputs, outputs }) => {
      const count = (shape: readonly (number | string | null)[]) => shape.reduce<number>((a, b) => a * Number(b), 1)
      return 2 * count(constants.get(inputs[1]!)!.shape) * count(declared.get(outputs[0]!)!.shape!.slice(2))
    })
    .reduce((a, b) => a + b, 0)
