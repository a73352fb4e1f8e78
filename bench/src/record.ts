import type { Entry } from './rounds.js'
import type { Case } from './types.js'

/** One case after its rounds. `entries[0]` is what ratios are of; the yardstick is kept apart. */
export interface Row {
  readonly suite: string
  readonly name: string
  readonly what: string
  readonly amount: NonNullable<Case['amount']> | null
  readonly entries: readonly Entry[]
  readonly yardstick: Entry
  /** Peers that were left out, with the reason. */
  readonly without: Readonly<Record<string, string>>
  /** The browser that the row was measured in, where it was not Node. */
  readonly browser?: string
}

export interface Measured {
  readonly suite: string
  readonly name: string
  readonly what: string
  readonly unit: string
  /** null where it could not be measured. */
  readonly value: number | null
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly system: string
  /** Widest vectors that native peers may use; WebAssembly has 128 bits everywhere. */
  readonly vectors: string
}

/** A run, as the JSON file holds it. Times are seconds per call, round by round. */
export interface Run {
  readonly format: 'unravel-bench-1'
  /** ISO 8601, UTC. */
  readonly date: string
  readonly quick: boolean
  readonly node: string
  readonly machine: Machine
  /** The build of the WebAssembly module that the engine got. */
  readonly build: string
  readonly peers: Readonly<Record<string, string>>
  readonly absent: Readonly<Record<string, string>>
  readonly rows: Row[]
  readonly quantities: Measured[]
}

/** Native peers on the reference BLAS are no measure of anything: goals ask for OpenBLAS. */
export const REFERENCE_BLAS = 'reference BLAS'

/** Renderers of graphics commands that are programs for the processor: SwiftShader, Mesa's llvmpipe, softpipe and lavapipe,
 *  Microsoft's and Apple's own. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|lavapipe|swrast|software|basic render/i
/** Names that say nothing of what runs: the package gl answers `ANGLE`, whatever lies under it. */
const NAMELESS = /^(angle|unknown|unnamed webgpu adapter|webkit webgl|mozilla)?$/i

/** Why the times of an entry say that it ran and nothing else; undefined where they may be compared. */
export function incomparable({ device }: Pick<Entry, 'device'>): string | undefined {
  if (device === undefined) return undefined
  if (SOFTWARE.test(device.renderer)) return 'software renderer'
  return NAMELESS.test(device.renderer.trim()) ? 'unnamed renderer' : undefined
}

export const entryOf = (row: Row | undefined, name: string): Entry | undefined =>
  row?.entries.find(
    e => e.name === name && e.failed === undefined && e.variant !== REFERENCE_BLAS && incomparable(e) === undefined,
  )
