import { describe, expect, it } from 'vitest'
import {
  all,
  any,
  arange,
  avgPool2d,
  ceil,
  celu,
  chunk,
  clip,
  concat,
  conv1d,
  conv2d,
  convTranspose2d,
  cosh,
  crossEntropy,
  cumprod,
  cumsum,
  depthToSpace,
  dropout,
  einsum,
  elu,
  isFinite as finite,
  flip,
  floor,
  full,
  gated,
  glu,
  grad,
  groupNorm,
  hardSigmoid,
  hardSwish,
  hardTanh,
  instanceNorm,
  js,
  jvp,
  leakyRelu,
  linspace,
  logSigmoid,
  logsumexp,
  maxPool2d,
  meshgrid,
  mish,
  mul,
  isNaN as nan,
  norm,
  oneHot,
  ones,
  pad,
  pow,
  prelu,
  prod,
  Random,
  relu6,
  reshape,
  resize,
  round,
  selu,
  series,
  sinh,
  softsign,
  sort,
  split,
  square,
  stack,
  std,
  sum,
  type Tensor,
  takeAlong,
  tan,
  tensor,
  tile,
  topK,
  tril,
  unstack,
  variance,
  wasm,
  zeros,
} from '../index.js'

const numbers = (t: Tensor) => [...t.dataSync()]

describe.each([js(), wasm()])('on $name', backend => {
  const f64 = { dtype: 'f64', backend } as const
  const vector = (...x: number[]) => tensor(x, f64)

  it('std holds where squares overflow or vanish, derivatives too', () => {
    for (const dtype of ['f32', 'f64'] as const) {
      for (const size of dtype === 'f32' ? [1e30, 1e-30] : [1e250, 1e-250]) {
        const x = tensor([size, 2 * size, 3 * size], { dtype, backend })
        // √⅔, and (xᵢ − mean)/(n·std)
        expect(std(x).item() / size).toBeCloseTo(Math.sqrt(2 / 3), 6)
        expect(std(x, 0, false, 1).item() / size).toBeCloseTo(1, 6)
        const slope = 1 / (3 * Math.sqrt(2 / 3))
        numbers(grad((t: Tensor) => std(t))(x)).forEach((g, i) => expect(g).toBeCloseTo((i - 1) * slope, 6))
      }
    }
  })

  it('moments of numbers far from 0 or near the largest are those of their deviations', () => {
    for (const dtype of ['f32', 'f64'] as const) {
      const where = { dtype, backend }
      for (const n of [5, 11, 768]) {
        const equal = full([1, n], dtype === 'f32' ? 142857.14 : 1e12 / 3, where)
        expect(numbers(std(equal, -1))).toEqual([0])
        expect(numbers(variance(equal, -1))).toEqual([0])
      }
      // Eighths about 10⁵, times a power of two in f64, are exact.
      const by = dtype === 'f32' ? 1 : 2 ** 29
      const x = tensor(
        [1, 2, 1, 2, 1, 2, 3].map(e => (1e5 + e / 8) * by),
        where,
      )
      expect(variance(x).item() / by ** 2).toBeCloseTo(24 / 49 / 64, 8)
      expect(numbers(grad((t: Tensor) => variance(t))(x))[6]! / by).toBeCloseTo(((2 / 7) * (9 / 7)) / 8, 6)
      const most = dtype === 'f32' ? 3e38 : 1.5e308
      expect(std(tensor([-most, most], where)).item() / most).toBeCloseTo(1, 6)
    }
  })

  it('orders of sinh and cosh are finite where only the functions overflow', () => {
    // e^711/2 = 3.0363136888649967e308; order k of sinh and cosh is that over k!.
    for (const sign of [1, -1]) {
      for (const [f, odd] of [
        [sinh, 1],
        [cosh, 0],
      ] as const) {
        // biome-ignore format: short
        const orders = numbers(series(f, tensor([[711 * sign], [1]], f64), 4))
        for (const [k, size] of [
          [2, 1.5181568444324984e308],
          [3, 5.060522814774995e307],
          [4, 1.2651307036937487e307],
        ] as const) {
          // biome-ignore format: pairs
          expect(orders[k]! / (size * sign ** (k + odd))).toBeCloseTo(1, 12)
        }
      }
    }
  })

  it('infinite exponents: order 0 is the run', () => {
    const infinite = vector(Infinity, Infinity)
    const power = (b: Tensor) => pow(vector(2, 0.5), b)
    expect(numbers(jvp(power, infinite, vector(0, 0))[0])).toEqual([Infinity, 0])
  })

  it('words that every object knows are no modes', () => {
    const x = tensor([[[1, 2, 3]]], f64)
    for (const word of ['toString', 'constructor', 'none'] as never[]) {
      expect(() => pad(vector(1, 2), [[1, 1]], word)).toThrow('pad: the mode is')
      expect(() => resize(x, [5], { rounding: word })).toThrow('resize: rounding is one of')
      expect(() => resize(x, [5], { coordinates: word })).toThrow('resize: coordinates are')
      expect(() => glu(vector(1, 2), 0, word)).toThrow('glu: the gate is one of sigmoid')
    }
  })

  it('errors about many inputs are short', () => {
    const many = Array.from({ length: 5000 }, (_, i) => zeros([i, 2], f64))
    for (const make of [() => concat(many, 1), () => split(vector(1, 2), new Array<number>(1e5).fill(1))]) {
      try {
        make()
        expect.unreachable()
      } catch (error) {
        expect((error as Error).message.length).toBeLessThan(2000)
      }
    }
    const gap = new Array<number>(3).fill(1, 1)
    expect(() => tensor(gap, f64)).toThrow('expected numbers or nested arrays of them, got undefined')
  })

  it.each([
    ['leakyRelu', leakyRelu],
    ['elu', (x: Tensor) => elu(x, 0.7)],
    ['celu', (x: Tensor) => celu(x, 2)],
    ['selu', selu],
    ['prelu', (x: Tensor) => prelu(x, tensor([0.3], f64))],
    ['relu6', relu6],
    ['hardTanh', (x: Tensor) => hardTanh(x, 0.5, 2)],
    ['hardSigmoid', hardSigmoid],
    ['hardSwish', hardSwish],
    ['mish', mish],
    ['logSigmoid', logSigmoid],
    ['softsign', softsign],
    ['sinh', sinh],
    ['tan', tan],
    ['clip', (x: Tensor) => clip(x, -1, 1)],
  ] as const)('%s is frozen to its secant gate', (_, f) => {
    const x = vector(-7, -2.5, -0.4, 0.3, 1.2, 5)
    const atZero = f(vector(0)).item()
    // Orders 0 and 2 of the input, times the gate, and φ(0) with order 0.
    const parts = stack([mul(x, 0.25), mul(x, 0), mul(x, 0.75)])
    const { value, stack: out } = gated(f, x, parts, 2)
    const [y, values, paths] = [numbers(f(x)), numbers(value), numbers(out)]
    y.forEach((v, i) => {
      expect(values[i]).toBe(v)
      expect(paths[i]).toBeCloseTo(atZero + 0.25 * (v - atZero), 13)
      expect(paths[x.size + i]).toBeCloseTo(0, 13)
      expect(paths[2 * x.size + i]).toBeCloseTo(0.75 * (v - atZero), 13)
    })
  })

  it('gates at 0 are the slopes there', () => {
    const slope = (f: (x: Tensor) => Tensor) => numbers(gated(f, vector(0), tensor([[-1], [1]], f64), 1).stack)[1]! // what order 1 is multiplied with
    expect(slope(elu)).toBe(1)
    expect(slope(leakyRelu)).toBe(0.01)
    expect(slope(hardSigmoid)).toBeCloseTo(1 / 6, 15)
    expect(slope(sinh)).toBe(1)
    expect(slope(relu6)).toBe(0)
    expect(slope(x => clip(x, 0, 6))).toBe(1)
    expect(slope(x => clip(x, -1, 1))).toBe(1)
    expect(slope(x => clip(x, 1, 2))).toBe(0)
  })

  it('series of units that overflow nowhere stay finite', () => {
    const path = tensor([[-900, 900, 1], [1, 1, 1]], f64) // biome-ignore format: two orders
    for (const f of [elu, selu, celu]) {
      expect(numbers(series(f, path, 3)).every(Number.isFinite)).toBe(true)
      expect(numbers(grad((x: Tensor) => sum(f(x)))(vector(-900, 900))).every(Number.isFinite)).toBe(true)
    }
  })

  it('clip takes tensors, null, integers, and crossed bounds as NumPy does', () => {
    expect(numbers(clip(vector(-3, 0, 3, Number.NaN), vector(-1, 1, -1, 0), vector(2)))).toEqual([-1, 1, 2, Number.NaN])
    expect(numbers(clip(tensor([-5, 7], { dtype: 'i32', backend }), 0, null))).toEqual([0, 7])
    expect(numbers(clip(vector(0, 5), 3, 1))).toEqual([1, 1])
    expect(() => clip(vector(0), Number.NaN, 1)).toThrow('clip: bounds are numbers, tensors or null')
    expect(() => clip(tensor([1], { dtype: 'i32', backend }), 0.5, null)).toThrow("with .to('f32')")
  })

  it('rounds half to even in both precisions, up to numbers that are all whole', () => {
    const x = [-1.5, -0.5, 0.5, 1.5, 2.5, 4194304.5, 4194305.5, 8388607.5, 8388609, 3e38, -Infinity, Number.NaN]
    const want = [-2, 0, 0, 2, 2, 4194304, 4194306, 8388608, 8388609, Math.fround(3e38), -Infinity, Number.NaN]
    expect(numbers(round(tensor(x, { backend }))).map(v => v + 0)).toEqual(want)
    expect(numbers(floor(tensor([-0.5, 0.5, -2, 8388607.5], { backend })))).toEqual([-1, 0, -2, 8388607])
    expect(numbers(ceil(tensor([-1.5, 0.5, -2, 8388607.5], { backend })))).toEqual([-1, 1, -2, 8388608])
    for (const f of [round, floor, ceil]) {
      const whole = tensor([3, -(2 ** 31)], { dtype: 'i32', backend })
      expect(numbers(f(whole))).toEqual([3, -(2 ** 31)])
      expect(numbers(grad((x: Tensor) => sum(mul(x, f(x))))(vector(1.75)))).toEqual(numbers(f(vector(1.75))))
    }
  })

  it('norms neither overflow nor vanish where their result does not', () => {
    const huge = vector(3e200, 4e200)
    expect(norm(huge).item() / 1e200).toBeCloseTo(5, 12)
    expect(norm(mul(huge, 1e-300), undefined, false, 3).item() / 1e-100).toBeCloseTo(91 ** (1 / 3), 10)
    expect(norm(tensor([3e-30, 4e-30], { backend })).item() / 1e-30).toBeCloseTo(5, 5)
    expect(norm(vector(1, -Infinity)).item()).toBe(Infinity)
    expect(norm(vector(1, Number.NaN)).item()).toBeNaN()
    expect([2, 1, 3, 0].map(p => norm(zeros([0], f64), 0, false, p).item())).toEqual([0, 0, 0, 0])
    expect(numbers(grad((x: Tensor) => norm(x))(vector(0, 0)))).toEqual([0, 0])
    expect(() => norm(vector(1), 0, false, -2)).toThrow('norm: p is at least 0')
  })

  it('moments of nothing, of equal numbers, and of few numbers', () => {
    expect(numbers(grad((x: Tensor) => std(x))(vector(2, 2, 2)))).toEqual([0, 0, 0])
    expect(variance(zeros([0], f64)).item()).toBeNaN()
    expect(variance(vector(5), 0, false, 1).item()).toBeNaN()
    expect(logsumexp(vector(-Infinity, -Infinity)).item()).toBe(-Infinity)
    expect(logsumexp(vector(1, Infinity)).item()).toBe(Infinity)
    expect(numbers(logsumexp(zeros([2, 0], f64), 1))).toEqual([-Infinity, -Infinity])
    expect(numbers(prod(zeros([2, 0], f64), 1))).toEqual([1, 1])
    expect(any(zeros([0], f64)).item()).toBe(0)
    expect(all(zeros([0], f64)).item()).toBe(1)
  })

  it('reduces and scans whole numbers', () => {
    const whole = tensor([[1, -2, 3], [4, 0, 6]], { dtype: 'i32', backend }) // biome-ignore format: a matrix
    expect(numbers(prod(whole, 1))).toEqual([-6, 0])
    expect(numbers(cumsum(whole, 1))).toEqual([1, -1, 2, 4, 4, 10])
    expect(numbers(square(whole))).toEqual([1, 4, 9, 16, 0, 36])
    expect([any(whole), all(whole)].map(t => t.item())).toEqual([1, 0])
    expect([numbers(nan(whole)), numbers(finite(whole))]).toEqual([new Array(6).fill(0), new Array(6).fill(1)])
    expect(numbers(einsum('ij,kj->ik', whole, whole))).toEqual([14, 22, 22, 52])
  })

  it('products of any order have right derivatives where factors are 0', () => {
    const path = tensor([[0, 2, 0], [1, 1, 3]], f64) // biome-ignore format: two orders
    // t(2 + t)(3t) = 6t² + 3t³
    expect(numbers(series((x: Tensor) => prod(x), path, 3))).toEqual([0, 0, 6, 3])
  })

  it('products of n numbers are within (n − 1)·ε/2 of the exact ones', () => {
    const n = 4096
    for (const [dtype, bits] of [
      ['f32', 23],
      ['f64', 52],
    ] as const) {
      // Of one mantissa, which rounds the same way again and again, and of many.
      for (const step of [0, 7919]) {
        const digits = Array.from(
          { length: n },
          (_, i) => BigInt((i * step) % 2048) * 2n ** BigInt(bits - 22) + 2n ** BigInt(bits) + 3n,
        )
        const x = tensor(
          digits.map(d => Number(d) / 2 ** bits),
          { dtype, backend },
        )
        const partial = numbers(cumprod(x, 0))
        let exact = 1n
        digits.forEach((d, i) => {
          // In fixed point, with 200 bits more than the tensor has.
          exact = (exact * d) << (i === 0 ? 200n : 0n)
          if (i > 0) exact >>= BigInt(bits)
          if ((i & (i + 1)) !== 0) return
          const found = [partial[i]!, ...(i === n - 1 ? [prod(x).item()] : [])]
          for (const value of found) {
            const scaled = BigInt(value * 2 ** bits) << 200n
            const error = Number(((scaled - exact) * 10n ** 30n) / exact) / 1e30
            expect(Math.abs(error)).toBeLessThanOrEqual(Math.max(1, i) * 2 ** (-bits - 1))
          }
        })
      }
    }
  })

  it('cuts tensors in parts and puts them together again', () => {
    const x = reshape(arange(14, undefined, 1, { backend }), [2, 7])
    expect(split(x, [3, 0, 4], 1).map(t => t.shape)).toEqual([[2, 3], [2, 0], [2, 4]]) // biome-ignore format: shapes
    expect(split(x, 2).map(numbers)).toEqual([[0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12, 13]]) // biome-ignore format: rows
    expect(chunk(x, 3, -1).map(t => t.shape[1])).toEqual([3, 3, 1])
    expect(chunk(x, 9, 0).length).toBe(2)
    expect(numbers(stack(unstack(x, 1), 1))).toEqual(numbers(x))
    for (const bad of [3, 0, 1.5, [3, 3], [-1, 8]]) expect(() => split(x, bad, 1)).toThrow('split wants')
    expect(numbers(grad((x: Tensor) => sum(mul(split(x, 2)[1]!, 3)))(vector(1, 2, 3, 4)))).toEqual([0, 0, 3, 3])
    expect(numbers(grad((x: Tensor) => sum(mul(flip(x), vector(1, 2, 3))))(vector(0, 0, 0)))).toEqual([3, 2, 1])
    expect(() => tile(x, [1.5])).toThrow('counts are integers of at least 0')
  })

  it('linspace ends exactly where it is told to', () => {
    expect(numbers(linspace(0, 1, 5, f64))).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect(numbers(linspace(0.1, 0.7, 8, f64))[7]).toBe(0.7)
    expect(numbers(linspace(-1.7e308, 1.7e308, 3, f64))).toEqual([-1.7e308, 0, 1.7e308])
    expect(numbers(linspace(0, 1, 4, { ...f64, endpoint: false }))).toEqual([0, 0.25, 0.5, 0.75])
    expect([0, 1].map(n => numbers(linspace(3, 9, n, f64)))).toEqual([[], [3]])
    expect(numbers(linspace(-1, 1, 4, { dtype: 'i32', backend }))).toEqual([-1, -1, 0, 1])
    expect(() => linspace(0, Infinity)).toThrow('finite ends')
  })

  it('makes grids and triangles without touching what they leave out', () => {
    const [a, b] = meshgrid([vector(1, 2, 3), vector(4, 5)])
    expect([numbers(a!), numbers(b!)]).toEqual([[1, 2, 3, 1, 2, 3], [4, 4, 4, 5, 5, 5]]) // biome-ignore format: grids
    expect(meshgrid([vector(1, 2, 3), vector(4, 5)], 'ij').map(t => t.shape)).toEqual([[3, 2], [3, 2]]) // biome-ignore format: shapes
    const broken = tensor([[1, Infinity], [2, Number.NaN]], f64) // biome-ignore format: a matrix
    expect(numbers(tril(broken, -1))).toEqual([0, 0, 2, 0])
    expect(() => oneHot(tensor([0, 4], { dtype: 'i32', backend }), 4)).toThrow('label 4 at position 1 is not in 0..3')
  })

  it('continues axes of length 1, and refuses to continue nothing', () => {
    for (const mode of ['reflect', 'symmetric', 'edge', 'wrap'] as const) {
      expect(numbers(pad(vector(7), [[2, 1]], mode))).toEqual([7, 7, 7, 7])
      expect(() => pad(zeros([0], f64), [[1, 0]], mode)).toThrow(`axis 0 has no ${mode}`)
    }
    expect(numbers(grad((x: Tensor) => sum(pad(x, [[2, 2]], 'reflect')))(vector(1, 2, 3)))).toEqual([2, 3, 2])
  })

  it('max pooling never takes padding, nor loses NaN', () => {
    const x = full([1, 1, 3, 3], -5, f64)
    expect(numbers(maxPool2d(x, 2, { padding: [[0, 1], [1, 0]], stride: 2 }))).toEqual([-5, -5, -5, -5]) // biome-ignore format: call
    const broken = tensor([[[[1, 2, Number.NaN]]]], f64)
    expect(numbers(maxPool2d(broken, [1, 2], { dilation: [1, 2] }))).toEqual([Number.NaN])
    expect(() => maxPool2d(x, 2, { padding: [[2, 0], [0, 0]] })).toThrow('more than half the window') // biome-ignore format: call
    expect(maxPool2d(x, 2, { padding: 'same', stride: 2 }).shape).toEqual([1, 1, 2, 2])
    expect(numbers(avgPool2d(ones([1, 1, 3, 3], f64), 2, { padding: 'same', countIncludePad: false }))).toEqual([1, 1, 1, 1]) // biome-ignore format: call
  })

  it('refuses paddings and geometries that are none, naming them', () => {
    const x = ones([1, 2, 4, 4], f64)
    const w = ones([2, 2, 2, 2], f64)
    // biome-ignore lint/suspicious/noExplicitAny: what a program without types may pass
    const any = (x: unknown) => x as any
    expect(() => conv2d(x, w, undefined, { padding: any('full') })).toThrow("is numbers, 'same' or 'valid', got 'full'")
    expect(() => conv2d(x, w, undefined, { padding: [[1, -1], [0, 0]] })).toThrow('[[top, bottom], [left, right]]') // biome-ignore format: call
    expect(() => convTranspose2d(x, w, undefined, { outputPadding: 1 })).toThrow('less than the stride')
    expect(() => convTranspose2d(x, ones([3, 2, 2, 2], f64))).toThrow('groups 1 do not fit')
    expect(() => conv1d(x, w)).toThrow('conv1d wants [b,c,l]')
    expect(() => groupNorm(x, 3)).toThrow('2 channels are not 3 equal groups')
    expect(() => instanceNorm(x, vector(1))).toThrow('instanceNorm wants')
    expect(() => resize(x, [2])).toThrow('cannot become [b,c,2]')
    expect(() => depthToSpace(x, 2)).toThrow('block 2 does not fit')
  })

  it('group norm freezes its scale under gates', () => {
    const x = new Random(3).normal([2, 4, 3], 0, 1, f64)
    const [w, b] = [vector(1, 2, 3, 4), vector(0.5, 0, -1, 2)]
    const f = (x: Tensor) => groupNorm(x, 2, w, b)
    const { value, stack: out } = gated(f, x, stack([mul(x, 0.25), mul(x, 0.75)]), 1)
    expect(numbers(value)).toEqual(numbers(f(x)))
    const total = numbers(sum(out, 0))
    numbers(value).forEach((v, i) => {
      expect(total[i]).toBeCloseTo(v, 12)
    })
    // Frozen, it is linear but for the bias: order 1 is three quarters of what is no bias.
    const unbiased = numbers(groupNorm(x, 2, w))
    numbers(out)
      .slice(x.size)
      .forEach((v, i) => {
        expect(v).toBeCloseTo(0.75 * unbiased[i]!, 12)
      })
  })

  it('einsum says which letter does not fit', () => {
    const [a, b] = [ones([2, 3], f64), ones([4, 2], f64)]
    expect(() => einsum('ij,jk', a, b)).toThrow('j is 3 and 4')
    expect(() => einsum('ij', a, b)).toThrow('1 operands are named, 2 given')
    expect(() => einsum('ijk,jk', a, b)).toThrow("'ijk' names an operand of rank 2")
    expect(() => einsum('ij->ik', a)).toThrow("'k' of the result is in no operand")
    expect(() => einsum('i!->i', a)).toThrow('expected letters')
  })

  it('dropout keeps the mean, repeats with its stream, and is off outside of training', () => {
    const x = ones([10000], f64)
    const dropped = dropout(x, 0.3, new Random(5))
    const kept = numbers(dropped).filter(v => v !== 0)
    expect(kept.every(v => Math.abs(v - 1 / 0.7) < 1e-15)).toBe(true)
    // Five standard deviations of a binomial count.
    expect(Math.abs(kept.length - 7000)).toBeLessThan(5 * Math.sqrt(10000 * 0.3 * 0.7))
    expect(numbers(dropout(x, 0.3, new Random(5)))).toEqual(numbers(dropped))
    expect(numbers(dropout(x, 0.3, new Random(5), false))).toEqual(numbers(x))
    expect(numbers(dropout(vector(1, Infinity, Number.NaN), 1, new Random(0)))).toEqual([0, 0, 0])
    expect(numbers(grad((x: Tensor) => sum(dropout(x, 0.3, new Random(5))))(x))).toEqual(numbers(dropped))
    expect(() => dropout(x, 1.5, new Random(0))).toThrow('a probability of 0 to 1')
  })

  it('cross entropy of ignored rows alone is NaN, and wrong labels are refused', () => {
    const logits = zeros([2, 3], f64)
    const labels = tensor([-100, -100], { dtype: 'i32', backend })
    expect(crossEntropy(logits, labels, { ignoreLabel: -100 }).item()).toBeNaN()
    expect(() => crossEntropy(logits, labels, { ignoreLabel: 1 })).toThrow('label -100 of row 0 is not in 0..2')
    expect(() => crossEntropy(logits, labels, { labelSmoothing: 2 })).toThrow('labelSmoothing is from 0 to 1')
    expect(() => crossEntropy(logits, labels, { classWeights: vector(1) })).toThrow('class weights must be [3]')
  })

  it('sorts whole numbers, takes the first of equal ones, and carries derivatives to their places', () => {
    const whole = tensor([3, -(2 ** 31), 3, 2 ** 31 - 1], { dtype: 'i32', backend })
    expect(numbers(sort(whole))).toEqual([-(2 ** 31), 3, 3, 2 ** 31 - 1])
    const { values, indices } = topK(whole, 2)
    expect([numbers(values), numbers(indices)]).toEqual([[2 ** 31 - 1, 3], [3, 0]]) // biome-ignore format: pairs
    const x = vector(2, Number.NaN, 5, 1)
    expect(numbers(topK(x, 2).values)).toEqual([Number.NaN, 5])
    expect(numbers(topK(x, 2, 0, false).indices)).toEqual([3, 0])
    expect(numbers(grad((x: Tensor) => sum(mul(topK(x, 2).values, vector(10, 20))))(vector(1, 3, 2)))).toEqual([
      0, 10, 20,
    ])
    // Series and paths follow what the run sorted.
    const path = tensor([[2, 1], [5, 7]], f64) // biome-ignore format: two orders
    expect(numbers(series((x: Tensor) => sort(x), path, 1))).toEqual([1, 2, 7, 5])
    expect(numbers(gated((x: Tensor) => sort(x), vector(7, 8), path, 1).stack)).toEqual([2, 1, 5, 7])
    expect(() => topK(x, 5)).toThrow('topK: k is from 0 to 4, got 5')
    expect(() => takeAlong(x, tensor([4], { dtype: 'i32', backend }), 0)).toThrow('takeAlong: index 4 at position 0')
    expect(sort(zeros([0, 3], f64), 0).shape).toEqual([0, 3])
  })
})
