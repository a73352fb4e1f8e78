import { js, wasm } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { hosted } from '../call.js'
import { Evaluator } from '../evaluate.js'
import type { HostArray } from '../graph.js'
import { hostOf } from '../host.js'
import { bytes, int, modelOf, type NodeSpec } from '../oracles/onnx.js'
import { readGraph } from '../read.js'

// Operators and versions of the vocabulary that ONNX's installed tests do not have: against their definitions, element by element.

type Inputs = Readonly<Record<string, HostArray>>
const microsoft = bytes(8, [...bytes(1, 'com.microsoft'), ...int(2, 1)])

/** Output 0 of one node, on both backends. */
function run(op: string, inputs: Inputs, attributes: NodeSpec['attributes'] = {}, opset = 23, domain = ''): HostArray {
  const file = modelOf(
    {
      nodes: [
        { op, domain, inputs: Object.keys(inputs).map(n => (n.startsWith('_') ? '' : n)), outputs: ['y'], attributes },
      ],
      inputs: Object.entries(inputs).flatMap(([name, { type, shape }]) =>
        name.startsWith('_') ? [] : [{ name, type, shape }],
      ),
      outputs: [{ name: 'y' }],
    },
    opset,
    microsoft,
  )
  const graph = readGraph(file)
  const given = Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith('_')))
  const [a, b] = [js(), wasm()].map(backend => hosted(new Evaluator(graph, { backend }).run(given, ['y']).y!))
  close(b!, a!.shape, Array.from(a!.data as ArrayLike<number>, Number))
  return a!
}

function close({ shape, data }: HostArray, expectedShape: readonly number[], expected: readonly number[]): void {
  expect(shape).toEqual(expectedShape)
  expect(data.length).toBe(expected.length)
  const worst = expected.reduce((m, v, i) => Math.max(m, Math.abs(v - Number(data[i])) / (1 + Math.abs(v))), 0)
  expect(worst).toBeLessThanOrEqual(1e-12)
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
/** Numbers that do not repeat. */
const waves = (shape: readonly number[], seed: number): HostArray => {
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.7 * i + seed) + 0.1 * seed)
  return { type: 'f64', shape, data }
}
const real = (a: HostArray) => Array.from(a.data as Float64Array)
const absent = waves([0], 0)
const softmax = (row: readonly number[]) => {
  const most = Math.max(...row)
  const e = row.map(v => Math.exp(v - most))
  const total = e.reduce((a, b) => a + b, 0)
  return e.map(v => v / total)
}

/** Attention of one head: q [m,k], k [n,k], v [n,d] row-major, and scores changed by `mask`. */
function attend(
  [q, k, v]: readonly (readonly number[])[],
  [m, n, size, d]: readonly [number, number, number, number],
  scale: number,
  mask: (score: number, i: number, j: number) => number = s => s,
): number[] {
  return Array.from({ length: m }, (_, i) => {
    const scores = Array.from({ length: n }, (_, j) => {
      let sum = 0
      for (let p = 0; p < size; p++) sum += q![i * size + p]! * k![j * size + p]!
      return mask(sum * scale, i, j)
    })
    const weights = softmax(scores)
    return Array.from({ length: d }, (_, p) => weights.reduce((sum, w, j) => sum + w * v![j * d + p]!, 0))
  }).flat()
}

describe('Attention of version 23', () => {
  const [b, h, m, n, size] = [2, 2, 3, 4, 2] as const
  const [q, k, v] = [waves([b, h, m, size], 1), waves([b, h, n, size], 2), waves([b, h, n, size], 3)]
  const head = (a: HostArray, i: number, rows: number) => real(a).slice(i * rows * size, (i + 1) * rows * size)
  const each = (scale: number, mask?: (s: number, i: number, j: number) => number) =>
    Array.from({ length: b * h }, (_, i) =>
      attend([head(q, i, m), head(k, i, n), head(v, i, n)], [m, n, size, size], scale, mask),
    ).flat()

  it('weighs values by the softmax of scaled products', () => {
    close(run('Attention', { q, k, v }), [b, h, m, size], each(1 / Math.sqrt(size)))
    close(run('Attention', { q, k, v }, { scale: { f: 0.25 } }), [b, h, m, size], each(0.25))
  })

  it('masks by booleans, by numbers, by position, and caps its scores', () => {
    const scale = 1 / Math.sqrt(size)
    const seen = [1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1]
    const mask = hostOf('bool', [m, n], seen)
    const masked = each(scale, (s, i, j) => (seen[i * n + j] ? s : -Infinity))
    close(run('Attention', { q, k, v, mask }), [b, h, m, size], masked)
    const bias = waves([m, n], 5)
    const biased = each(scale, (s, i, j) => s + real(bias)[i * n + j]!)
    close(run('Attention', { q, k, v, bias }), [b, h, m, size], biased)
    const causal = each(scale, (s, i, j) => (j <= i ? s : -Infinity))
    close(run('Attention', { q, k, v }, { is_causal: 1 }), [b, h, m, size], causal)
    const capped = each(scale, s => 0.5 * Math.tanh(s / 0.5))
    close(run('Attention', { q, k, v }, { softcap: { f: 0.5 } }), [b, h, m, size], capped)
  })

  it('serves groups of queries by fewer keys, and takes heads side by side', () => {
    const [k1, v1] = [waves([b, 1, n, size], 2), waves([b, 1, n, size], 3)]
    const grouped = Array.from({ length: b * h }, (_, i) =>
      attend([head(q, i, m), head(k1, i >> 1, n), head(v1, i >> 1, n)], [m, n, size, size], 1 / Math.sqrt(size)),
    ).flat()
    close(run('Attention', { q, k: k1, v: v1 }), [b, h, m, size], grouped)
    // [b, n, heads·size]
    const flat = (rows: number, seed: number) => waves([b, rows, h * size], seed)
    const [q3, k3, v3] = [flat(m, 1), flat(n, 2), flat(n, 3)]
    const of = (a: HostArray, batch: number, i: number, rows: number) =>
      Array.from({ length: rows * size }, (_, p) => {
        const [row, c] = [Math.floor(p / size), p % size]
        return real(a)[(batch * rows + row) * h * size + i * size + c]!
      })
    const expected = new Array<number>(b * m * h * size)
    for (let batch = 0; batch < b; batch++) {
      for (let i = 0; i < h; i++) {
        const parts = [of(q3, batch, i, m), of(k3, batch, i, n), of(v3, batch, i, n)]
        attend(parts, [m, n, size, size], 1 / Math.sqrt(size)).forEach((value, p) => {
          expected[(batch * m + Math.floor(p / size)) * h * size + i * size + (p % size)] = value
        })
      }
    }
    const sides = { q_num_heads: h, kv_num_heads: h }
    close(run('Attention', { q: q3, k: k3, v: v3 }, sides), [b, m, h * size], expected)
    const heads = { num_heads: h }
    close(run('MultiHeadAttention', { q: q3, k: k3, v: v3 }, heads, 17, 'com.microsoft'), [b, m, h * size], expected)
  })
})

describe('RotaryEmbedding', () => {
  const [b, h, n, size] = [2, 2, 3, 4] as const
  const x = waves([b, h, n, size], 1)
  const [cos, sin] = [waves([5, 2], 2), waves([5, 2], 3)]
  const positions = hostOf('i64', [b, n], [0, 1, 2, 4, 3, 1])
  const at = (table: HostArray, i: number, row: number, p: number) =>
    real(table)[Number(positions.data[Math.floor(i / h) * n + row]) * 2 + p]!
  const turned = (pair: (p: number) => readonly [number, number]) => {
    const out = [...real(x)]
    for (let i = 0; i < b * h; i++) {
      for (let row = 0; row < n; row++) {
        for (let p = 0; p < 2; p++) {
          const [u, v] = pair(p).map(c => (i * n + row) * size + c) as [number, number]
          const [c, s] = [at(cos, i, row, p), at(sin, i, row, p)]
          out[u] = real(x)[u]! * c - real(x)[v]! * s
          out[v] = real(x)[u]! * s + real(x)[v]! * c
        }
      }
    }
    return out
  }

  it('turns pairs of halves, or neighbours, by the angles of their positions', () => {
    const inputs = { x, cos, sin, positions }
    close(run('RotaryEmbedding', inputs), [b, h, n, size], turned(p => [p, p + 2])) // biome-ignore format: short
    close(run('RotaryEmbedding', inputs, { interleaved: 1 }), [b, h, n, size], turned(p => [2 * p, 2 * p + 1])) // biome-ignore format: short
    const order = { x, positions, cos, sin }
    close(run('RotaryEmbedding', order, {}, 17, 'com.microsoft'), [b, h, n, size], turned(p => [p, p + 2])) // biome-ignore format: short
  })
})

describe('norms', () => {
  const x = waves([2, 4, 3], 1)
  const rows = (a: readonly number[], n: number) =>
    Array.from({ length: a.length / n }, (_, i) => a.slice(i * n, (i + 1) * n))
  const hat = (row: readonly number[], centred: boolean, eps: number) => {
    const mean = centred ? row.reduce((a, b) => a + b, 0) / row.length : 0
    const square = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length
    return row.map(v => (v - mean) / Math.sqrt(square + eps))
  }

  it('RMSNormalization divides by the root of the mean square, over the axes from one on', () => {
    const scale = waves([3], 4)
    const expected = rows(real(x), 3).flatMap(row => hat(row, false, 1e-5).map((v, i) => v * real(scale)[i]!))
    close(run('RMSNormalization', { x, scale }, { epsilon: { f: 1e-5 } }, 23), [2, 4, 3], expected.map(Number)) // biome-ignore format: short
    const wide = waves([4, 3], 4)
    const both = rows(real(x), 12).flatMap(row => hat(row, false, 1e-5).map((v, i) => v * real(wide)[i]!))
    close(run('RMSNormalization', { x, scale: wide }, { axis: 1, epsilon: { f: 1e-5 } }, 23), [2, 4, 3], both)
  })

  it('GroupNormalization scales groups in version 18, channels from 21 on', () => {
    const normed = rows(real(x), 6).flatMap(row => hat(row, true, 1e-5))
    const by = (scale: readonly number[], bias: readonly number[], group: number) =>
      normed.map((v, i) => v * scale[Math.floor((i % 12) / group)]! + bias[Math.floor((i % 12) / group)]!)
    const [s2, b2, s4, b4] = [waves([2], 5), waves([2], 6), waves([4], 5), waves([4], 6)]
    close(
      run('GroupNormalization', { x, scale: s2, bias: b2 }, { num_groups: 2 }, 18),
      [2, 4, 3],
      by(real(s2), real(b2), 6),
    )
    close(
      run('GroupNormalization', { x, scale: s4, bias: b4 }, { num_groups: 2 }, 21),
      [2, 4, 3],
      by(real(s4), real(b4), 3),
    )
  })

  it('SkipLayerNormalization normalises the sum', () => {
    const [a, skip, gamma, beta, bias] = [x, waves([2, 4, 3], 2), waves([3], 3), waves([3], 4), waves([3], 5)]
    const sum = real(a).map((v, i) => v + real(skip)[i]! + real(bias)[i % 3]!)
    const expected = rows(sum, 3).flatMap(row =>
      hat(row, true, 1e-5).map((v, i) => v * real(gamma)[i]! + real(beta)[i]!),
    )
    close(run('SkipLayerNormalization', { a, skip, gamma, beta, bias }, {}, 17, 'com.microsoft'), [2, 4, 3], expected)
  })
})

describe('units and integers of later versions', () => {
  const x = waves([7], 2)

  it('Gelu by tanh, Swish with a slope, Mish', () => {
    const tanh = real(x).map(v => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))))
    close(run('Gelu', { x }, { approximate: 'tanh' }, 20), [7], tanh)
    close(run('Swish', { x }, { alpha: { f: 1.5 } }, 24), [7], real(x).map(v => v / (1 + Math.exp(-1.5 * v)))) // biome-ignore format: short
    close(run('Mish', { x }, {}, 18), [7], real(x).map(v => v * Math.tanh(Math.log1p(Math.exp(v))))) // biome-ignore format: short
    close(run('QuickGelu', { x }, { alpha: { f: 1.5 } }, 17, 'com.microsoft'), [7], real(x).map(v => v / (1 + Math.exp(-1.5 * v)))) // biome-ignore format: short
  })

  it('bits of integers of their own width', () => {
    const [a, b] = [hostOf('u8', [3], [12, 255, 7]), hostOf('u8', [3], [10, 1, 248])]
    expect([...run('BitwiseAnd', { a, b }, {}, 18).data]).toEqual([8, 1, 0])
    expect([...run('BitwiseOr', { a, b }, {}, 18).data]).toEqual([14, 255, 255])
    expect([...run('BitwiseXor', { a, b }, {}, 18).data]).toEqual([6, 254, 255])
    expect([...run('BitwiseNot', { a }, {}, 18).data]).toEqual([243, 0, 248])
  })

  it('64 bits are exact, and wrap', () => {
    const big = 2n ** 62n + 1n
    const [a, b] = [hostOf('i64', [2], [big, -7n]), hostOf('i64', [2], [big, 2n])]
    expect([...run('Add', { a, b }).data]).toEqual([-(2n ** 63n) + 2n, -5n])
    expect([...run('Sub', { a, b }).data]).toEqual([0n, -9n])
    expect([...run('Div', { a, b }).data]).toEqual([1n, -3n])
    expect([...run('Mod', { a, b }).data]).toEqual([0n, 1n])
    expect(() => run('ReduceSum', { a: hostOf('i64', [2], [2n ** 60n, 1n]) })).toThrow('beyond 2^53')
    expect(() => run('Div', { a, b: hostOf('i64', [2], [1n, 0n]) })).toThrow('division by zero')
  })

  it('blocks of a quantised matrix have scales of their own', () => {
    const q = hostOf('i8', [4, 2], [1, 2, 3, 4, -5, 6, 7, -8])
    const [scale, zero] = [waves([2, 2], 1), hostOf('i8', [2, 2], [0, 1, 2, 3])]
    const expected = Array.from({ length: 8 }, (_, i) => {
      const at = Math.floor(i / 4) * 2 + (i % 2)
      return (Number(q.data[i]) - Number(zero.data[at])) * real(scale)[at]!
    })
    close(run('DequantizeLinear', { q, scale, zero }, { axis: 0, block_size: 2 }, 21), [4, 2], expected)
  })
})

describe('Resize of version 18', () => {
  const x = waves([1, 1, 6], 1)

  it('names axes, and keeps the ratio of sizes', () => {
    const sizes = hostOf('i64', [1], [3])
    const even = [0, 2, 4].map(i => real(x)[i]!)
    const how = { axes: [2], coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
    close(run('Resize', { x, _roi: absent, _scales: absent, sizes }, how, 18), [1, 1, 3], even)
    const plane = waves([1, 1, 4, 6], 1)
    const both = hostOf('i64', [2], [2, 2])
    const kept = (policy: string) =>
      run(
        'Resize',
        { x: plane, _roi: absent, _scales: absent, sizes: both },
        { axes: [2, 3], keep_aspect_ratio_policy: policy },
        18,
      ).shape
    expect(kept('not_larger')).toEqual([1, 1, 1, 2])
    expect(kept('not_smaller')).toEqual([1, 1, 2, 3])
  })

  it('widens the weights of fewer elements where it is asked to', () => {
    const scales = { type: 'f32', shape: [3], data: Float32Array.of(1, 1, 0.5) } as const
    const found = run('Resize', { x, _roi: absent, scales }, { mode: 'linear', antialias: 1 }, 18)
    const expected = [0, 1, 2].map(i => {
      const at = (i + 0.5) * 2 - 0.5
      const w = real(x).map((_, p) => Math.max(0, 1 - Math.abs(p - at) / 2))
      return w.reduce((sum, v, p) => sum + v * real(x)[p]!, 0) / w.reduce((a, b) => a + b, 0)
    })
    close(found, [1, 1, 3], expected)
  })
})

describe('an attribute that is a word of a table', () => {
  const x = waves([1, 1, 4], 1)
  const words = ['toString', 'constructor', '__proto__', 'hasOwnProperty', '']
  const sizes = hostOf('i64', [3], [1, 1, 2])
  const index = hostOf('i64', [1, 1, 1], [0])
  const updates = waves([1, 1, 1], 2)
  const cases: readonly (readonly [op: string, attribute: string, inputs: Inputs])[] = [
    ...['mode', 'nearest_mode', 'coordinate_transformation_mode', 'keep_aspect_ratio_policy'].map(
      name => ['Resize', name, { x, _roi: absent, _scales: absent, sizes }] as const,
    ),
    ['Pad', 'mode', { x, pads: hostOf('i64', [6], [0, 0, 1, 0, 0, 1]) }],
    ['ScatterElements', 'reduction', { x, index, updates }],
    ['Conv', 'auto_pad', { x, w: waves([1, 1, 2], 2) }],
    ['ConvTranspose', 'auto_pad', { x, w: waves([1, 1, 2], 2) }],
    ['BitShift', 'direction', { x: hostOf('u8', [1], [4]), by: hostOf('u8', [1], [1]) }],
    ['NegativeLogLikelihoodLoss', 'reduction', { x: waves([1, 2], 1), labels: hostOf('i64', [1], [1]) }],
    ['Gelu', 'approximate', { x }],
    ['DepthToSpace', 'mode', { x: waves([1, 4, 1, 1], 1) }],
  ]
  it.each(cases)('of %s %s is refused where the table lacks it', (op, name, inputs) => {
    const attributes: NodeSpec['attributes'] = op === 'DepthToSpace' ? { blocksize: 2 } : {}
    for (const word of words) {
      expect(() => run(op, inputs, { ...attributes, [name]: word }, 21), word).toThrow(new RegExp(`${name} is .*got`)) // biome-ignore format: short
    }
  })
})
