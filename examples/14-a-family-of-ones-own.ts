// A family of one's own: after `registerArchitecture`, folders that name it are read, trained and expanded like any other.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyse, taylor } from '@unravel/expansion'
import {
  type Architecture,
  type Config,
  initialise,
  inverseSqrtDepth,
  registerArchitecture,
  scaleSchema,
  type TensorSpec,
  towerOf,
} from '@unravel/resnet'
import { readModel, writeModel } from '@unravel/resnet/node'
import { linear, mul, Random, sigmoid, tanh } from '@unravel/tensor'
import { z } from 'zod'

interface GatedConfig extends Config {
  readonly architecture: 'gated-tower'
  readonly width: number
  readonly depth: number
}

/** h ← h + λ·tanh(U h)·sigmoid(V h) */
const gatedTower: Architecture<GatedConfig> = {
  name: 'gated-tower',
  schema: z.object({
    architecture: z.literal('gated-tower'),
    width: z.int().positive(),
    depth: z.int().min(0),
    scale: scaleSchema.optional(),
  }),
  depth: config => config.depth,
  input: config => ({ shape: [config.width], kind: 'real' }),
  tensors({ width, depth }) {
    const spec: TensorSpec = { shape: [width, width], kind: 'parameter', start: 'weight' }
    const names = Array.from({ length: depth }, (_, l) => [`blocks.${l}.u.weight`, `blocks.${l}.v.weight`]).flat()
    return Object.fromEntries(names.map(name => [name, spec]))
  },
  tower: (_, tensors, scales) => ({
    encode: x => x,
    blocks: scales.map((scale, l) => ({
      scale,
      branch: h =>
        mul(tanh(linear(h, tensors[`blocks.${l}.u.weight`]!)), sigmoid(linear(h, tensors[`blocks.${l}.v.weight`]!))),
    })),
    decode: h => h,
  }),
}
registerArchitecture(gatedTower)

const config = { architecture: 'gated-tower', width: 6, depth: 10 } as const
const folder = join(mkdtempSync(join(tmpdir(), 'family-')), 'model')
writeModel(folder, initialise(gatedTower, config, { random: new Random(1), scale: inverseSqrtDepth() }))

const model = readModel(folder, { dtype: 'f64' })
const x = new Random(2).normal([3, 6], 0, 1, { dtype: 'f64' })
const { remainder, scale } = await analyse(taylor(towerOf(model), x, 8))
console.log((scale as number).toFixed(3), remainder[8]! < remainder[4]!)
//> 0.316 true
