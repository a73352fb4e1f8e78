import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as resnet from '@unravel/resnet'
import * as tensor from '@unravel/tensor'
import { baseFolder } from '../command.js'
import type { Contender } from '../types.js'
import type { StepsWork } from '../works.js'
import { type Variant, variantOf } from './unravel.js'

/** The packages that train: those of this checkout, or of another commit. */
interface Library {
  readonly resnet: typeof resnet
  readonly tensor: typeof tensor
}

/** The network with the weights of the work. */
export function modelOf(
  {
    architecture,
    config,
    weights,
    skipInit,
  }: Pick<StepsWork, 'architecture' | 'config' | 'skipInit'> & {
    readonly weights?: StepsWork['weights']
  },
  library: Library,
  options: { readonly dtype: 'f32' | 'f64'; readonly backend: tensor.Backend },
): resnet.Model {
  const scale = skipInit ? { scale: { rule: { rule: 'constant' as const, value: 1 }, learned: 0 } } : {}
  const of = library.resnet.architectures[architecture]!
  const random = new library.tensor.Random(0)
  const model = library.resnet.initialise(of, config as never, { random, ...options, ...scale }) as resnet.Model
  if (weights === undefined) return model
  const named = Object.entries(weights).map(([name, data]) => {
    const old = model.tensors[name]!
    const loaded = library.tensor.tensor(data, { shape: old.shape, ...options })
    old.dispose()
    return [name, loaded]
  })
  return { ...model, tensors: { ...model.tensors, ...Object.fromEntries(named) } }
}

function training(
  work: StepsWork,
  library: Library,
  options: { readonly dtype: 'f32' | 'f64'; readonly backend: tensor.Backend },
) {
  const { x, labels, shape, optimiser, rate } = work
  const examples: resnet.Examples = {
    ...{ inputs: x, shape: shape.slice(1), labels, size: labels.length, classes: 10, mean: 0, deviation: 1 },
  }
  const model = modelOf(work, library, options)
  const rule =
    optimiser === 'sgd'
      ? library.resnet.sgd({ momentum: 0.9, weightDecay: 5e-4 })
      : library.resnet.adamw({ weightDecay: 0.05 })
  const tensorsOf = (state: resnet.TrainingState) => [
    ...Object.values(state.model.tensors),
    ...Object.values(state.optimiser),
  ]
  let state: resnet.TrainingState | undefined
  /** Trains `count` steps more. */
  const advance = async (count: number): Promise<number[]> => {
    const losses: number[] = []
    const { state: next, message } = await library.resnet.train(model, {
      ...{ data: examples, batchSize: labels.length, seed: 0, optimiser: rule },
      schedule: library.resnet.constantRate(rate),
      steps: (state?.step ?? 0) + count,
      ...(state && { from: state }),
      onStep: ({ loss }) => void losses.push(loss),
    })
    if (message !== undefined) throw new Error(message)
    const kept = new Set([...tensorsOf(next), ...Object.values(model.tensors)])
    if (state !== undefined) for (const t of tensorsOf(state)) if (!kept.has(t)) t.dispose()
    state = next
    return losses
  }
  let last = Number.POSITIVE_INFINITY
  return {
    result: () => advance(3),
    sample: async (seconds: number) => {
      const count = Math.max(1, Math.ceil(seconds / last))
      const begin = performance.now()
      await advance(count)
      last = (performance.now() - begin) / 1000 / count
      return last
    },
    dispose: () => {
      for (const t of new Set([...Object.values(model.tensors), ...(state ? tensorsOf(state) : [])])) t.dispose()
    },
  }
}

/** Steps by the packages of this checkout. */
export function steps(work: StepsWork, name: Variant = 'ours', dtype: 'f32' | 'f64' = 'f32'): Contender {
  const { kind: backend, ...labels } = variantOf(name)
  return { ...labels, backend: backend.name, ...training(work, { resnet, tensor }, { dtype, backend }) }
}

/** The same by the built packages of another checkout, which UNRAVEL_BASE names; undefined without it, and of learned scales, which
 *  ResNets of commit 7044cb9 do not have. */
export async function baseSteps(work: StepsWork): Promise<Contender | undefined> {
  const base = baseFolder()
  if (base === undefined || work.skipInit) return undefined
  const packages = resolve(base, 'packages')
  const entry = (name: string) => import(pathToFileURL(resolve(packages, name, 'dist/index.js')).href)
  const library: Library = { resnet: await entry('resnet'), tensor: await entry('tensor') }
  const backend = library.tensor.wasm()
  return {
    ...{ name: 'base', backend: backend.name, variant: '', threads: 1 },
    ...training(work, library, { dtype: 'f32', backend }),
  }
}
