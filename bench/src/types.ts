import type { Work } from './works.js'

export type Values = ArrayLike<number>

/** The name of a graphics processor, and the class of gpu.js kernel that ran on it. */
export interface Device {
  readonly kernelClass: string
  readonly renderer: string
}

/** One way to do a piece of work, ready to run: inputs are in place, functions are compiled. */
export interface Contender {
  /** `ours`, `ours 2 threads`, the name of a peer, or what else is compared. */
  readonly name: string
  /** The code that computes: js, wasm, native. */
  readonly backend: string
  /** The build that really runs: plain or relaxed SIMD, the BLAS of native peers, or what the peer says of itself; empty where it says nothing. */
  readonly variant?: string
  readonly threads?: number
  /** The graphics processor that ran, where one did. */
  readonly device?: Device
  /** Calls that one `run` makes: times are per call (default 1). */
  readonly calls?: number
  /** Runs once and gives the numbers that are checked before any time counts. */
  result(): Values | Promise<Values>
  /** Before every turn of this contender, outside of the clock. */
  enter?(): unknown
  /** The work, synchronous or not. Exactly one of `run`, `runAsync` and `sample` is there. */
  readonly run?: () => unknown
  readonly runAsync?: () => Promise<unknown>
  /** Seconds per call by a clock of its own, over at least `seconds` seconds: processes that time themselves. */
  readonly sample?: (seconds: number) => number | Promise<number>
  dispose?(): unknown
}

/** A piece of work that several contenders do; one row of the table for each of them. */
export interface Case {
  /** Unique over all suites; goals name rows by it. */
  readonly name: string
  /** The work in words, with its sizes. */
  readonly what: string
  /** Offered to ours and to every peer; each takes it or leaves it. */
  readonly work?: Work
  /** Contenders of this case alone. The first contender of all is the one that ratios are of: normally `ours`. */
  readonly own?: readonly (() => Contender | undefined | Promise<Contender | undefined>)[]
  /** Peers that are left out of this case, each with the reason. */
  readonly without?: Readonly<Record<string, string>>
  /** The error of a result in units of the largest error allowed: 1 or less passes, NaN does not. */
  readonly check: (values: Values) => number | Promise<number>
  /** Work of one call, for rates. */
  readonly amount?: { readonly count: number; readonly unit: 'flop' | 'element' | 'op' }
}

/** Something that is measured once and is no time: a size, an error, a growth of memory. */
export interface Quantity {
  readonly name: string
  readonly what: string
  readonly unit: string
  readonly measure: () => number | undefined | Promise<number | undefined>
}

export interface Suite {
  readonly name: string
  readonly what: string
  /** Cases are made one at a time, so that the memory of one is free before the next. */
  readonly cases: (size: Size) => readonly (() => Case)[]
  readonly quantities?: (size: Size) => readonly Quantity[]
  /** One line that says why the suite cannot run here and what to do about it; undefined where it can. */
  readonly unavailable?: () => Promise<string | undefined>
}

export interface Size {
  readonly quick: boolean
}

/** A library to compare with. */
export interface Peer {
  readonly name: string
  readonly version: string
  /** The peer's way to do the work; undefined where it has none. */
  prepare(work: Work): Contender | undefined | Promise<Contender | undefined>
  close?(): unknown
}
