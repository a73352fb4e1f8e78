import { expect, test } from 'vitest'
import { against, elementwise, productCheck, ulps32 } from '../bench/src/check.js'
import { compare, judge } from '../bench/src/compare.js'
import { type Goal, goals, missing, verdict } from '../bench/src/goals.js'
import { parse } from '../bench/src/options.js'
import { ratioPlot } from '../bench/src/plot.js'
import { incomparable, type Run } from '../bench/src/record.js'
import { naiveMatmul, taylorArrays, towerOutput, trainingStep } from '../bench/src/reference.js'
import { type Entry, interleave } from '../bench/src/rounds.js'
import { rowsOf } from '../bench/src/rows.js'
import { geometricMean, median, quantile, ratioSpread, ratios, spread, turns } from '../bench/src/statistics.js'
import { caseTable, columns, duration, goalTables } from '../bench/src/table.js'
import type { Contender, Suite } from '../bench/src/types.js'
import { matmulWork, net, normal } from '../bench/src/works.js'

test('quantiles interpolate between order statistics, as NumPy has them', () => {
  expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75)
  expect(median([3, 1, 2])).toBe(2)
  expect(median([5])).toBe(5)
  expect(spread([1, 2, 3, 4, 5])).toEqual({ median: 3, q1: 2, q3: 4, rounds: 5 })
  expect(() => quantile([], 0.5)).toThrow(RangeError)
  expect(geometricMean([2, 8])).toBeCloseTo(4, 12)
})

test('ratios are of the rounds where both took part', () => {
  expect(ratios([2, null, 6, 8], [1, 1, null, 2])).toEqual([2, 4])
  expect(ratioSpread([null], [1])).toBeUndefined()
  // The median of ratios does not see a machine that is twice as slow in some rounds.
  expect(ratioSpread([2, 4, 2, 4], [1, 2, 1, 2])!.median).toBe(2)
})

test('every contender is first in turn, and every round has all of them', () => {
  const rounds = Array.from({ length: 8 }, (_, r) => turns(4, r))
  for (const order of rounds) expect([...order].sort()).toEqual([0, 1, 2, 3])
  expect(new Set(rounds.map(order => order[0])).size).toBe(4)
})

const fake = (name: string, seconds: number, value = 1): Contender => ({
  name,
  backend: 'none',
  result: () => [value],
  sample: () => seconds,
})
const plan = { rounds: 4, warm: 0, sample: 0, budget: Number.POSITIVE_INFINITY, least: 2 }
const one = against(() => [1], 1e-6)

test('a wrong or failing contender has no times, and the others do', async () => {
  const broken: Contender = {
    ...fake('broken', 1),
    result: () => {
      throw new Error('out of order\nwith details')
    },
  }
  const contenders = [fake('ours', 1), fake('wrong', 2, 1.5), fake('undefined', 2, Number.NaN), broken]
  const entries = await interleave(contenders, one, plan, fake('yardstick', 3))
  expect(entries.map(e => e.seconds.length)).toEqual([4, 0, 0, 0, 4])
  expect(entries[1]!.failed).toContain('wrong result')
  expect(entries[2]!.failed).toContain('wrong result')
  expect(entries[3]!.failed).toBe('out of order')
})

test('a contender that uses up its budget stops after the least rounds', async () => {
  const entries = await interleave([fake('ours', 1), fake('slow', 9)], one, { ...plan, budget: -1 }, fake('y', 1))
  expect(entries.map(e => e.seconds.filter(s => s !== null).length)).toEqual([2, 2, 2])
})

const entry = (name: string, seconds: number[], rest: Partial<Entry> = {}): Entry => ({
  name,
  backend: 'wasm',
  variant: 'relaxed',
  threads: 1,
  seconds,
  ...rest,
})

const runOf = (entries: Entry[], yardstick = [1, 1, 1, 1]): Run => ({
  format: 'unravel-bench-1',
  date: '2000-01-01T00:00:00.000Z',
  quick: false,
  node: '20.0.0',
  machine: { cpu: 'a machine', cores: 2, system: 'Linux x64', vectors: '256-bit vectors' },
  build: 'relaxed',
  peers: {},
  absent: {},
  rows: [
    {
      suite: 's',
      name: 'row',
      what: 'a row',
      amount: { count: 1e9, unit: 'flop' },
      entries,
      yardstick: entry('yardstick', yardstick),
      without: { 'js-pytorch': 'slow' },
    },
  ],
  quantities: [{ suite: 's', name: 'size', what: 'a size', unit: 'kB', value: 12 }],
})

test('what got slower is told in units of the yardstick', () => {
  const before = runOf([entry('ours', [1, 1.01, 0.99, 1]), entry('torch', [1, 1, 1, 1])])
  // Twice the seconds on a machine that is twice as slow is nothing.
  const slowMachine = runOf([entry('ours', [2, 2.02, 1.98, 2])], [2, 2, 2, 2])
  expect(compare(before, slowMachine).map(c => c.verdict)).toEqual(['same'])
  const [change] = compare(before, runOf([entry('ours', [1.5, 1.5, 1.5, 1.5]), entry('torch', [9, 9, 9, 9])]))
  expect(change).toMatchObject({ row: 'row', name: 'ours', verdict: 'slower' })
  expect(change!.ratio).toBeCloseTo(1.5, 12)
  expect(judge([1, 1, 1], [0.5, 0.5, 0.5]).verdict).toBe('faster')
  expect(judge([1, 2, 3, 4], [2, 3, 4, 5]).verdict).toBe('same')
  expect(judge([1, 1, 1], [1.05, 1.05, 1.05]).verdict).toBe('same')
  expect(() => compare({ ...before, quick: true }, before)).toThrow(RangeError)
})

test('goals are judged by medians of ratios, quantities by their value', () => {
  const run = runOf([
    entry('ours', [1, 2, 1, 2]),
    entry('torch', [3, 6, 3, 6]),
    entry('numpy', [3, 6, 3, 6], { variant: 'reference BLAS' }),
    entry('jax-js', [], { failed: 'does not load' }),
  ])
  const of = (over: string, atLeast: number) => ({ row: 'row', over, under: 'ours', atLeast })
  expect(verdict(of('torch', 3), run)).toMatchObject({ value: 3, reached: true })
  expect(verdict(of('torch', 3.1), run)).toMatchObject({ value: 3, reached: false })
  expect(verdict(of('numpy', 1), run).value).toBeUndefined()
  expect(missing(of('numpy', 1), run)).toBe('numpy: reference BLAS')
  expect(missing(of('jax-js', 1), run)).toBe('jax-js: does not load')
  expect(missing(of('tfjs-wasm', 1), run)).toBe('no tfjs-wasm')
  expect(verdict({ row: 'size', atMost: 12 }, run)).toMatchObject({ value: 12, reached: true })
  const nanoseconds = verdict({ row: 'row', under: 'ours', atMost: 1.6e9 }, run)
  expect(nanoseconds.value).toBeCloseTo(1.5e9, -3)
  expect(nanoseconds.reached).toBe(true)
  const goal: Goal = { number: 1, what: 'a goal', measures: [of('torch', 3), { ...of('torch', 3), row: 'elsewhere' }] }
  expect(goalTables([goal], run)).toContain('reached')
  expect(goalTables([goal], run)).toContain('1 parts of goals')
})

const onDevice = (renderer: string, kernelClass = 'WebGL2Kernel') => ({
  backend: 'gpu',
  variant: kernelClass,
  device: { kernelClass, renderer },
})

test('software renderers and nameless ones are told from graphics processors', () => {
  const label = (renderer: string) => incomparable(onDevice(renderer))
  for (const renderer of [
    'ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)',
    'google swiftshader',
    'llvmpipe (LLVM 15.0.6, 256 bits)',
    'ANGLE (Microsoft, Microsoft Basic Render Driver Direct3D11 vs_5_0 ps_5_0, D3D11)',
    'Apple Software Renderer',
    'lavapipe',
  ]) {
    expect(label(renderer)).toBe('software renderer')
  }
  for (const renderer of ['ANGLE', 'unknown', '', 'unnamed WebGPU adapter']) {
    expect(label(renderer)).toBe('unnamed renderer')
  }
  expect(label('ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 vs_5_0 ps_5_0, D3D11)')).toBeUndefined()
  expect(label('nvidia ampere')).toBeUndefined()
  expect(incomparable({})).toBeUndefined()
})

test('times of a software renderer are labelled, without a ratio, and neither goals nor comparisons take them', () => {
  const gpuRun = (renderer: string, seconds: number) =>
    runOf([entry('ours', [1, 1]), entry('ours webgl2', [seconds, seconds], onDevice(renderer))])
  const software = gpuRun('llvmpipe (LLVM 15.0.6, 256 bits)', 7)
  const text = caseTable(software.rows[0]!)
  expect(text).toMatch(/ours webgl2 +gpu WebGL2Kernel +7\.00 s +software renderer\n/)
  expect(text).toContain('ours webgl2 ran on llvmpipe')
  expect(text).not.toContain('×')
  const measure = { row: 'row', over: 'ours', under: 'ours webgl2', atLeast: 0 }
  expect(verdict(measure, software).value).toBeUndefined()
  const names = (before: Run, now: Run) => compare(before, now).map(c => c.name)
  expect(names(software, software)).toEqual(['ours'])

  const hardware = gpuRun('NVIDIA GeForce RTX 3060', 0.25)
  expect(caseTable(hardware.rows[0]!)).toContain('0.25×')
  expect(verdict(measure, hardware).value).toBe(4)
  expect(names(hardware, hardware)).toEqual(['ours', 'ours webgl2'])
  expect(names(gpuRun('Apple M2', 0.25), hardware)).toEqual(['ours'])

  // Nothing has a ratio to it either, should it come first.
  const first = runOf([entry('ours webgl2', [1, 1], onDevice('google swiftshader')), entry('ours', [2, 2])])
  expect(caseTable(first.rows[0]!)).not.toContain('×')
})

test('a suite that cannot run here says why in one line', async () => {
  const suite: Suite = {
    name: 's',
    what: 'nothing',
    unavailable: async () => 'no such device',
    cases: () => {
      throw new Error('unreachable')
    },
  }
  const lines: string[] = []
  for await (const row of rowsOf(suite, [], { quick: true }, line => lines.push(line))) expect(row).toBeUndefined()
  expect(lines).toEqual(['skipped: no such device\n'])
})

test('the goals are numbered 1 to 22, and each part has one bound', () => {
  expect(goals.map(g => g.number)).toEqual(Array.from({ length: 22 }, (_, i) => i + 1))
  for (const m of goals.flatMap(g => g.measures))
    expect((m.atLeast === undefined) !== (m.atMost === undefined)).toBe(true)
})

test('tables align, tell who failed, and the plot has a mark for every peer', () => {
  expect(
    columns(
      [
        ['a', 'bcd'],
        ['ef', 'g'],
      ],
      1,
    ),
  ).toBe('a   bcd\nef    g\n')
  expect(duration(0.00123)).toBe('1.23 ms')
  expect(duration(5e-8)).toBe('50.0 ns')
  const run = runOf([entry('ours', [1, 1]), entry('torch', [2, 2]), entry('jax-js', [], { failed: 'does not load' })])
  const text = caseTable(run.rows[0]!)
  expect(text).toContain('2.00×')
  expect(text).toContain('jax-js: does not load')
  expect(text).toContain('without js-pytorch: slow')
  expect(ratioPlot(run).match(/r="4"/g)).toHaveLength(2) // one mark, one in the legend
})

test('arguments: suites and peers by name, nothing else', () => {
  const [suites, peers] = [
    ['matmul', 'conv'],
    ['torch', 'numpy'],
  ]
  expect(parse([], suites, peers)).toMatchObject({ suites: [], peers, quick: false })
  expect(parse(['--', 'conv', '--quick', '--peers', 'torch'], suites, peers)).toMatchObject({
    suites: ['conv'],
    quick: true,
    peers: ['torch'],
  })
  expect(parse([], suites, peers).where).toBe('node')
  expect(parse(['--browser'], suites, peers).where).toBe('chromium')
  expect(parse(['--page'], suites, peers).where).toBe('page')
  expect(parse(['--peers', 'none'], suites, peers).peers).toEqual([])
  expect(() => parse(['sorting'], suites, peers)).toThrow('no suite sorting; there are matmul, conv')
  expect(() => parse(['--peers', 'julia'], suites, peers)).toThrow('no peer julia')
  expect(() => parse(['--fast'], suites, peers)).toThrow(TypeError)
})

test('checks pass right results, and no wrong element or length', () => {
  for (const form of ['NN', 'NT', 'TN', 'TT'] as const) {
    const work = matmulWork('f64', 5, 7, 3, form)
    const at = (t: boolean, x: ArrayLike<number>, rows: number, columns: number) =>
      Float64Array.from({ length: rows * columns }, (_, i) => {
        const [r, c] = [Math.floor(i / columns), i % columns]
        return x[t ? c * rows + r : i]!
      })
    const out = new Float64Array(15)
    naiveMatmul(5, 7, 3, at(work.transA, work.a, 5, 7), at(work.transB, work.b, 7, 3), out)
    const check = productCheck(work)
    expect(check(out)).toBeLessThan(1)
    expect(check(out.subarray(1))).toBeNaN()
    out[4]! += 1e-6
    expect(check(out)).toBeGreaterThan(1)
  }
  expect(elementwise(Float64Array.of(1, 2), Math.exp, 1e-9)([Math.E, Number.NaN])).toBeNaN()
  expect(ulps32(Float32Array.of(1), [1 + 2 ** -23], x => x)).toBe(1)
})

test('references: the taylor coefficients sum to the tower, and the step goes down the gradient', () => {
  const tower = { ...net('f64', 3, 4, 2), scale: 0.05 }
  const coefficients = taylorArrays(tower, 12)
  const sums = Float64Array.from({ length: 8 }, (_, i) => {
    let total = 0
    for (let k = 0; k <= 12; k++) total += coefficients[k * 8 + i]!
    return total
  })
  expect(against(() => towerOutput(tower), 1e-9)(sums)).toBeLessThan(1)

  const target = normal('f64', 8, 1, 21)
  const loss = (first: Float64Array) =>
    trainingStep({ ...tower, first: [first, ...tower.first.slice(1)] }, target, 0)[0]!
  const w = Float64Array.from(tower.first[0]!)
  const moved = trainingStep(tower, target, 1).subarray(1, 17)
  for (const i of [0, 5, 15]) {
    const by = (e: number) => loss(w.map((v, j) => (j === i ? v + e : v)))
    const slope = (by(1e-5) - by(-1e-5)) / 2e-5
    expect(w[i]! - moved[i]!).toBeCloseTo(slope, 8)
  }
})
