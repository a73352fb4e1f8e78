import type { Tensor } from '@unravel/tensor'
import type { z } from 'zod'
import type { Form } from './residual.js'
import type { ScaleRule } from './scale.js'
import type { Tower } from './tower.js'

/** Tensors of a model by their names in the state dict (PyTorch's names and layouts). */
export type Tensors = Readonly<Record<string, Tensor>>

/** An input that a model does not take, such as ids outside its vocabulary; the message says what it takes. */
export class InputError extends RangeError {
  override readonly name = 'InputError'
}

/** Shape and kind of one tensor of a state dict. */
export interface TensorSpec {
  readonly shape: readonly number[]
  /** Absent tensors stand for zeros (biases) or ones (learned scales). */
  readonly optional?: boolean
  /** Buffers are state that no optimiser moves, such as running statistics. */
  readonly kind: 'parameter' | 'buffer'
  /**
   * How a fresh one starts: `weight` by an initialiser, as `branch`, a weight inside of a residual branch, and `classifier`,
   * the last of the network, unless the scale preset says otherwise; `branch-end`, the last weight of a residual branch, by
   * an initialiser of its own; `scale`, a learned factor of a branch, by the scale preset, and absent without one that
   * learns; the others by their number.
   */
  readonly start: 'weight' | 'branch' | 'branch-end' | 'classifier' | 'scale' | number
  /** Whether a weight is stored `[in, out]`, not `[out, in, ...]`: initialisers count inputs and outputs by it. */
  readonly inputsFirst?: boolean
  /** Whether weight decay of weights alone leaves it out, although an initialiser draws it: positions, as timm does. */
  readonly undecayed?: boolean
  /** Of attention: a weight of queries or keys alone, or of queries, keys and values in turn, each so many outputs. */
  readonly attention?: 'queries or keys' | number
}

/** Rows of a tensor that a file stores by themselves: the `part`-th of `of` equal ones. */
export interface Rows {
  readonly name: string
  readonly part: number
  readonly of: number
}

/** Options of a forward pass in training. */
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
 * is one file that exports one of these, and one entry in `architectures`; one's own is made known by
 * `registerArchitecture`.
 */
export interface Architecture<C extends Config = Config> {
  readonly name: C['architecture']
  /** Fields of config.json that it drops are unknown to the family: they are kept, and named in a warning. */
  readonly schema: z.ZodType<C>
  /** Other names of fields, such as Hugging Face's; a field may have several names where the values agree. */
  readonly synonyms?: Readonly<Record<string, string>>
  /** Values of Hugging Face's `model_type` that stand for this family where config.json has no `architecture`. */
  readonly modelTypes?: readonly string[]
  /** Fields of a configuration that Hugging Face wrote, with one of these types and without `architecture`, that this family
   *  has by other names or with other defaults. Throws an Error that names a field it cannot have. */
  huggingFace?(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>
  /** Fields of the network that timm calls so, where its arguments are not others; null where it is none of this family. */
  timm?(name: string, args: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | null
  /** λ of a configuration without `scale`, where its other fields say it (default: constant 1). */
  scale?(config: C): ScaleRule
  /** Every tensor name of a model of this configuration, learned scales apart. */
  tensors(config: C): Record<string, TensorSpec>
  /**
   * The name in `tensors` of what a file stores as `name`, where files of the family have other names too; null for what
   * is no part of a model's function. Several stored tensors may stand for one if they are equal, or be its rows. Default: the
   * same.
   */
  standsFor?(name: string, config: C): string | Rows | null
  /**
   * Names of the learned scales of the blocks, tensors `[]` that multiply the branches (default: `blocks.{l}.scale`). A model
   * has them where its scale preset learns; `towerOf` applies them, so that every family has every preset that only scales.
   */
  scaleNames?(config: C): readonly string[]
  /** Shapes of one number a channel of the branch of each block, as it multiplies what the branch gives: learned scales of
   *  the rule `layer-scale`, which a family without these does not have. */
  channels?(config: C): readonly (readonly number[])[]
  /** Why networks of this configuration do not have a scale rule that changes the form of their blocks; undefined where they
   *  have it. Default: no family has one. */
  refuses?(config: C, form: Form): string | undefined
  /** Number of residual blocks. */
  depth(config: C): number
  /** Shape of one input without the batch axis, and whether inputs are numbers or integer ids. */
  input(config: C): { readonly shape: readonly (number | string)[]; readonly kind: 'real' | 'ids' }
  /** The tower, with branch scales λ_1..λ_n; learned scales apart. */
  tower(config: C, tensors: Tensors, scales: readonly number[], training?: TrainingPass): Tower
}

/** A configuration and its tensors. */
export interface Model<C extends Config = Config> {
  readonly architecture: Architecture<C>
  readonly config: C
  readonly tensors: Tensors
}
