import {
  arrayData,
  type Backend,
  backendOf,
  defaultBackend,
  FormatError,
  formatSafetensors,
  parseSafetensors,
  scope,
  type Tensor,
  tensor,
} from '@unravel/tensor'
import { brief, shown } from '@unravel/tensor/internals'
import type { Model } from './architecture.js'
import { type LoadOptions, parametersOf } from './models.js'
import type { Optimiser } from './optimisers.js'
import type { TrainingState } from './train.js'

/** Settings of a run, beside its state; a checkpoint resumes only the run that wrote it. */
export type RunDescription = Readonly<Record<string, string | number>>

/** The state of training in a checkpoint. */
export interface Checkpoint extends TrainingState {
  /** The arithmetic that computed it, as `arithmeticOf` names it; undefined in checkpoints of versions that did not record it. */
  readonly backend: string | undefined
  /** The number of steps that its run was to have, where the description of runs tells it as "steps". */
  readonly planned: number | undefined
  /** The `optional` keys of the description that it does not have. */
  readonly unrecorded: readonly string[]
}

export interface CheckpointOptions extends Pick<LoadOptions, 'backend'> {
  /** Go on from a checkpoint that another backend wrote too; the numbers then round otherwise than in one run. */
  readonly anyBackend?: boolean
  /** Go on from a checkpoint of a run of another number of steps, too. */
  readonly moreSteps?: boolean
  /** Keys of the description that checkpoints of earlier versions lack: one that has them must agree, one without is taken. */
  readonly optional?: readonly string[]
}

/** The name of a backend's rounding: its own name, and the build of WebAssembly (`wasm relaxed`). Threads do not change it. */
export const arithmeticOf = (backend: Backend): string =>
  [backend.name, (backend as { readonly build?: string }).build].filter(Boolean).join(' ')

const describe = (model: Model, optimiser: Optimiser, run: RunDescription): Record<string, string> => ({
  config: JSON.stringify(model.config),
  optimiser: optimiser.description,
  ...Object.fromEntries(Object.entries(run).map(([key, value]) => [key, String(value)])),
})

/** The bytes of a checkpoint, a .safetensors file: `model.*`, `optimiser.*`, and in its metadata the step, what the run
 *  is, and on which backend. */
export function formatCheckpoint(state: TrainingState, optimiser: Optimiser, run: RunDescription): Uint8Array {
  const named = (prefix: string, tensors: Readonly<Record<string, Tensor>>) =>
    Object.entries(tensors).map(([name, t]) => [`${prefix}.${name}`, arrayData(t)] as const)
  return formatSafetensors(
    Object.fromEntries([...named('model', state.model.tensors), ...named('optimiser', state.optimiser)]),
    {
      backend: arithmeticOf(backendOf(Object.values(state.model.tensors)[0]!)),
      ...describe(state.model, optimiser, run),
      step: String(state.step),
    },
  )
}

/**
 * The state of a checkpoint of this very run: a model of the same configuration, optimiser and description, on the same
 * backend. Throws FormatError naming what differs or is missing.
 */
export function parseCheckpoint(
  bytes: Uint8Array,
  model: Model,
  optimiser: Optimiser,
  run: RunDescription,
  { backend = defaultBackend(), anyBackend = false, moreSteps = false, optional = [] }: CheckpointOptions = {},
): Checkpoint {
  const { tensors, metadata } = parseSafetensors(bytes)
  const unrecorded = optional.filter(key => metadata[key] === undefined)
  for (const [key, want] of Object.entries(describe(model, optimiser, run))) {
    if (unrecorded.includes(key)) continue
    if (metadata[key] !== want && !(moreSteps && key === 'steps')) {
      throw new FormatError(
        `the checkpoint is of another run: ${key} is ${brief(metadata[key] ?? 'missing', 400)} there and ${brief(want, 400)} here`,
      )
    }
  }
  const [there, here] = [metadata.backend, arithmeticOf(backend)]
  if (there !== undefined && there !== here && !anyBackend && !('backend' in run)) {
    throw new FormatError(
      `the checkpoint is of another run: backend is ${brief(there)} there and ${here} here, which rounds otherwise; ` +
        'go on with that backend, or allow any (anyBackend, --any-backend)',
    )
  }
  const step = Number(metadata.step)
  if (!Number.isSafeInteger(step) || step < 0)
    throw new FormatError(`the checkpoint has no step (${shown(metadata.step)})`)
  const planned = metadata.steps === undefined ? undefined : Number(metadata.steps)
  const take = (prefix: string, like: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(
      Object.entries(like).map(([name, t]) => {
        const stored = tensors.get(`${prefix}.${name}`)
        if (stored === undefined || String(stored.shape) !== String(t.shape) || stored.type !== t.dtype) {
          throw new FormatError(`the checkpoint has no tensor "${prefix}.${name}" ${t.dtype}[${t.shape}]`)
        }
        const { data, shape } = stored.read(t.dtype)
        return [name, tensor(data, { shape, dtype: t.dtype, backend })]
      }),
    )
  const taken = scope(() => ({
    model: take('model', model.tensors),
    optimiser: take('optimiser', optimiser.init(parametersOf(model))),
  }))
  const state = { model: { ...model, tensors: taken.model }, optimiser: taken.optimiser, step }
  return { ...state, backend: there, planned, unrecorded }
}
