import { runInNewContext } from 'node:vm'
import ndarray from 'ndarray'
import { describe, expect, it } from 'vitest'
import {
  add,
  affine,
  arange,
  argmin,
  avgPool2d,
  type Backend,
  batchNorm,
  broadcastTo,
  chunk,
  clip,
  concat,
  conv1d,
  conv2d,
  div,
  exp,
  expandDims,
  fromNdarray,
  full,
  grad,
  greater,
  js,
  less,
  maximum,
  maxPool2d,
  mul,
  type NumberArray,
  narrow,
  ones,
  pad,
  Random,
  roll,
  ShapeError,
  scatterAdd,
  slice,
  squeeze,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
  topK,
  useBackend,
  wasm,
  where,
  zeros,
} from './index.js'
import * as ops from './ops/index.js'

/** An argument of any type, as a program without types may pass. */
// biome-ignore lint/suspicious/noExplicitAny: that is the point
const any = (x: unknown) => x as any
const numbers = (t: Tensor) => [...t.dataSync()]
/** A Float16Array; where the engine has none, an object as of a polyfill, which reads as one and says so. */
const half = (values: readonly number[]): NumberArray => {
  const Half = (globalThis as { Float16Array?: { of(...values: readonly number[]): NumberArray } }).Float16Array
  if (Half !== undefined) return Half.of(...values)
  const bits = new Uint16Array(values.length)
  return new Proxy(bits, {
    get(target, key) {
      if (key === Symbol.toStringTag) return 'Float16Array'
      if (typeof key === 'string' && /^\d+$/.test(key)) return values[Number(key)]
      const value = Reflect.get(target, key, target)
      return key === Symbol.iterator ? values[Symbol.iterator].bind(values) : value
    },
  }) as unknown as NumberArray
}

describe.each([js(), wasm()])('on $name', backend => {
  const whole = tensor([0, 1], { dtype: 'i32', backend })

  it('a number that is no i32 is refused beside a tensor that is, not rounded', () => {
    for (const bad of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32]) {
      for (const op of [add, sub, mul, less, maximum]) expect(() => op(whole, bad)).toThrow("with .to('f32')")
      for (const f of [() => sub(bad, whole), () => sub(whole, bad)]) {
        expect(f).toThrow(`i32[2] does not go with ${bad}`)
      }
    }
    for (const op of [add, sub, maximum]) expect(() => op(whole, 2 ** 31)).toThrow('does not go with 2147483648')
    expect(numbers(sub(mul(whole, -3), 7))).toEqual([-7, -10])
    expect(numbers(less(whole.to('f64'), 0.5))).toEqual([1, 0])
  })

  it('the smallest i32 is added, subtracted and multiplied modulo 2^32, from both sides', () => {
    const values = [0, -0, 1, -5, 2 ** 31 - 1, -(2 ** 31)]
    const x = tensor(values, { dtype: 'i32', backend })
    const ops: readonly [typeof add, (a: bigint, b: bigint) => bigint][] = [
      [add, (a, b) => a + b],
      [sub, (a, b) => a - b],
      [mul, (a, b) => a * b],
    ]
    const wrapped = (v: bigint) => Number(BigInt.asIntN(32, v))
    for (const [op, exact] of ops) {
      for (const s of values) {
        expect(numbers(op(x, s))).toEqual(values.map(v => wrapped(exact(BigInt(v), BigInt(s)))))
        expect(numbers(op(s, x))).toEqual(values.map(v => wrapped(exact(BigInt(s), BigInt(v)))))
      }
    }
  })

  it('bounds, factors and shifts that are no numbers are refused by what they are', () => {
    for (const x of [whole, whole.to('f64')]) {
      expect(() => affine(x, any(3n), 0)).toThrow('goes with numbers, got bigint')
      expect(() => affine(x, 1, any(undefined))).toThrow('goes with numbers, got undefined')
      for (const bad of [3n, '3', true]) expect(() => clip(x, any(bad), 1)).toThrow('clip: bounds are numbers')
    }
  })

  it('text in the place of a number is quoted, so that its error does not contradict itself', () => {
    const x = tensor([1, 2, 3, 4], { shape: [1, 1, 2, 2], backend })
    for (const call of [
      () => conv2d(x, x, undefined, { stride: any('3') }),
      () => topK(x, any('3')),
      () => chunk(x, any('3')),
      () => roll(x, any('3'), 0),
      () => zeros(any('3'), { backend }),
      () => new Random(any('3')),
    ])
      expect(call).toThrow('got "3"')
  })

  it('what is no backend is refused, the factory in its place by name', () => {
    const x = tensor([1, 2], { backend })
    const made: Record<string, (backend: Backend) => unknown> = {
      tensor: wrong => tensor([1], { backend: wrong }),
      full: wrong => zeros([2], { backend: wrong }),
      to: wrong => x.to(wrong),
      'random.uniform': wrong => new Random(1).uniform([2], 0, 1, { backend: wrong }),
      useBackend: wrong => useBackend(wrong),
    }
    for (const [name, make] of Object.entries(made)) {
      expect(() => make(any(js))).toThrow(`${name}: wants a backend, js(), wasm() or await gpu(), got a function`)
      expect(() => make(any({}))).toThrow(`${name}: wants a backend, js(), wasm() or await gpu(), got {}`)
    }
  })

  it('a kernel with a side of 0 is refused: it has no output of its own', () => {
    const x = zeros([2, 2, 4, 4], { backend })
    for (const sides of [
      [0, 3],
      [3, 0],
      [0, 0],
    ]) {
      expect(() => conv2d(x, zeros([2, 2, ...sides], { backend }))).toThrow('a side of the kernel is 0')
    }
    expect(() => conv1d(zeros([2, 2, 4], { backend }), zeros([2, 2, 0], { backend }))).toThrow(
      'side of the kernel is 0',
    )
  })

  it('what i32 cannot hold is refused when it is made', () => {
    const where = { dtype: 'i32', backend } as const
    expect(() => tensor([1, Number.NaN], where)).toThrow('element 1 is NaN, which i32 cannot hold')
    expect(() => tensor([2 ** 31], where)).toThrow('use dtype f64')
    expect(() => tensor(any(Uint32Array.of(4294967295)), { backend })).toThrow('4294967295')
    expect(() => arange(2 ** 33, 2 ** 33 + 2, 1, { backend })).toThrow('8589934592')
    expect(numbers(tensor([1.7, -1.7, -(2 ** 31)], where))).toEqual([1, -1, -(2 ** 31)])
    expect(numbers(tensor(Uint8Array.of(0, 255), { backend }))).toEqual([0, 255])
  })

  it('typed arrays of every kind keep their numbers', () => {
    const kinds = [
      ['i32', Int8Array.of(-128, 127), Uint8Array.of(0, 255), Uint8ClampedArray.of(0, 255)],
      ['i32', Int16Array.of(-32768, 32767), Uint16Array.of(0, 65535), Uint32Array.of(0, 2 ** 31 - 1)],
      ['i32', Int32Array.of(-(2 ** 31), 7), Buffer.from([1, 255])],
      ['f32', Float32Array.of(1.5, -0.25), half([1.5, -0.25, 0.75, 65504, -0, 2 ** -24])],
      ['f64', Float64Array.of(0.1, -0)],
    ] as const
    for (const [dtype, ...arrays] of kinds) {
      for (const array of arrays) {
        const t = tensor(array, { backend })
        expect([t.dtype, numbers(t)]).toEqual([dtype, Array.from(array as ArrayLike<number>)])
        expect(numbers(tensor(array, { dtype: 'f64', backend }))).toEqual(Array.from(array as ArrayLike<number>))
      }
    }
  })

  it('half precision becomes integers only when asked, and then what i32 holds', () => {
    expect(numbers(tensor(half([1.5, -7]), { dtype: 'i32', backend }))).toEqual([1, -7])
    const bad = half([1, Number.POSITIVE_INFINITY])
    expect(() => tensor(bad, { dtype: 'i32', backend })).toThrow('element 1 is Infinity, which i32 cannot hold')
  })

  it('a typed array of another realm keeps its numbers', () => {
    const made = runInNewContext('[Float64Array.of(1.5), Float32Array.of(2.5), Int32Array.of(3)]')
    expect(made[0]).not.toBeInstanceOf(Float64Array)
    const tensors = made.map((array: Float64Array) => tensor(array, { backend }))
    expect(tensors.map((t: Tensor) => [t.dtype, ...numbers(t)])).toEqual([
      ['f64', 1.5],
      ['f32', 2.5],
      ['i32', 3],
    ])
  })

  it('arrays of no numbers are refused by name', () => {
    for (const dtype of [undefined, 'f64', 'i32'] as const) {
      const where = dtype === undefined ? { backend } : { dtype, backend }
      expect(() => tensor(any(BigInt64Array.of(1n)), where)).toThrow('got BigInt64Array')
      expect(() => tensor(any(new BigUint64Array(0)), where)).toThrow('got BigUint64Array')
      expect(() => tensor(any(new DataView(new ArrayBuffer(8))), where)).toThrow('got DataView')
    }
  })

  it('ndarrays keep their numbers, or say which has no dtype', () => {
    const read = (data: unknown, where = {}) => fromNdarray(ndarray(any(data)), { backend, ...where })
    expect([read(half([1.5, -0.25])).dtype, numbers(read(half([1.5, -0.25])))]).toEqual(['f32', [1.5, -0.25]])
    expect([read(Uint8Array.of(7)).dtype, numbers(read(Uint32Array.of(2 ** 32 - 1)))]).toEqual(['f64', [2 ** 32 - 1]])
    expect(numbers(read(BigInt64Array.of(-3n, 2n ** 53n)))).toEqual([-3, 2 ** 53])
    expect(() => read(BigInt64Array.of(0n, 2n ** 53n + 1n))).toThrow('element 1 is 9007199254740993, which no dtype')
    expect(() => read([1, 'two'])).toThrow('element 1 is "two"; expected a number')
    expect(() => read([3e9], { dtype: 'i32' })).toThrow('element 0 is 3000000000, which i32 cannot hold')
    expect(() => read(Float64Array.of(Number.NaN), { dtype: 'i32' })).toThrow('element 0 is NaN')
    const columns = ndarray(any(half([1.5, 2.5, 3.5, 4.5])), [2, 2], [1, 2])
    expect(numbers(fromNdarray(columns, { backend }))).toEqual([1.5, 3.5, 2.5, 4.5])
  })

  it('every conversion to i32 cuts fractions off and refuses what i32 cannot hold', () => {
    const i32 = { dtype: 'i32', backend } as const
    const conversions: Record<string, (x: number, dtype: 'f32' | 'f64') => Tensor> = {
      tensor: x => tensor([x], i32),
      'a typed array': (x, dtype) => tensor(dtype === 'f32' ? Float32Array.of(x) : Float64Array.of(x), i32),
      to: (x, dtype) => tensor([x], { dtype, backend }).to('i32'),
      full: x => full([1], x, i32),
      fromNdarray: (x, dtype) =>
        fromNdarray(ndarray(dtype === 'f32' ? Float32Array.of(0, x) : Float64Array.of(0, x), [1], [1], 1), i32),
      'fromNdarray of numbers': x => fromNdarray(ndarray([x, x], [1]), i32),
    }
    for (const [name, convert] of Object.entries(conversions)) {
      for (const dtype of ['f32', 'f64'] as const) {
        for (const bad of [
          3e9,
          -3e9,
          2 ** 31,
          -(2 ** 31) - 512,
          1e30,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          -Infinity,
        ]) {
          expect(() => convert(bad, dtype), `${name} of ${bad}`).toThrow('which i32 cannot hold: use dtype f64')
        }
        for (const x of [2 ** 31 - 128, -(2 ** 31), -0, 0.75, -2.5]) {
          expect(numbers(convert(x, dtype)), `${name} of ${x}`).toEqual([Math.trunc(x) + 0])
        }
      }
    }
    expect(() => tensor([0, 1, Number.NaN], { dtype: 'f64', backend }).to('i32')).toThrow('to: element 2 is NaN')
    expect(numbers(tensor([-(2 ** 31) - 0.5, 2 ** 31 - 0.5], { dtype: 'f64', backend }).to('i32'))).toEqual([
      -(2 ** 31),
      2 ** 31 - 1,
    ])
  })

  it('a dtype that is none is refused', () => {
    const where = { dtype: any('float32'), backend }
    for (const make of [() => tensor([1.5], where), () => zeros([2], where), () => whole.to(any('float32'))]) {
      expect(make).toThrow('a dtype is f32, f64 or i32, got float32')
    }
    expect(() => new Random(0).uniform([2], 0, 1, { dtype: 'i32', backend })).toThrow('dtype must be f32 or f64')
  })

  it('a shape that is none is refused', () => {
    for (const bad of [3, [-1], [1.5], undefined]) {
      expect(() => zeros(any(bad), { backend })).toThrow('a shape is a list of integers of at least 0')
      expect(() => new Random(0).normal(any(bad), 0, 1, { backend })).toThrow('a shape is a list of integers')
    }
    for (const bad of [-1, 1.5, Number.NaN]) expect(() => new Random(0).permutation(bad)).toThrow('an integer >= 0')
  })

  it('an axis outside of the tensor is refused', () => {
    const x = tensor([[1, 2]], { backend })
    for (const axis of [4, -4, 0.5, Number.NaN]) {
      expect(() => expandDims(x, axis)).toThrow(`expandDims: axis ${axis} is outside -3..2`)
      expect(() => stack([x], axis)).toThrow(`axis ${axis} is outside -3..2`)
      expect(() => concat([x], axis)).toThrow(`concat: axis ${axis} is outside -2..1`)
    }
    expect([0, 1, 2, -1, -3].map(axis => expandDims(x, axis).shape)).toEqual(
      [0, 1, 2, 2, 0].map(axis => [1, 2].toSpliced(axis, 0, 1)),
    )
  })

  it('places and lengths that are no integers are refused', () => {
    const x = tensor([1, 2, 3], { backend })
    const index = tensor([0, 1, 1], { dtype: 'i32', backend })
    for (const bad of [0.5, Number.NaN]) {
      expect(() => slice(x, [bad], [3])).toThrow(ShapeError)
      expect(() => slice(x, [0], [bad])).toThrow(ShapeError)
      expect(() => narrow(x, 0, bad, 1)).toThrow(ShapeError)
      expect(() => narrow(x, 0, 0, bad)).toThrow(ShapeError)
      expect(() => scatterAdd(x, index, bad)).toThrow('a shape is a list of integers')
    }
    // An axis that is not named is taken whole.
    expect(() => slice(x, [], [], [2])).toThrow(ShapeError)
    expect(() => broadcastTo(x, [-2, 3])).toThrow('a shape is a list of integers')
    expect(() => scatterAdd(x, index, -1)).toThrow('a shape is a list of integers')
    expect(numbers(slice(x, [-2], [Number.POSITIVE_INFINITY]))).toEqual([2, 3])
  })

  it('windows that do not step, and paddings that cut, are refused', () => {
    const [x, w] = [ones([1, 1, 4, 4], { backend }), ones([1, 1, 2, 2], { backend })]
    for (const bad of [0, -1, 0.5, Number.NaN, any([1])]) {
      expect(() => conv2d(x, w, undefined, { stride: bad })).toThrow('conv2d: stride is one integer of at least 1')
      expect(() => conv2d(x, w, undefined, { dilation: bad })).toThrow('conv2d: dilation')
      for (const pool of [maxPool2d, avgPool2d]) {
        expect(() => pool(x, bad, { stride: 1 })).toThrow('window is one integer of at least 1')
        expect(() => pool(x, 2, { stride: bad })).toThrow('stride is one integer of at least 1')
      }
    }
    for (const padding of [-1, 0.5]) {
      expect(() => conv2d(x, w, undefined, { padding })).toThrow('padding is one integer of at least 0')
      expect(() => avgPool2d(x, 2, { padding })).toThrow('padding is one integer of at least 0')
    }
    expect(() => conv2d(x, ones([1, 2, 2, 2], { backend }), undefined, { groups: 0.5 })).toThrow(ShapeError)
  })

  it('batch norm by the batch itself wants more than 1 value per channel', () => {
    const [weight, bias] = [ones([3], { backend }), zeros([3], { backend })]
    for (const shape of [
      [1, 3],
      [1, 3, 1, 1],
    ]) {
      const x = ones(shape, { backend })
      expect(() => batchNorm(x, weight, bias)).toThrow('expected more than 1 value per channel when training')
      const moments = { mean: zeros([3], { backend }), variance: ones([3], { backend }) }
      expect(batchNorm(x, weight, bias, moments, 0).dataSync()).toEqual(Float32Array.of(1, 1, 1))
    }
    for (const shape of [
      [2, 3],
      [1, 3, 2],
      [1, 3, 1, 2],
      [0, 3],
    ]) {
      expect(batchNorm(ones(shape, { backend }), weight, bias).shape).toEqual(shape)
    }
    expect(batchNorm(ones([2, 0], { backend }), ones([0], { backend }), zeros([0], { backend })).shape).toEqual([2, 0])
  })

  it('pads with any number, and hands cotangents to what is inside', () => {
    const x = tensor([1, 2], { backend })
    for (const value of [Number.NEGATIVE_INFINITY, Number.NaN, 3]) {
      expect(numbers(pad(x, [[1, 2]], value))).toEqual([value, 1, 2, value, value])
      const picked = grad((x: Tensor) => sum(slice(pad(x, [[1, 2]], value), [1], [3])))(x)
      expect(numbers(picked)).toEqual([1, 1])
    }
  })

  it('argmin finds the first smallest, and the first NaN', () => {
    const x = tensor(
      [
        [3, -1, -1],
        [0, Number.NaN, -9],
      ],
      { backend },
    )
    expect(numbers(argmin(x))).toEqual([1, 1])
    expect(numbers(argmin(x, 0))).toEqual([1, 1, 1])
    expect(() => argmin(zeros([0], { backend }))).toThrow('of nothing')
    const extremes = tensor([0, -(2 ** 31), 5, 2 ** 31 - 1], { dtype: 'i32', backend })
    expect(numbers(argmin(extremes))).toEqual([1])
  })

  it('squeeze takes axes of length 1 away, and no others', () => {
    const x = zeros([1, 2, 1], { backend })
    expect([squeeze(x), squeeze(x, 0), squeeze(x, -1), squeeze(x, [0, 2])].map(t => t.shape)).toEqual([
      [2],
      [2, 1],
      [1, 2],
      [2],
    ])
    expect(squeeze(zeros([1, 1], { backend })).shape).toEqual([])
    expect(() => squeeze(x, 1)).toThrow('its length is not 1')
    expect(() => squeeze(x, 3)).toThrow('squeeze: axis 3 is outside -3..2')
  })

  it('where takes numbers', () => {
    const x = tensor([-1, 2], { backend })
    expect(numbers(where(greater(x, 0), x, 0))).toEqual([0, 2])
    expect(numbers(where(greater(x, 0), 1, Number.NEGATIVE_INFINITY))).toEqual([Number.NEGATIVE_INFINITY, 1])
  })
})

it('what is no tensor is named, and what to do about it', () => {
  for (const op of [add, sub, mul]) expect(() => op(1, 2)).toThrow('wants tensors, got 1: make one with tensor(…)')
  for (const op of [div, less, maximum]) expect(() => op(1, 2)).toThrow('wants at least one tensor, got numbers only')
  expect(() => add(tensor([1]), any([1]))).toThrow('add wants tensors, got an array')
  expect(() => exp(any(undefined))).toThrow('exp wants tensors, got undefined')
  expect(() => sum(any([1, 2]))).toThrow('sum wants tensors, got an array')
  expect(() => tensor(any(BigInt64Array.of(1n)))).toThrow('expected an array of numbers, got BigInt64Array')
  expect(() => full([1], 1, { dtype: any('f16') })).toThrow(TypeError)
})

const lists = ['concat', 'stack', 'meshgrid']
it.each(Object.entries(ops).filter(([name]) => name !== 'linspace'))('%s says that it wants tensors', (name, op) => {
  for (const bad of [[1, 2], { stride: 2 }, null, undefined]) {
    const first = lists.includes(name) ? [bad] : name === 'einsum' ? 'i->' : bad
    expect(() => any(op)(first, bad, 0)).toThrow(
      /^\w+ wants tensors, got (an array|object|undefined): make one with tensor|^an op wants at least one tensor, got none/,
    )
  }
})

/** A name inside of others for one function of the library. */
const parts: Record<string, string> = { gatedProduct: 'glu' }
it.each(Object.entries(ops))('%s of integers works, or is refused by its own name', (name, op) => {
  const x = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { dtype: 'i32' },
  )
  for (const args of [[x], [x, x], [x, x, x], [x, 1], [x, x, 1, 1]]) {
    let thrown = `${name} works`
    try {
      any(op)(...args)
    } catch (error) {
      thrown = String((error as Error).message)
    }
    if (thrown.includes('dtype must be')) expect(thrown.split(/[ :(]/)[0]).toBe(parts[name] ?? name)
  }
})

it('options in place of a bias are no tensor', () => {
  const [x, w] = [ones([1, 2, 5, 5]), ones([2, 2, 3, 3])]
  for (const op of [conv2d, ops.convTranspose2d]) {
    expect(() => op(x, w, any({ stride: 2 }))).toThrow('wants tensors, got object')
  }
  expect(() => ops.conv1d(ones([1, 2, 5]), ones([2, 2, 3]), any({ stride: 2 }))).toThrow('conv1d wants tensors')
})

it('an axis, a shape or a permutation of another kind is refused by name', () => {
  const x = ones([2, 3])
  expect(() => ops.norm(x, any({ p: 1 }))).toThrow(RangeError)
  expect(() => sum(x, any('0'))).toThrow('sum: axis 0 is outside')
  expect(() => ops.reshape(x, any(-1))).toThrow('reshape: a shape is a list of integers, got -1')
  expect(() => ops.transpose(x, any(1))).toThrow('transpose: a permutation is a list of axes, got 1')
})

describe('true and false by their places', () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  const reductions = Object.entries({
    ...{ sum, mean: ops.mean, max: ops.max, min: ops.min, prod: ops.prod, any: ops.any, all: ops.all },
    ...{ sumSquares: ops.sumSquares, meanSquare: ops.meanSquare, logsumexp: ops.logsumexp },
    ...{ variance: ops.variance, std: ops.std, norm: ops.norm },
  })
  it.each(reductions)('%s refuses options in the place of keepdims', (_, reduce) => {
    for (const wrong of [{ keepdims: false }, 'false', null])
      expect(() => reduce(x, 0, any(wrong))).toThrow(/keepdims is an argument of its own, true or false, got/)
    expect(reduce(x, 0, any(1)).shape).toEqual([1, 2])
    expect(reduce(x, 0, any(undefined)).shape).toEqual([2])
  })
  it('matmul and sort refuse them too, traced as well', () => {
    expect(() => ops.matmul(x, x, any({ transposeB: true }))).toThrow(/transposeA is an argument of its own.*an object/)
    expect(() => ops.matmul(x, x, false, any('no'))).toThrow(/transposeB is an argument of its own.*"no"/)
    expect(() => grad((v: Tensor) => sum(ops.matmul(v, x, any({}))))(x)).toThrow(TypeError)
    for (const f of [ops.sort, ops.argsort]) expect(() => f(x, 0, any({ descending: false }))).toThrow(/descending/)
  })
})
