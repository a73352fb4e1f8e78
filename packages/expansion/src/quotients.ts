import { reshape, scope, type Tensor } from '@unravel/tensor'
import { type SelectionObserver, trimmedSeries } from '@unravel/tensor/internals'
import { norm } from './spectrum.js'

/** Values of a function on a line, and whether the gates of its network are there as they are at 0. */
export type Line = (t: number) => { readonly value: Float64Array; readonly samePiece: boolean }

/** Derivatives at 0, from values alone. */
export interface Derivative {
  readonly value: Float64Array
  /** Euclidean norm of the difference of the two best extrapolations, and of the rounding in the values they are made of. */
  readonly uncertainty: number
}

/** Steps from the first one down, each a quarter of the one before: past the last, rounding is all that is seen. */
const STEPS = 20
/** Extrapolations of one difference; each removes another even power of the step. */
const COLUMNS = 5
/** Rounding of a value of a network, relative to it: some units of f64. */
const ROUNDING = 16 * 2 ** -53

/**
 * The first and second derivative of a line at 0, without any derivative rule: central differences, extrapolated to step 0
 * (Ridders 1982), at steps on which no gate differs from its state at 0, so that every value is of the one analytic piece.
 * Null where every step crosses a kink.
 *
 * @param first the largest step
 * @param enough uncertainty at which no smaller step is tried
 */
export function differenceQuotients(
  line: Line,
  first: number,
  enough: { readonly first: number; readonly second: number },
): { readonly first: Derivative; readonly second: Derivative } | null {
  const here = line(0).value
  // Differences over steps too small for their values are multiples of a unit of rounding: two of them may agree by chance.
  const rounding = ROUNDING * norm(here)
  const slope = new Extrapolation()
  const curvature = new Extrapolation()
  let h = first
  for (let i = 0; i < STEPS; i++, h /= 4) {
    const up = line(h)
    if (!up.samePiece) continue
    const down = line(-h)
    if (!down.samePiece) continue
    slope.add(
      up.value.map((v, j) => (v - down.value[j]!) / (2 * h)),
      rounding / h,
    )
    curvature.add(
      up.value.map((v, j) => (v - here[j]! - (here[j]! - down.value[j]!)) / (h * h)),
      (4 * rounding) / (h * h),
    )
    if (slope.uncertainty <= enough.first && curvature.uncertainty <= enough.second) break
  }
  return slope.best === null || curvature.best === null
    ? null
    : {
        first: { value: slope.best, uncertainty: slope.uncertainty },
        second: { value: curvature.best, uncertainty: curvature.uncertainty },
      }
}

/** Neville's extrapolation to step 0 of a sequence with an expansion in h², h falling by four. */
class Extrapolation {
  best: Float64Array | null = null
  uncertainty = Number.POSITIVE_INFINITY
  #row: Float64Array[] = []

  add(estimate: Float64Array, rounding: number): void {
    const row = [estimate]
    this.best ??= estimate
    for (let k = 1; k <= Math.min(COLUMNS, this.#row.length); k++) {
      const above = this.#row[k - 1]!
      const factor = 16 ** k
      const next = row[k - 1]!.map((v, j) => v + (v - above[j]!) / (factor - 1))
      row.push(next)
      const apart = rounding + Math.max(gap(next, row[k - 1]!), gap(next, above))
      if (apart < this.uncertainty) {
        this.uncertainty = apart
        this.best = next
      }
    }
    this.#row = row
  }
}

const gap = (a: Float64Array, b: Float64Array): number => norm(a.map((v, j) => v - b[j]!))

/** A function and the point that it is taken at. */
export interface Application {
  readonly f: (h: Tensor) => Tensor
  readonly h: Tensor
}

/**
 * t ↦ f_t(h_t) by plain runs, with the gates of f_t watched: what every op without a derivative chose, such as the step of a
 * ReLU, an index of max pooling or the outcome of a comparison.
 */
export function watchedLine(at: (t: number) => Application): Line {
  const gatesAt = (t: number) => {
    const gates: Float64Array[] = []
    const observer: SelectionObserver = (op, _, chosen) => {
      // The result of stopGradient is a number of the run, not a choice.
      if (op !== 'stopGradient') gates.push(Float64Array.from(chosen.dataSync()))
    }
    scope(() => {
      const { f, h } = at(t)
      trimmedSeries(f, reshape(h, [1, ...h.shape]), 0, { observer })
    })
    return gates
  }
  const reference = gatesAt(0)
  const sameGates = (t: number) =>
    reference.length === 0 || gatesAt(t).every((gate, i) => gate.every((choice, j) => choice === reference[i]![j]))
  return t => {
    const samePiece = t === 0 || sameGates(t)
    const value = scope(() => {
      const { f, h } = at(t)
      return Float64Array.from(f(h).dataSync())
    })
    return { value, samePiece }
  }
}
