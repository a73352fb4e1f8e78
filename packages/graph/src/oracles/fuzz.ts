import { FormatError } from '@unravel/tensor'
import { expect } from 'vitest'
import { GraphError } from '../errors.js'
import { evaluate, type Given } from '../evaluate.js'
import { folded } from '../fold.js'
import type { Graph } from '../graph.js'
import { recognised } from '../recognise.js'

// Files with something wrong in them.

/** How many mutations of every file; FUZZ=20000 runs them all. */
const MUTATIONS = Number(process.env.FUZZ ?? 200)

/** A generator of numbers that repeat (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) % below
  }
}

/** One file changed: bytes replaced, cut out, repeated or set to what lengths and tags are mistaken for. */
export function mutated(file: Uint8Array, next: (below: number) => number): Uint8Array {
  let out = [...file]
  for (let i = 0, times = 1 + next(4); i < times; i++) {
    const at = next(out.length)
    const n = 1 + next(8)
    const how = next(6)
    if (how === 0) out[at] = next(256)
    else if (how === 1) out[at] = [0, 1, 0x7f, 0x80, 0xff, 10, 18][next(7)]!
    else if (how === 2) out.splice(at, n)
    else if (how === 3) out.splice(at, 0, ...out.slice(next(out.length)).slice(0, n))
    else if (how === 4) out = out.slice(0, Math.max(1, at))
    else out[at] = (out[at]! + (next(2) === 0 ? 1 : 255)) & 255
  }
  return Uint8Array.from(out)
}

/** JSON changed: values replaced by others of any kind, left out, or exchanged for values from elsewhere in it. */
export function mutatedJson(json: unknown, next: (below: number) => number): unknown {
  const copy = structuredClone(json)
  const places: [holder: Record<string, unknown>, key: string][] = []
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key])
      walk((value as Record<string, unknown>)[key])
    }
  }
  walk(copy)
  const values: readonly unknown[] = [
    ...[null, true, '', 'x', '0', [], {}, [1, 2, 3], { class_name: 'ReLU' }],
    ...[0, 1, -1, 2, 7, 1.5, 64, 65536, 2 ** 20, 2 ** 31, 1e15, -1e9],
  ]
  for (let i = 0, times = 1 + next(3); i < times; i++) {
    const [holder, key] = places[next(places.length)]!
    const how = next(4)
    if (how === 0) delete holder[key]
    else if (how === 1) {
      const [from, other] = places[next(places.length)]!
      holder[key] = structuredClone(from[other])
    } else if (how === 2 && typeof holder[key] === 'number') holder[key] = values[9 + next(values.length - 9)]
    else holder[key] = structuredClone(values[next(values.length)])
  }
  return copy
}

type Outcome = 'run' | 'refused'

/** Evaluates the graph of a file on its inputs. `refused` is one documented error, said briefly, or undefined from `read`. */
export function outcomeOf(
  read: () => { readonly graph: Graph; readonly inputs: Readonly<Record<string, Given>> } | undefined,
): Outcome {
  try {
    const found = read()
    if (found === undefined) return 'refused'
    evaluate(recognised(folded(found.graph, found.inputs)), found.inputs)
    return 'run'
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof GraphError)) throw error
    expect(error.message.length).toBeLessThanOrEqual(2000)
    return 'refused'
  }
}

/** Seconds of computing, which other programs on the machine do not add to. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Every mutation runs or is refused within five seconds of computing; more than a tenth are refused, and not all. */
export function fuzz<F>(
  seed: number,
  mutate: (next: (below: number) => number) => F,
  run: (file: F) => Outcome,
  shown: (file: F) => string = () => '',
): void {
  const next = generator(seed)
  let refused = 0
  for (let i = 0; i < MUTATIONS; i++) {
    const changed = mutate(next)
    const start = cpuSeconds()
    try {
      if (run(changed) === 'refused') refused++
    } catch (error) {
      throw new Error(`mutation ${i}: ${(error as Error).stack}\n${shown(changed)}`)
    }
    const seconds = cpuSeconds() - start
    if (seconds > 5) throw new Error(`mutation ${i} took ${seconds.toFixed(1)} s of computing: ${shown(changed)}`)
  }
  expect(refused).toBeGreaterThan(MUTATIONS / 10)
  expect(refused).toBeLessThan(MUTATIONS)
}
