import {
  adamwUpdate,
  addScaled,
  type Mapped,
  mapTree,
  mul,
  scope,
  sgdUpdate,
  Tensor,
  type Tree,
  zerosLike,
} from '@unravel/tensor'
import { named, shown } from '@unravel/tensor/internals'

/** Named tensors: parameters, gradients, and what an optimiser remembers. */
export type Named = Readonly<Record<string, Tensor>>

/** An update rule for the tensors of any tree. It has no state of its own: its memory is a flat record of tensors that can be
 *  saved, named after the keys that lead to each parameter, such as `mean.layers.0.weight`. */
export interface Optimiser {
  /** Name and settings, for checkpoints. */
  readonly description: string
  init(parameters: Tree): Named
  /** Parameters and state after step `t` (the first is 1); those of before are left to their owner. Throws RangeError for a
   *  parameter without a gradient, a rate that is not finite and what is no number of a step. */
  step<P extends Tree>(
    parameters: P,
    gradients: Mapped<P, Tensor>,
    state: Named,
    learningRate: number,
    t: number,
  ): { parameters: P; state: Named }
}

/** `f` of every parameter and its gradient: its new value, and the new values of its state. Intermediate memory of one
 *  parameter is freed before the next. */
function each<P extends Tree>(
  parameters: P,
  gradients: Tree,
  f: (name: string, p: Tensor, g: Tensor) => { p: Tensor; state: Named },
): { parameters: P; state: Named } {
  const state: Record<string, Tensor> = {}
  const names = Object.keys(named(parameters))
  let i = 0
  const updated = mapTree(
    (p, g) => {
      const name = names[i++]!
      if (!(g instanceof Tensor)) {
        throw new RangeError(
          `the gradients have none of "${name}": expected a tree with a gradient for each parameter; give zeros for those that stay`,
        )
      }
      const next = scope(() => f(name, p, g))
      for (const [key, value] of Object.entries(next.state)) state[`${key}.${name}`] = value
      return next.p
    },
    parameters,
    gradients,
  )
  return { parameters: updated as P, state }
}

const zerosFor = (keys: readonly string[], parameters: Tree): Named =>
  Object.fromEntries(
    Object.entries(named(parameters)).flatMap(([name, p]) => keys.map(k => [`${k}.${name}`, zerosLike(p)])),
  )

/** Throws RangeError for what is no learning rate or no number of a step: either would make every parameter NaN. */
function checkStep(name: string, learningRate: number, t: number): void {
  if (!Number.isFinite(learningRate)) {
    throw new RangeError(`${name}: the learning rate must be finite, got ${shown(learningRate)}`)
  }
  if (!(Number.isSafeInteger(t) && t >= 1)) {
    throw new RangeError(`${name}: the step must be an integer of at least 1 (the first step is 1), got ${shown(t)}`)
  }
}

/** Throws RangeError for a setting outside of [0, below). */
function checkSettings(
  name: string,
  settings: Readonly<Record<string, number>>,
  below = Number.POSITIVE_INFINITY,
): void {
  for (const [key, value] of Object.entries(settings)) {
    if (!(value >= 0 && value < below)) {
      const bound = below === Number.POSITIVE_INFINITY ? 'finite' : `below ${below}`
      throw new RangeError(`${name}: ${key} must be at least 0 and ${bound}, got ${shown(value)}`)
    }
  }
}

/** A tensor of an optimiser's memory of a parameter. */
function remembered(state: Named, key: string, name: string): Tensor {
  const found = state[`${key}.${name}`]
  if (found === undefined) {
    throw new RangeError(`the state has no ${key} of "${name}": it is of another optimiser or another model`)
  }
  return found
}

/** Parameters that weight decay leaves alone (default: none); see `undecayed`. */
export interface Decay {
  readonly undecayed?: ReadonlySet<string> | undefined
}

/** Their part of a description. */
const except = (undecayed: ReadonlySet<string> | undefined): string =>
  undecayed === undefined ? '' : ` except=${undecayed.size}`

export interface SgdOptions extends Decay {
  readonly momentum?: number
  readonly nesterov?: boolean
  /** L2: added to the gradient. */
  readonly weightDecay?: number
}

/** Stochastic gradient descent as PyTorch has it: v ← μv + (g + wd·p); p ← p − lr·v, or with Nesterov's momentum
 *  p ← p − lr·(g + wd·p + μv). Throws RangeError for negative settings and for Nesterov without momentum. */
export function sgd({ momentum = 0, nesterov = false, weightDecay: decay = 0, undecayed }: SgdOptions = {}): Optimiser {
  checkSettings('sgd', { momentum, weightDecay: decay })
  if (nesterov && momentum === 0) throw new RangeError('sgd: nesterov wants a momentum above 0')
  return {
    description: `sgd momentum=${momentum} nesterov=${nesterov} weightDecay=${decay}${except(undecayed)}`,
    init: parameters => (momentum === 0 ? {} : zerosFor(['velocity'], parameters)),
    step(parameters, gradients, state, learningRate, t) {
      checkStep('sgd', learningRate, t)
      return each(parameters, gradients, (name, p, g): { p: Tensor; state: Named } => {
        const weightDecay = undecayed?.has(name) ? 0 : decay
        if (momentum === 0) {
          return { p: addScaled(p, weightDecay === 0 ? g : addScaled(g, p, weightDecay), -learningRate), state: {} }
        }
        const settings = { rate: learningRate, momentum, nesterov, weightDecay }
        const [next, velocity] = sgdUpdate(p, g, remembered(state, 'velocity', name), settings)
        return { p: next, state: { velocity } }
      })
    },
  }
}

export interface AdamWOptions extends Decay {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** Decoupled from the gradient. */
  readonly weightDecay?: number
}

/** AdamW (Loshchilov & Hutter 2019) as PyTorch has it: p ← p(1 − lr·wd) − lr·m̂/(√v̂ + eps), with bias-corrected
 *  moments m ← β₁m + (1 − β₁)g and v ← β₂v + (1 − β₂)g². Throws RangeError for β outside of [0, 1) and other settings
 *  below 0. */
export function adamw({
  beta1 = 0.9,
  beta2 = 0.999,
  eps = 1e-8,
  weightDecay = 0.01,
  undecayed,
}: AdamWOptions = {}): Optimiser {
  checkSettings('adamw', { beta1, beta2 }, 1)
  checkSettings('adamw', { eps, weightDecay })
  return {
    description: `adamw beta1=${beta1} beta2=${beta2} eps=${eps} weightDecay=${weightDecay}${except(undecayed)}`,
    init: parameters => zerosFor(['mean', 'square'], parameters),
    step(parameters, gradients, state, learningRate, t) {
      checkStep('adamw', learningRate, t)
      return each(parameters, gradients, (name, p, g) => {
        const rate = learningRate / (1 - beta1 ** t)
        const correction = 1 / Math.sqrt(1 - beta2 ** t)
        const settings = {
          beta1,
          beta2,
          eps,
          rate,
          correction,
          shrink: undecayed?.has(name) ? 1 : 1 - learningRate * weightDecay,
        }
        const before = [remembered(state, 'mean', name), remembered(state, 'square', name)] as const
        const [next, mean, square] = adamwUpdate(p, g, ...before, settings)
        return { p: next, state: { mean, square } }
      })
    },
  }
}

/**
 * An optimiser that also keeps an exponential moving average of the parameters (Polyak & Juditsky 1992), a ← d·a + (1 − d)·p with
 * d = min(decay, (1 + t)/(10 + t)) after step t, so that the first weights do not linger: `average.NAME` of its state, of which
 * `averageOf` makes a model. Training itself stays as it is. Throws RangeError for a decay outside of [0, 1).
 */
export function averaged(optimiser: Optimiser, decay: number): Optimiser {
  checkSettings('averaged', { decay }, 1)
  return {
    description: `${optimiser.description} average=${decay}`,
    init: parameters => ({
      ...optimiser.init(parameters),
      ...Object.fromEntries(Object.entries(named(parameters)).map(([name, p]) => [`average.${name}`, mul(p, 1)])),
    }),
    step(parameters, gradients, state, learningRate, t) {
      const next = optimiser.step(parameters, gradients, state, learningRate, t)
      const d = Math.min(decay, (1 + t) / (10 + t))
      const averages = each(next.parameters, gradients, (name, p) => ({
        p,
        state: { average: addScaled(mul(remembered(state, 'average', name), d), p, 1 - d) },
      }))
      return { parameters: next.parameters, state: { ...next.state, ...averages.state } }
    },
  }
}
