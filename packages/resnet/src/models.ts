import {
  arrayData,
  type Backend,
  type DType,
  FormatError,
  formatSafetensors,
  parseSafetensors,
  type Tensor,
  tensor,
} from '@unravel/tensor'
import type { z } from 'zod'
import type { Architecture, Model, Tensors, TrainingPass } from './architecture.js'
import { residualMlp } from './residualMlp.js'
import { type ScaleRule, scalesOf } from './scale.js'
import type { Tower } from './tower.js'

// biome-ignore lint/suspicious/noExplicitAny: families differ in their configuration
export const architectures: Readonly<Record<string, Architecture<any>>> = { [residualMlp.name]: residualMlp }

/** A configuration of some family, from the text of a config.json. Fields that the family does not know are left out.
 *  Throws FormatError that names the field. */
export function parseConfig(json: string): Pick<Model, 'architecture' | 'config'> {
  let config: unknown
  try {
    config = JSON.parse(json)
  } catch (error) {
    throw new FormatError(`config.json is not JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`)
  }
  const name = (config as { architecture?: unknown } | null)?.architecture
  const known = Object.keys(architectures).join(', ')
  if (typeof name !== 'string' || !Object.hasOwn(architectures, name)) {
    throw new FormatError(`config.json: architecture is ${JSON.stringify(name)}; expected one of ${known}`)
  }
  const architecture = architectures[name]!
  const parsed = architecture.schema.safeParse(config)
  if (!parsed.success) throw new FormatError(`config.json: ${issues(parsed.error)}`)
  return { architecture, config: parsed.data }
}

/** Every complaint of a schema on one line. */
const issues = (error: z.ZodError): string =>
  error.issues.map(i => `${i.path.length > 0 ? `${i.path.join('.')}: ` : ''}${i.message}`).join('; ')

export interface LoadOptions {
  /** Default f32. */
  readonly dtype?: DType
  readonly backend?: Backend
}

/**
 * A model from the two files of its folder. Every tensor must be there, have its shape and be finite or not as it is;
 * nothing unknown may be there (PyTorch's batch counters are passed over). Throws FormatError naming the tensor.
 */
export function modelFrom(config: string, weights: Uint8Array, { dtype = 'f32', backend }: LoadOptions = {}): Model {
  const { architecture, config: parsed } = parseConfig(config)
  const specs = architecture.tensors(parsed)
  const { tensors: stored } = parseSafetensors(weights)
  const lists = (shape: readonly number[]) => `[${shape.join(',')}]`
  for (const name of stored.keys()) {
    if (!Object.hasOwn(specs, name) && !name.endsWith('.num_batches_tracked')) {
      throw new FormatError(`model.safetensors: tensor "${name}" is not part of this ${architecture.name}`)
    }
  }
  // Everything is checked before anything is made.
  const found = Object.entries(specs).filter(([name, { shape, optional }]) => {
    const t = stored.get(name)
    if (t === undefined) {
      if (optional) return false
      throw new FormatError(`model.safetensors: tensor "${name}" ${lists(shape)} is missing`)
    }
    if (lists(t.shape) !== lists(shape)) {
      throw new FormatError(
        `model.safetensors: tensor "${name}" is ${lists(t.shape)}; config.json makes it ${lists(shape)}`,
      )
    }
    return true
  })
  const arrays = found.map(([name]) => [name, stored.get(name)!.read(dtype)] as const)
  const tensors = Object.fromEntries(
    arrays.map(([name, { data, shape }]) => [name, tensor(data, { shape, dtype, ...(backend && { backend }) })]),
  )
  return { architecture, config: parsed, tensors }
}

/** The two files of a model's folder; weights in the model's own dtype. */
export function modelFiles({ config, tensors }: Model): { config: string; weights: Uint8Array } {
  const arrays = Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, arrayData(t)]))
  return { config: `${JSON.stringify(config, null, 2)}\n`, weights: formatSafetensors(arrays, { format: 'pt' }) }
}

export interface TowerOptions {
  /** In place of the configuration's scale. */
  readonly scale?: ScaleRule
  /** Other values of the model's tensors, such as those a gradient is taken with respect to. */
  readonly tensors?: Tensors
  readonly training?: TrainingPass
}

/** λ_1..λ_n of a model: its configuration's rule (default: constant 1), or another. */
export function scalesOfModel({ architecture, config }: Model, scale?: ScaleRule): number[] {
  const rule = scale ?? (config as { scale?: ScaleRule }).scale ?? { rule: 'constant', value: 1 }
  return scalesOf(rule, architecture.depth(config))
}

/** The tower of a model. */
export function towerOf(model: Model, { scale, tensors, training }: TowerOptions = {}): Tower {
  return model.architecture.tower(model.config, tensors ?? model.tensors, scalesOfModel(model, scale), training)
}

/** The tensors that an optimiser moves. */
export function parametersOf({ architecture, config, tensors }: Model): Record<string, Tensor> {
  const specs = architecture.tensors(config)
  return Object.fromEntries(Object.entries(tensors).filter(([name]) => specs[name]!.kind === 'parameter'))
}
