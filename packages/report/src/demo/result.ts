import type { Analysis } from '@unravel/expansion'

/** One tower of the demonstration at one moment. */
export interface State {
  /** Share of the test images that it classifies correctly. */
  readonly accuracy: number
  /** Of all orders 0..n, on a batch of test images. */
  readonly gated: Analysis
  /** On the same batch. */
  readonly taylor: Analysis
}

/** A learning rate that was tried. */
export interface Tried {
  readonly rate: number
  /** Accuracy on the held-out images after training at that rate. */
  readonly heldOut: number
  /** The step at which training broke down. */
  readonly divergedAt: number | null
}

/** One tower of the demonstration, before and after training. */
export interface TowerResult {
  /** How its scale reads: `1/√n`. */
  readonly name: string
  readonly initial: State
  readonly trained: State
  /** The learning rate of `trained`: of those tried, the best on held-out images. */
  readonly rate: number
  readonly tried: readonly Tried[]
  /** Training loss by step, as it was reported. */
  readonly losses: readonly (readonly [step: number, loss: number])[]
  /** The step at which training broke down; the trained state is then the last one with finite numbers. */
  readonly divergedAt: number | null
  readonly seconds: number
}

export interface DemoResult {
  readonly blocks: number
  readonly width: number
  readonly activation: string
  /** Other properties that the networks share, in place of width and activation. */
  readonly form?: string
  /** Training data (default: MNIST). */
  readonly data?: string
  readonly steps: number
  readonly batch: number
  /** Learning rates that each tower tried, and the images that chose between them. */
  readonly rates: readonly number[]
  readonly heldOut: number
  readonly seed: number
  /** Test images in the batch that was expanded, and in the set that accuracy was measured on. */
  readonly expanded: number
  readonly tested: number
  readonly towers: readonly TowerResult[]
}

/** Orders that the table lists one by one. */
export const LISTED = 6

/** Share of orders 0..LISTED, then of all beyond. */
export function listedShares({ share }: Analysis): number[] {
  const listed = Array.from({ length: LISTED + 1 }, (_, k) => share[k] ?? 0)
  return [...listed, share.slice(LISTED + 1).reduce((sum, s) => sum + s, 0)]
}

/** The remainder at the best truncation; NaN if there is none. */
export const bestRemainder = ({ bestOrder, remainder }: Analysis): number =>
  bestOrder === null ? Number.NaN : remainder[bestOrder]!
