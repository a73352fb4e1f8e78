import Benchmark from 'benchmark'
import type { Contender } from './types.js'

// Closures cannot be compiled from their source; with this off benchmark.js calls them as they are.
;(Benchmark.support as { decompilation: boolean }).decompilation = false

/** Calls slower than this are timed without benchmark.js's trial call, seconds. */
const SLOW = 0.1

/**
 * One sample of benchmark.js: seconds per run of `f`, over as many runs as fill `seconds`, starting with `count` of them.
 * Slow and asynchronous functions use its deferred clock, which makes no trial call.
 */
export function sampleOf(f: () => unknown, seconds: number, count: number, deferred: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const finish = (bench: Benchmark) => {
      const [period] = bench.stats.sample as readonly number[]
      if (bench.error) reject(bench.error)
      else if (period === undefined) reject(new Error('benchmark.js took no sample'))
      else resolve(period)
    }
    const body = deferred
      ? async (turn: { resolve(): void; benchmark: Benchmark }) => {
          try {
            await f()
            turn.resolve()
          } catch (error) {
            reject(error)
          }
        }
      : f
    const bench: Benchmark = new Benchmark('sample', {
      defer: deferred,
      initCount: count,
      minSamples: 1,
      maxTime: 0,
      minTime: seconds,
      delay: 0,
      fn: body as () => void,
      onComplete: () => finish(bench),
    } as Benchmark.Options)
    bench.run({ async: false })
  })
}

/** Seconds per call of a contender; `expected` is that of its last sample. */
export async function clock(contender: Contender, seconds: number, expected: number | undefined): Promise<number> {
  await contender.enter?.()
  const calls = contender.calls ?? 1
  if (contender.sample !== undefined) return (await contender.sample(seconds)) / calls
  const f = (contender.run ?? contender.runAsync)!
  const run = expected === undefined ? undefined : expected * calls
  const count = run === undefined ? 1 : Math.max(1, Math.ceil(seconds / run))
  const deferred = contender.runAsync !== undefined || (run !== undefined && run > SLOW)
  return (await sampleOf(f, seconds, count, deferred)) / calls
}
