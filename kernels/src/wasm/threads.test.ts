import { afterEach, describe, expect, it } from 'vitest'
import type { Conv2dGeometry } from '../contract.js'
import { createBackend } from './backend.js'
import { load } from './load.js'
import { ThreadError, type Threads } from './threads.js'

const { backend, killThreads } = (() => {
  const started: Threads[] = []
  const made = createBackend(load(), threads => started.push(threads))
  return { backend: made, killThreads: () => started[0]!.kill() }
})()
afterEach(() => backend.setThreads(1))

/** Numbers that are the same every time. */
const numbers = (n: number, seed = 1) => Float64Array.from({ length: n }, (_, i) => Math.sin(seed + i * 1.7) * 0.9)

function buffer(dtype: 'f32' | 'f64', data: Float64Array) {
  const b = backend.alloc(dtype, data.length)
  backend.write(b, dtype === 'f32' ? Float32Array.from(data) : data)
  return b
}

const products = [
  [128, 128, 128, false, false],
  [33, 257, 129, false, true],
  [500, 70, 41, true, false],
  [2, 1024, 1030, true, true],
] as const

/** Everything that threads share, once. */
function work(dtype: 'f32' | 'f64'): ArrayLike<number>[] {
  const results: ArrayLike<number>[] = []
  const made = []
  const done = (n: number, run: (out: ReturnType<typeof buffer>) => void) => {
    const out = buffer(dtype, new Float64Array(n).fill(Number.NaN))
    run(out)
    results.push(backend.readSync!(out))
    made.push(out)
  }
  const { kernels } = backend
  for (const [m, k, n, transA, transB] of products) {
    const [a, b] = [buffer(dtype, numbers(m * k)), buffer(dtype, numbers(k * n, 2))]
    const [bias, add] = [buffer(dtype, numbers(n, 3)), buffer(dtype, numbers(m * n, 4))]
    done(m * n, out => kernels.matmul([], m, k, n, a, [], transA, b, [], transB, out))
    for (const phi of [null, 'tanh'] as const) {
      done(m * n, out => kernels.linear(m, k, n, a, transA, b, transB, bias, phi, 0.5, add, out))
    }
    made.push(a, b, bias, add)
  }
  const x = buffer(dtype, numbers(100_003))
  for (const op of ['exp', 'gelu', 'relu'] as const) done(100_003, out => kernels.map(op, x, out))
  const stack = buffer(dtype, numbers(12 * 1501))
  for (const op of ['tanh', 'normalCdf'] as const) done(12 * 1501, out => kernels.series(op, 12, 1501, stack, out))
  // Several images, and one, whose rows are shared where panels of four hold them all: 55 of a group are 14 panels.
  for (const [stride, batch, channels] of [
    [1, 5, 10],
    [2, 5, 10],
    [1, 1, 110],
    [2, 1, 110],
  ] as const) {
    const g = { ...convolution(stride), batch, outChannels: channels }
    const [image, result] = [batch * 12 * 19 * 19, batch * channels * g.outH * g.outW]
    const [w, y] = [buffer(dtype, numbers(channels * 6 * 9, 5)), buffer(dtype, numbers(result, 6))]
    const x = buffer(dtype, numbers(image, 7))
    done(result, out => kernels.conv2d(g, x, w, out))
    done(image, out => kernels.conv2dInputGrad(g, y, w, out))
    done(channels * 6 * 9, out => kernels.conv2dWeightGrad(g, x, y, out))
    made.push(w, y, x)
  }
  const [b, c, n] = [7, 13, 501]
  const all = [b * c * n, c, c] as const
  const [u, v, gy] = [
    buffer(dtype, numbers(all[0])),
    buffer(dtype, numbers(all[0], 2)),
    buffer(dtype, numbers(all[0], 3)),
  ]
  const [weight, bias] = [buffer(dtype, numbers(c, 4)), buffer(dtype, numbers(c, 5))]
  const [mean, variance, gw, gb] = [1, 2, 3, 4].map(() => buffer(dtype, new Float64Array(c)))
  kernels.batchMoments(b, c, n, u, mean!, variance!)
  done(all[0], out => kernels.batchNorm(b, c, n, 0.1, u, mean!, variance!, weight, bias, 'tanh', 0.5, v, out))
  done(all[0], out => kernels.batchNormGrad(b, c, n, 0.1, u, mean!, variance!, weight, gy, out, gw!, gb!))
  for (const sums of [mean, variance, gw, gb]) results.push(backend.readSync!(sums!))
  done(all[0], out => kernels.mapGrad('silu', u, v, out))
  done(2 * all[0], out => kernels.mapGrad('tanh', u, buffer(dtype, numbers(2 * all[0], 8)), out))
  done(all[0], out => kernels.affine(u, 2, 1, out))
  done(all[0], out => kernels.axpy(u, 0.5, v, out))
  done(all[0], out => kernels.zip('mul', [all[0]], u, [1], v, [1], out))
  done(all[0], out => kernels.zip('add', [b * c, n], u, [n, 1], bias, [0, 0], out))
  // Three blocks of rows, and rows that end within a vector.
  const [rows, wide] = [700, 61]
  const size = rows * wide
  const [xs, cs] = [buffer(dtype, numbers(2 * size, 9)), buffer(dtype, numbers(2 * size, 10))]
  const [ws, bs] = [buffer(dtype, numbers(wide, 11)), buffer(dtype, numbers(wide, 12))]
  const [sumW, sumB] = [1, 2].map(() => buffer(dtype, new Float64Array(wide)))
  done(size, out => kernels.layerNorm(rows, wide, 0.1, xs, ws, bs, out))
  done(size, out => kernels.rmsNorm(rows, wide, 0.1, xs, ws, out))
  done(size, out => kernels.layerNormGrad(rows, wide, 0.1, xs, ws, cs, out, sumW!, sumB!))
  for (const sums of [sumW, sumB]) results.push(backend.readSync!(sums!))
  done(size, out => kernels.rmsNormGrad(rows, wide, 0.1, xs, ws, cs, out, sumW!))
  results.push(backend.readSync!(sumW!))
  const labels = backend.alloc('i32', rows)
  backend.write(
    labels,
    Int32Array.from({ length: rows }, (_, i) => (i * 7) % wide),
  )
  done(rows, out => kernels.crossEntropy(rows, wide, xs, labels, out))
  for (const lead of [1, 2]) {
    done(lead * size, out => kernels.crossEntropyGrad(lead, rows, wide, xs, labels, cs, out))
    for (const log of [false, true]) {
      const y = backend.alloc(dtype, size)
      kernels[log ? 'logSoftmax' : 'softmax'](rows, wide, xs, y)
      results.push(backend.readSync!(y))
      done(lead * size, out => kernels[log ? 'logSoftmaxGrad' : 'softmaxGrad'](lead, rows, wide, y, cs, out))
      backend.release(y)
    }
  }
  for (const one of [xs, cs, ws, bs, sumW!, sumB!, labels]) backend.release(one)
  const settings = { rate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }
  const adam = { beta1: 0.9, beta2: 0.99, eps: 1e-8, rate: 0.1, correction: 1.5, shrink: 0.9 }
  const [m, s] = [1, 2].map(() => buffer(dtype, new Float64Array(all[0])))
  done(all[0], out => kernels.sgd(settings, u, v, gy, out, m!))
  results.push(backend.readSync!(m!))
  kernels.map('square', v, v)
  done(all[0], out => kernels.adamw(adam, u, gy, gy, v, out, m!, s!))
  for (const state of [m, s]) results.push(backend.readSync!(state!))
  for (const one of [...made, x, stack, u, v, gy, weight, bias, mean, variance, gw, gb, m, s]) backend.release(one!)
  return results
}

/** 3×3 windows over five images of 19×19 in two groups of six channels. */
function convolution(stride: number): Conv2dGeometry {
  const out = Math.floor(18 / stride) + 1
  return {
    ...{ batch: 5, inChannels: 12, height: 19, width: 19, outChannels: 10, kernelH: 3, kernelW: 3 },
    ...{
      strideH: stride,
      strideW: stride,
      padH: 1,
      padW: 1,
      dilationH: 1,
      dilationW: 1,
      groups: 2,
      outH: out,
      outW: out,
    },
  }
}

describe('threads', () => {
  it.each(['f32', 'f64'] as const)('give the same bits as one thread, %s', async dtype => {
    const alone = work(dtype)
    for (const count of [2, 3]) {
      expect(await backend.setThreads(count)).toBe(count)
      expect(backend.threads).toBe(count)
      expect(work(dtype)).toEqual(alone)
    }
  })

  it.each([
    ['one channel a group', 48, 48, 3, 48],
    ['one tap', 32, 40, 1, 1],
    ['rows beside panels of filters', 16, 18, 3, 1],
  ])('give the same bits of a convolution: %s', async (_, inChannels, outChannels, kernel, groups) => {
    const g = {
      ...{ batch: 5, inChannels, outChannels, groups, height: 24, width: 24, outH: 24, outW: 24 },
      ...{ kernelH: kernel, kernelW: kernel, padH: kernel >> 1, padW: kernel >> 1 },
      ...{ strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 },
    }
    const x = buffer('f32', numbers(5 * inChannels * 576))
    const w = buffer('f32', numbers((outChannels * inChannels * kernel ** 2) / groups, 2))
    const out = backend.alloc('f32', 5 * outChannels * 576)
    const run = () => {
      backend.kernels.fill(Number.NaN, out)
      backend.kernels.conv2d(g, x, w, out)
      return backend.readSync!(out).slice()
    }
    const alone = run()
    await backend.setThreads(2)
    expect(run()).toEqual(alone)
    for (const b of [x, w, out]) backend.release(b)
  })

  it('give the same bits a thousand times', async () => {
    const [m, k, n] = [64, 300, 64]
    const [a, b, out] = [buffer('f64', numbers(m * k)), buffer('f64', numbers(k * n)), backend.alloc('f64', m * n)]
    const run = () => backend.kernels.matmul([], m, k, n, a, [], false, b, [], true, out)
    run()
    const alone = backend.readSync!(out)
    await backend.setThreads(2)
    for (let i = 0; i < 1000; i++) {
      backend.kernels.fill(0, out)
      run()
      if (i % 50 === 0) expect(backend.readSync!(out)).toEqual(alone)
    }
    expect(backend.readSync!(out)).toEqual(alone)
    for (const x of [a, b, out]) backend.release(x)
  })

  it('keep working while memory grows', async () => {
    await backend.setThreads(2)
    const before = work('f32')
    const { reserved } = backend.memory()
    const big = backend.alloc('f64', reserved / 8)
    expect(backend.memory().reserved).toBeGreaterThan(reserved)
    expect(work('f32')).toEqual(before)
    backend.release(big)
  })

  it('that die give one error, and the next call works on one thread', async () => {
    await backend.setThreads(2, { patience: 200 })
    // A function that traps kills no process: addresses beyond memory.
    const [m, k, n] = [128, 128, 128]
    const [a, b, out] = [buffer('f64', numbers(m * k)), buffer('f64', numbers(k * n)), backend.alloc('f64', m * n)]
    const run = () => backend.kernels.matmul([], m, k, n, a, [], false, b, [], false, out)
    run()
    const fine = backend.readSync!(out)
    killThreads()
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(run).toThrow(ThreadError)
    expect(run).not.toThrow()
    expect(backend.readSync!(out)).toEqual(fine)
    expect(backend.threads).toBe(1)
    expect(await backend.setThreads(2)).toBe(2)
    run()
    expect(backend.readSync!(out)).toEqual(fine)
    for (const x of [a, b, out]) backend.release(x)
  })

  it('that die in the middle of a call are not waited for for ever', async () => {
    await backend.setThreads(2, { patience: 200 })
    const [m, k, n] = [128, 128, 128]
    const [a, b, out] = [buffer('f64', numbers(m * k)), buffer('f64', numbers(k * n)), backend.alloc('f64', m * n)]
    // Ended without a word, and before this thread can hear of it.
    killThreads()
    expect(() => {
      for (let i = 0; i < 50; i++) backend.kernels.matmul([], m, k, n, a, [], false, b, [], false, out)
    }).toThrow('a thread died while it worked')
    for (const x of [a, b, out]) backend.release(x)
  })

  it('invalid numbers of threads are refused', async () => {
    await expect(backend.setThreads(0)).rejects.toThrow('an integer from 1 to 64, got 0')
    await expect(backend.setThreads(1.5)).rejects.toThrow(RangeError)
  })
})

describe('memory that is not shared', () => {
  it('runs one thread, and says why', async () => {
    const alone = createBackend(load(undefined, false))
    const said: string[] = []
    const { warn } = console
    console.warn = (text: string) => void said.push(text)
    try {
      expect(await alone.setThreads(4)).toBe(1)
    } finally {
      console.warn = warn
    }
    expect(said).toEqual([expect.stringMatching(/one thread runs: memory is shared only in Node and in cross-origin/)])
  })
})
