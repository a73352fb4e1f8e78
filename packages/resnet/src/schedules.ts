import { shown } from '@unravel/tensor/internals'
/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number

/** The same rate throughout. */
export const constantRate =
  (rate: number): Schedule =>
  () =>
    rate

/** Multiplies the rate by `factor` after every `every` steps. Throws RangeError for `every` below 1. */
export function stepDecay(rate: number, every: number, factor = 0.1): Schedule {
  if (!(every >= 1)) throw new RangeError(`stepDecay: every must be at least 1 step, got ${shown(every)}`)
  return step => rate * factor ** Math.floor(step / every)
}

/** Half a cosine from `rate` at step 0 to `final` at step `steps` and after. */
export const cosine =
  (rate: number, steps: number, final = 0): Schedule =>
  step =>
    final + ((rate - final) * (1 + Math.cos(Math.PI * Math.min(1, step / Math.max(1, steps))))) / 2

/** Rises linearly to the schedule over its first `steps` steps: step s gets (s + 1)/steps of its rate. */
export const warmUp =
  (steps: number, schedule: Schedule): Schedule =>
  step =>
    step < steps ? (schedule(step) * (step + 1)) / steps : schedule(step)
