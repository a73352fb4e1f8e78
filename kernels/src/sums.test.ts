import { describe, expect, it } from 'vitest'
import type { Backend, Buffer, Conv2dGeometry, Pool2dGeometry, TypedArray } from './contract.js'
import { js } from './js/index.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'

// Sums that are long, empty, or larger on the way than at the end, and integers that wrap.

const backends: [string, Backend][] = [
  ['js', js()],
  ['wasm, plain', createBackend(load('plain'))],
  ['wasm, relaxed', createBackend(load('relaxed'))],
]

const EPS = 2 ** -23

/** Calls `run` with buffers on these arrays; the last one as it is afterwards. */
function compute<A extends TypedArray[]>(backend: Backend, arrays: [...A], run: (...b: Buffer[]) => void): TypedArray {
  const buffers = arrays.map(data => {
    const dtype = data instanceof Float64Array ? 'f64' : data instanceof Float32Array ? 'f32' : 'i32'
    const buffer = backend.alloc(dtype, data.length)
    backend.write(buffer, data)
    return buffer
  })
  run(...buffers)
  const result = backend.readSync!(buffers[buffers.length - 1]!)
  for (const buffer of buffers) backend.release(buffer)
  return result
}

const sevens = (n: number, of: 'f32' | 'f64' = 'f32') => new (of === 'f32' ? Float32Array : Float64Array)(n).fill(7)

describe.each(backends)('on %s', (_, backend) => {
  const { kernels } = backend

  describe('sums of a million f32 stay within √n·ε', () => {
    const n = 1_000_000
    // 0.1 is not a sum of few powers of two: roundings of a running sum go one way.
    const tenths = new Float32Array(n).fill(0.1)
    const tenth = tenths[0]!
    const bound = Math.sqrt(n) * EPS
    const check = (value: number, expected: number, within = bound) =>
      expect(Math.abs(value / expected - 1)).toBeLessThanOrEqual(within)

    it.each([
      ['sum', n * tenth],
      ['mean', tenth],
      ['sumSquares', n * tenth * tenth],
      ['meanSquare', tenth * tenth],
    ] as const)('%s, of rows and of columns', (op, expected) => {
      check(
        compute(backend, [tenths, sevens(1)], (x, out) => kernels.reduce(op, [n], [0], x!, out!))[0]!,
        expected,
        EPS * 8,
      )
      const columns = compute(backend, [tenths, sevens(2)], (x, out) => kernels.reduce(op, [n / 2, 2], [0], x!, out!))
      const half = op === 'sum' || op === 'sumSquares' ? 2 : 1
      for (const value of columns) check(value * half, expected, EPS * 8)
      const page = compute(backend, [new Float32Array(1024 * 1000).fill(0.1), sevens(1024)], (x, out) =>
        kernels.reduce('sum', [1000, 1024], [0], x!, out!),
      )
      for (const value of page) check(value, 1000 * tenth, EPS * 8)
    })

    it('the mean of equal numbers is that number', () => {
      for (const v of [0.1, Math.PI, 1e-30, 3e38].map(Math.fround)) {
        for (const shape of [[n], [n, 1], [n / 4, 4], [(n / 1024) | 0, 1024]]) {
          const size = shape.reduce((a, b) => a * b, 1)
          const out = compute(backend, [new Float32Array(size).fill(v), sevens(shape[1] ?? 1)], (x, y) =>
            kernels.reduce('mean', shape, [0], x!, y!),
          )
          expect(new Set(out)).toEqual(new Set([v]))
        }
      }
    })

    it.each([
      ['vector by vector', 1, 1],
      ['vector by matrix', 1, 5],
      ['matrix by vector', 5, 1],
      ['matrix by matrix', 5, 3],
    ])('matmul over long k: %s', (_, m, p) => {
      const k = n / 5
      const [a, b] = [m, p].map(rows => new Float32Array(rows * k).fill(0.1))
      for (const [ta, tb] of [
        [false, false],
        [true, true],
      ]) {
        const out = compute(backend, [a!, b!, sevens(m * p)], (x, y, z) =>
          kernels.matmul([], m, k, p, x!, [], ta!, y!, [], tb!, z!),
        )
        for (const value of out) check(value, k * tenth * tenth, Math.sqrt(k) * EPS)
      }
    })

    it('scatterAdd into one place, and avgPool2d of one window', () => {
      const out = compute(backend, [new Int32Array(n), tenths, sevens(3)], (index, y, z) =>
        kernels.scatterAdd(1, 3, 1, index!, y!, z!),
      )
      check(out[0]!, n * tenth, EPS * 8)
      expect([...out.subarray(1)]).toEqual([0, 0])
      const g = { planes: 1, height: 1000, width: 1000, kernelH: 1000, kernelW: 1000, outH: 1, outW: 1 }
      const one: Pool2dGeometry = { ...g, strideH: 1, strideW: 1, padH: 0, padW: 0 }
      check(compute(backend, [tenths, sevens(1)], (x, y) => kernels.avgPool2d(one, x!, y!))[0]!, tenth, EPS * 8)
      // The middle lies under 100 × 100 windows.
      const many = { ...one, height: 199, width: 199, kernelH: 100, kernelW: 100, outH: 100, outW: 100 }
      const gx = compute(backend, [tenths.slice(0, 10_000), sevens(199 * 199)], (y, x) =>
        kernels.avgPool2dGrad(many, y!, x!),
      )
      check(gx[99 * 199 + 99]!, tenth, EPS * 8)
      expect(gx[0]).toBeCloseTo(tenth / 10_000, 10)
    })

    it('weight gradients of a convolution, along one line and over many images', () => {
      const base = { inChannels: 1, outChannels: 1, kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, padH: 0, padW: 0 }
      const rest = { ...base, dilationH: 1, dilationW: 1, groups: 1 }
      const line: Conv2dGeometry = { ...rest, batch: 1, height: 1, width: n, outH: 1, outW: n }
      const images: Conv2dGeometry = { ...rest, batch: 1000, height: 10, width: 100, outH: 10, outW: 100 }
      for (const g of [line, images]) {
        const gw = compute(backend, [tenths, tenths, sevens(1)], (x, y, z) => kernels.conv2dWeightGrad(g, x!, y!, z!))
        check(gw[0]!, n * tenth * tenth)
      }
    })

    it('gradients of layer norm and rms norm over rows, and rows of a million', () => {
      const x = Float32Array.from({ length: n }, (_, i) => (i % 2) * 2 - 1)
      const [w, zeros] = [new Float32Array(2).fill(1), sevens(2)]
      const out = compute(backend, [x, w, tenths, sevens(n), zeros, zeros], (a, b, c, d, e, f) =>
        kernels.layerNormGrad(n / 2, 2, 0, a!, b!, c!, d!, e!, f!),
      )
      for (const value of out) check(value, (n / 2) * tenth)
      const rms = compute(backend, [x, w, tenths, sevens(n), zeros], (a, b, c, d, e) =>
        kernels.rmsNormGrad(n / 2, 2, 0, a!, b!, c!, d!, e!),
      )
      check(rms[1]!, (n / 2) * tenth)
      const ones = new Float32Array(n).fill(1)
      const row = compute(backend, [tenths, ones, sevens(n)], (a, b, c) => kernels.rmsNorm(1, n, 0, a!, b!, c!))
      check(row[n - 1]!, 1, EPS * 8)
    })

    it('softmax of equal numbers, and its gradient', () => {
      const y = compute(backend, [new Float32Array(n), sevens(n)], (x, out) => kernels.softmax(1, n, x!, out!))
      check(y[5]!, 1 / n, EPS * 8)
      const loss = compute(backend, [new Float32Array(n), Int32Array.of(3), sevens(1)], (x, l, out) =>
        kernels.crossEntropy(1, n, x!, l!, out!),
      )
      check(loss[0]!, Math.log(n), EPS * 8)
    })
  })

  it('sums and means that overflow on the way are finite where their value is', () => {
    const cases = [
      ['f32', 3e38, 1e19],
      ['f64', 1.7e308, 1e154],
    ] as const
    for (const [dtype, big, root] of cases) {
      const of = (...v: number[]) => (dtype === 'f32' ? Float32Array.from(v) : Float64Array.from(v))
      const [b, r] = of(big, root) as unknown as [number, number]
      const run = (op: 'sum' | 'mean' | 'meanSquare', x: TypedArray, shape: number[]) =>
        compute(backend, [x, sevens(shape[1] ?? 1, dtype)], (a, out) => kernels.reduce(op, shape, [0], a!, out!))
      for (const shape of [[8], [8, 1]]) {
        expect(run('mean', of(b, b, b, b, b, b, b, b), shape)[0]! / b).toBeCloseTo(1, 14)
        expect(run('sum', of(b, b, -b, -b, b, b, -b, -b), shape)[0]).toBe(0)
        expect(run('sum', of(b, b, -b, 0, 0, 0, 0, 0), shape)[0]).toBe(b)
        expect(run('meanSquare', of(r, r, r, r, r, r, r, r), shape)[0]! / r / r).toBeCloseTo(1, 6)
        expect(run('sum', of(b, b, 0, 0, 0, 0, 0, 0), shape)[0]).toBe(Infinity)
        expect(run('mean', of(b, Infinity, 0, 0, 0, 0, 0, 0), shape)[0]).toBe(Infinity)
        expect(run('sum', of(b, Infinity, -Infinity, 0, 0, 0, 0, 0), shape)[0]).toBeNaN()
      }
    }
  })

  describe.each([
    ['f32', 1e-40, 1e-30, 1e19, 1e30, 1.1e38],
    ['f64', 1e-310, 1e-160, 1e160, 1e300, 5e307],
  ] as const)('norms in %s of rows whose squares do not fit', (dtype, ...scales) => {
    const of = (...v: number[]) => (dtype === 'f32' ? Float32Array.from(v) : Float64Array.from(v))
    const close = (values: ArrayLike<number>, expected: readonly number[], digits: number) =>
      Array.from(values).forEach((v, i) => {
        expect(v).toBeCloseTo(expected[i]!, digits)
      })
    const w = of(1, 1, 1)
    it.each(scales as readonly number[])('at %s', scale => {
      const x = of(scale, 2 * scale, 3 * scale)
      // Subnormals have few digits.
      const digits = scale < 1e-300 || (dtype === 'f32' && scale < 1e-37) ? 4 : 6
      const hat = Math.sqrt(1.5)
      const layer = compute(backend, [x, w, of(0, 0, 0), of(7, 7, 7)], (a, b, c, d) =>
        kernels.layerNorm(1, 3, 0, a!, b!, c!, d!),
      )
      close(layer, [-hat, 0, hat], digits)
      const r = 1 / Math.sqrt(14 / 3)
      const rms = compute(backend, [x, w, of(7, 7, 7)], (a, b, c) => kernels.rmsNorm(1, 3, 0, a!, b!, c!))
      close(rms, [r, 2 * r, 3 * r], digits)
      // The gradient along (1, 0, 0), times the scale, is that at scale 1.
      const gy = of(1, 0, 0)
      const gx = (at: number) => {
        const row = of(at, 2 * at, 3 * at)
        const outputs: number[][] = []
        compute(backend, [row, w, gy, of(7, 7, 7), of(7, 7, 7), of(7, 7, 7)], (a, b, c, d, e, f) => {
          kernels.layerNormGrad(1, 3, 0, a!, b!, c!, d!, e!, f!)
          outputs.push([...backend.readSync!(d!)], [...backend.readSync!(e!)])
          kernels.rmsNormGrad(1, 3, 0, a!, b!, c!, d!, e!)
          outputs.push([...backend.readSync!(d!)], [...backend.readSync!(e!)])
        })
        return outputs
      }
      const [found, wanted] = [gx(scale), gx(1)]
      for (const o of [1, 3]) close(found[o]!, wanted[o]!, digits)
      // Gradients of tiny rows overflow, those of huge ones have few digits or none.
      if (scale > 1 && scale < (dtype === 'f32' ? 1e31 : 1e300)) {
        for (const o of [0, 2])
          close(
            found[o]!.map(v => v * scale),
            wanted[o]!,
            5,
          )
      }
    })

    it('eps outweighs rows that are small beside it', () => {
      const small = dtype === 'f32' ? 1e-25 : 1e-200
      const rms = compute(backend, [of(small, 0, 0), w, of(7, 7, 7)], (a, b, c) =>
        kernels.rmsNorm(1, 3, 1e-4, a!, b!, c!),
      )
      expect(rms[0]! / small).toBeCloseTo(100, 3)
    })
  })

  // The mean of a row far from 0 is rounded, and what that loses is not small beside the deviations.
  describe.each(['f32', 'f64'] as const)('layer norm in %s of rows far from 0', dtype => {
    const of = (v: readonly number[]) => (dtype === 'f32' ? Float32Array.from(v) : Float64Array.from(v))
    const eps = 1e-5
    const far = dtype === 'f32' ? 1 : 2 ** 29
    const norm = (row: readonly number[]) => {
      const n = row.length
      const all = (v: number) => of(new Array<number>(n).fill(v))
      return compute(backend, [of(row), all(0.5), all(0.25), all(7)], (x, w, b, out) =>
        kernels.layerNorm(1, n, eps, x!, w!, b!, out!),
      )
    }
    const gradient = (row: readonly number[], gy: readonly number[]) => {
      const n = row.length
      const all = (v: number) => of(new Array<number>(n).fill(v))
      let gx: TypedArray | undefined
      compute(backend, [of(row), all(1), of(gy), all(7), all(7), all(7)], (x, w, c, out, gw, gb) => {
        kernels.layerNormGrad(1, n, eps, x!, w!, c!, out!, gw!, gb!)
        gx = backend.readSync!(out!)
      })
      return gx!
    }

    it.each([
      [5, 142857.14],
      [768, 1000.1],
      [7, 10000.7],
      [5001, 1e6 / 3],
    ])('%d equal numbers, %d', (n, v) => {
      expect(new Set(norm(new Array<number>(n).fill(v * far)))).toEqual(new Set([0.25]))
    })

    it('numbers that differ in their last digits', () => {
      // Exact in eighths about 10⁵, so that deviations are known.
      const eighths = [1, 2, 1, 2, 1, 2, 3]
      const row = eighths.map(e => (1e5 + e / 8) * far)
      const mean = 12 / 7
      const variance = (eighths.reduce((s, e) => s + (e - mean) ** 2, 0) / 7 / 64) * far ** 2
      const hat = (e: number) => ((e - mean) / 8 / Math.sqrt(variance + eps)) * far
      const found = norm(row)
      eighths.forEach((e, i) => {
        expect(Math.abs(found[i]! - (0.5 * hat(e) + 0.25))).toBeLessThan(dtype === 'f32' ? 1e-6 : 1e-14)
      })
    })

    it('the gradient of equal numbers: ȳ less its mean, over √ε', () => {
      const gx = gradient(new Array<number>(5).fill(142857.14 * far), [1, 2, 3, 4, 5])
      gx.forEach((g, i) => {
        expect(Math.abs(g - (i - 2) / Math.sqrt(eps))).toBeLessThan(dtype === 'f32' ? 1e-3 : 1e-9)
      })
    })
  })

  it('the mean of a window overflows only where its value does', () => {
    const g = {
      planes: 1,
      height: 2,
      width: 2,
      kernelH: 2,
      kernelW: 2,
      strideH: 2,
      strideW: 2,
      padH: 0,
      padW: 0,
    }
    for (const [values, mean] of [
      [[1.5e308, 1.5e308, 1.5e308, 1.5e308], 1.5e308],
      [[1.5e308, 1.5e308, -1.5e308, -1.5e308], 0],
      [[Infinity, 1, 2, 3], Infinity],
      [[1, 2, 3, 5], 2.75],
    ] as const) {
      const out = compute(backend, [Float64Array.from(values), sevens(1, 'f64')], (x, y) =>
        kernels.avgPool2d({ ...g, outH: 1, outW: 1 } as Pool2dGeometry, x!, y!),
      )
      expect(out[0]).toBe(mean)
    }
  })

  it('convolutions over an empty sum are zeros', () => {
    const base = { batch: 2, height: 4, width: 4, kernelH: 3, kernelW: 3, strideH: 1, strideW: 1, padH: 1, padW: 1 }
    const rest = { ...base, dilationH: 1, dilationW: 1, groups: 1, outH: 4, outW: 4 }
    for (const dtype of ['f32', 'f64'] as const) {
      const none = sevens(0, dtype)
      const [noInput, noOutput] = [
        { ...rest, inChannels: 0, outChannels: 3 },
        { ...rest, inChannels: 3, outChannels: 0 },
      ]
      for (const pad of [0, 1]) {
        const out = 2 + 2 * pad
        const change = { padH: pad, padW: pad, outH: out, outW: out }
        const y = compute(backend, [none, none, sevens(2 * 3 * out * out, dtype)], (a, b, c) =>
          kernels.conv2d({ ...noInput, ...change }, a!, b!, c!),
        )
        expect(new Set(y)).toEqual(new Set([0]))
        const gx = compute(backend, [none, none, sevens(2 * 3 * 16, dtype)], (a, b, c) =>
          kernels.conv2dInputGrad({ ...noOutput, ...change }, a!, b!, c!),
        )
        expect(new Set(gx)).toEqual(new Set([0]))
      }
      const gw = compute(backend, [none, none, sevens(3 * 3 * 9, dtype)], (a, b, c) =>
        kernels.conv2dWeightGrad({ ...rest, batch: 0, inChannels: 3, outChannels: 3 }, a!, b!, c!),
      )
      expect(new Set(gw)).toEqual(new Set([0]))
    }
  })

  describe('i32 is computed modulo 2^32', () => {
    const wrap = (v: bigint) => Number(BigInt.asIntN(32, v))
    const values = [0, 1, -1, 7, -46341, 65537, 123456789, 987654321, -987654321, 2 ** 31 - 1, -(2 ** 31)]
    const pairs = values.flatMap(a => values.map(b => [a, b] as const))
    const [left, right] = [0, 1].map(i => Int32Array.from(pairs, p => p[i]!)) as [Int32Array, Int32Array]
    const zip = (op: 'add' | 'sub' | 'mul' | 'pow', a: Int32Array, b: Int32Array) =>
      compute(backend, [a, b, new Int32Array(a.length)], (x, y, z) => kernels.zip(op, [a.length], x!, [1], y!, [1], z!))

    it('products, sums and differences', () => {
      const of = {
        add: (a: bigint, b: bigint) => a + b,
        sub: (a: bigint, b: bigint) => a - b,
        mul: (a: bigint, b: bigint) => a * b,
      }
      for (const op of ['add', 'sub', 'mul'] as const) {
        expect([...zip(op, left, right)]).toEqual(pairs.map(([a, b]) => wrap(of[op](BigInt(a), BigInt(b)))))
      }
      expect(zip('mul', Int32Array.of(123456789), Int32Array.of(987654321))[0]).toBe(-67153019)
    })

    it('powers', () => {
      const powers = values.flatMap(a => [0, 1, 2, 3, 5, 31, 33, 1000].map(b => [a, b] as const))
      const found = zip(
        'pow',
        Int32Array.from(powers, p => p[0]),
        Int32Array.from(powers, p => p[1]),
      )
      expect([...found]).toEqual(powers.map(([a, b]) => wrap(BigInt(a) ** BigInt(b))))
      expect([...zip('pow', Int32Array.of(1, -1, -1, 2, 0), Int32Array.of(-3, -3, -2, -1, -1))]).toEqual([
        1, -1, 1, 0, 0,
      ])
    })

    it('multiples and shifts by numbers', () => {
      for (const [scale, shift] of pairs) {
        const out = compute(backend, [Int32Array.from(values), new Int32Array(values.length)], (x, y) =>
          kernels.affine(x!, scale, shift, y!),
        )
        expect([...out]).toEqual(values.map(v => wrap(BigInt(v) * BigInt(scale) + BigInt(shift))))
      }
    })

    it('sums, sums of squares and scattered sums', () => {
      const n = 30
      const x = Int32Array.from({ length: n }, (_, i) => Math.imul(i + 1, 1234567891))
      const total = (f: (v: bigint) => bigint) => wrap(Array.from(x, BigInt).reduce((s, v) => s + f(v), 0n))
      for (const shape of [[n], [n, 1], [2, n / 2]]) {
        const axes = shape.map((_, d) => d)
        const reduced = (op: 'sum' | 'sumSquares') =>
          compute(backend, [x, Int32Array.of(7)], (a, out) => kernels.reduce(op, shape, axes, a!, out!))[0]
        expect(reduced('sum')).toBe(total(v => v))
        expect(reduced('sumSquares')).toBe(total(v => v * v))
      }
      const scattered = compute(backend, [new Int32Array(n), x, Int32Array.of(7)], (index, y, out) =>
        kernels.scatterAdd(1, 1, 1, index!, y!, out!),
      )
      expect(scattered[0]).toBe(total(v => v))
      const big = Int32Array.from({ length: 5_000_001 }, () => 2 ** 31 - 1)
      const one = compute(backend, [big, Int32Array.of(7)], (a, out) =>
        kernels.reduce('sum', [big.length], [0], a!, out!),
      )
      expect(one[0]).toBe(wrap(BigInt(big.length) * BigInt(2 ** 31 - 1)))
    })
  })
})
