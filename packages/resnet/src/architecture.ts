import { brief, shown, type Tensor } from '@unravel/tensor'
import type { z } from 'zod'
import type { ScaleRule } from './scale.js'
import type { Tower } from './tower.js'

/** Tensors of a model by their names in the state dict (PyTorch's names and layouts). */
export type Tensors = Readonly<Record<string, Tensor>>

/** An input that a model does not take, such as ids outside its vocabulary; the message says what it takes. */
export class InputError extends RangeError {
  override readonly name = 'InputError'
}

/** What one name of a state dict must be. */
export interface TensorSpec {
  readonly shape: readonly number[]
  /** Absent tensors stand for zeros (biases) or ones (learned scales). */
  readonly optional?: boolean
  /** Buffers are state that no optimiser moves, such as running statistics. */
  readonly kind: 'parameter' | 'buffer'
  /**
   * How a fresh one starts: `weight` by an initialiser; `branch-end`, the last weight of a residual branch, by an
   * initialiser of its own; `scale`, a learned multiplier of a branch, by the scale preset, and absent without one that
   * learns; the others by their number.
   */
  readonly start: 'weight' | 'branch-end' | 'scale' | number
  /** Whether a weight is stored `[in, out]`, not `[out, in, ...]`: initialisers count inputs and outputs by it. */
  readonly inputsFirst?: boolean
}

/** What a forward pass in training does differently. */
export interface TrainingPass {
  /** Told the mean and the biased variance of every batch-normalised layer, and how many values each is over. */
  moments(layer: string, moments: { mean: Tensor; variance: Tensor }, count: number): void
}

/** The part of config.json that every architecture has. */
export interface Config {
  readonly architecture: string
  /** λ of the branches; constant 1 when absent. */
  readonly scale?: ScaleRule | undefined
}

/**
 * A family of models: how its configuration reads, which tensors it has, and the tower that they make. A new family
 * is one file that exports one of these, and one entry in `architectures`.
 */
export interface Architecture<C extends Config = Config> {
  readonly name: C['architecture']
  readonly schema: z.ZodType<C>
  /** Every tensor name of a model of this configuration. */
  tensors(config: C): Record<string, TensorSpec>
  /**
   * The name in `tensors` of what a file stores as `name`, where files of the family have other names too; null for what
   * is no part of a model's function. Several stored tensors may stand for one if they are equal. Default: the same.
   */
  standsFor?(name: string): string | null
  /** Number of residual blocks. */
  depth(config: C): number
  /** Shape of one input without the batch axis, and whether inputs are numbers or integer ids. */
  input(config: C): { readonly shape: readonly (number | string)[]; readonly kind: 'real' | 'ids' }
  /** The tower, with branch scales λ_1..λ_n. */
  tower(config: C, tensors: Tensors, scales: readonly number[], training?: TrainingPass): Tower
}

/** A configuration and its tensors. */
export interface Model<C extends Config = Config> {
  readonly architecture: Architecture<C>
  readonly config: C
  readonly tensors: Tensors
}

/** The most complaints of one file that a message spells out. */
const TOLD = 12

/** Every complaint of a schema about `config`, on one line. */
export const issues = (error: z.ZodError, config: unknown): string =>
  [
    ...error.issues.slice(0, TOLD).map(({ path, message }) => {
      const found = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], config)
      const got = found === undefined ? 'missing' : shown(found)
      const wanted = message.replace(/^.*?expected/i, 'expected').replace(/, received .*$/, '')
      return `${brief(path.join('.'))} is ${got}; ${brief(wanted, 300)}`
    }),
    ...(error.issues.length > TOLD ? [`and ${error.issues.length - TOLD} more`] : []),
  ].join(' — ')
