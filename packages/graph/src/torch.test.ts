import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gated, memory, mul, narrow, readNpy, stack, sub, sum, type Tensor, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { Evaluator, evaluate } from './evaluate.js'
import { folded } from './fold.js'
import { readGraph } from './read.js'
import { recognised } from './recognise.js'

// Small networks with random weights that PyTorch exported, and its outputs in f64 (fixtures/record.py).
const folder = join(import.meta.dirname, '../fixtures/torch')
const files = readdirSync(folder).filter(name => name.endsWith('.onnx'))
const array = (name: string) => readNpy(readFileSync(join(folder, name)), { dtype: 'f64' })
const largest = (t: Tensor) => t.dataSync().reduce((m, v) => Math.max(m, Math.abs(v)), 0)

it('every network is there', () => {
  expect(files.length).toBe(11)
})

describe.each(files)('%s', file => {
  const network = file.split('-')[0]!
  const graph = readGraph(readFileSync(join(folder, file)))
  const input = () => array(`${network}.input.npy`)
  const apart = (y: Tensor) => {
    const expected = array(`${network}.output.npy`)
    return largest(sub(y.to('f64'), expected)) / largest(expected)
  }

  it('gives what PyTorch gives, in f64 and f32', () => {
    // Weights are f32; folding a batch norm into a convolution rounds them once more.
    expect(apart(evaluate(graph, { input: input() }).output!)).toBeLessThanOrEqual(1e-6)
    expect(apart(evaluate(graph, { input: input() }, { dtype: 'f32' }).output!)).toBeLessThanOrEqual(1e-5)
  })

  it('gives the same for one input alone', () => {
    const x = input()
    const [both, one] = [x, narrow(x, 0, 0, 1)].map(v => evaluate(graph, { input: v }).output!)
    expect(largest(sub(narrow(both!, 0, 0, 1), one!))).toBeLessThanOrEqual(1e-12)
  })

  it('gives the same when shapes are folded and composites recognised', () => {
    const short = recognised(folded(graph, { input: input() }))
    expect(short.nodes.map(n => n.op)).not.toContain('Shape')
    const [a, b] = [graph, short].map(g => evaluate(g, { input: input() }).output!)
    expect(largest(sub(a!, b!))).toBeLessThanOrEqual(1e-12 * largest(a!))
  })

  it('runs with gates frozen: path sums are the run', () => {
    const x = input()
    const evaluator = new Evaluator(recognised(folded(graph, { input: x })))
    const run = (h: Tensor) => (evaluator.run({ input: h }, ['output']).output as { tensor: Tensor }).tensor
    const parts = stack([mul(x, 0.5), mul(x, 0.5)])
    const { value, stack: paths } = gated(run, x, parts, 1)
    expect(apart(value)).toBeLessThanOrEqual(1e-6)
    expect(largest(sub(sum(paths, 0), value))).toBeLessThanOrEqual(1e-12 * largest(value))
    expect(largest(narrow(paths, 0, 1, 1))).toBeGreaterThan(1e-4 * largest(value))
  })

  it('frees what it computes', () => {
    const x = input()
    const evaluator = new Evaluator(graph)
    const once = () => (evaluator.run({ input: x }, ['output']).output as { tensor: Tensor }).tensor.dispose()
    once()
    const before = memory(wasm()).buffers
    once()
    expect(memory(wasm()).buffers).toBe(before)
  })
})

it('layer norms and GELU of a transformer are recognised, and its attention patterns are frozen', () => {
  const graph = readGraph(readFileSync(join(folder, 'vit-12.onnx')))
  const short = recognised(folded(graph, { input: array('vit.input.npy') }))
  const count = (op: string) => short.nodes.filter(n => n.op === op).length
  expect(count('LayerNorm')).toBe(5)
  expect(count('Gelu')).toBe(2)
  expect(short.nodes.filter(n => n.op === 'Softmax' && n.domain === 'unravel').length).toBe(2)
  expect(count('ReduceMean')).toBe(0)
})
