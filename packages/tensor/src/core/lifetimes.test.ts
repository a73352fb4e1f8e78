import { DisposedError as OfBuffers } from '@unravel/kernels'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  add,
  addScaled,
  affine,
  broadcastTo,
  ceil,
  clip,
  concat,
  cumprod,
  cumsum,
  DisposedError,
  dropout,
  exp,
  floor,
  gated,
  grad,
  js,
  jvp,
  linear,
  memory,
  mul,
  narrow,
  ones,
  pad,
  pow,
  prod,
  Random,
  relu,
  reshape,
  resize,
  roll,
  round,
  scope,
  series,
  slice,
  squeeze,
  stack,
  stopGradient,
  sub,
  sum,
  swapAxes,
  type Tensor,
  tanh,
  tensor,
  transpose,
  useBackend,
  valueAndGrad,
  vjp,
  wasm,
} from '../index.js'
import { addAligned, type Dense } from '../internals.js'

const read = (t: Tensor) => [...t.dataSync()]

/** Calls that have nothing to do. */
const idle: Record<string, (x: Tensor) => Tensor> = {
  'mul(x, 1)': x => mul(x, 1),
  'mul(1, x)': x => mul(1, x),
  'add(x, 0)': x => add(x, 0),
  'add(0, x)': x => add(0, x),
  'sub(x, 0)': x => sub(x, 0),
  'affine(x, 1, 0)': x => affine(x, 1, 0),
  'pow(x, 1)': x => pow(x, 1),
  reshape: x => reshape(x, [2, 3]),
  'reshape with −1': x => reshape(x, [2, -1]),
  squeeze: x => squeeze(x),
  slice: x => slice(x, [0, 0], [null, 3]),
  'slice of no axes': x => slice(x, [], []),
  narrow: x => narrow(x, 1, 0, 3),
  transpose: x => transpose(x, [0, 1]),
  swapAxes: x => swapAxes(x, 1, -1),
  'concat of one': x => concat([x]),
  'stack of one': x => squeeze(stack([x]), 0),
  stopGradient: x => stopGradient(x),
  broadcastTo: x => broadcastTo(x, [2, 3]),
  'to its dtype': x => x.to('f64'),
  'to its backend': x => x.to((x as Dense).backend),
  'scope around one of them': x => scope(() => mul(x, 1)),
  'clip without bounds': x => clip(x, null, null),
  'dropout of nothing': x => dropout(x, 0, new Random(1)),
  'dropout outside of training': x => dropout(x, 0.5, new Random(1), false),
  'roll by a whole turn': x => roll(x, 3, 1),
  'pad by nothing': x => pad(x, [[0, 0], [0, 0]]), // biome-ignore format: one pair for each axis
  'pad by nothing of an edge': x => pad(x, [[0, 0], [0, 0]], 'edge'), // biome-ignore format: one pair for each axis
}

/** The same, of tensors of other shapes and dtypes. */
const idleElsewhere: Record<
  string,
  readonly [shape: readonly number[], dtype: 'f64' | 'i32', f: (x: Tensor) => Tensor]
> = {
  'round of i32': [[2], 'i32', round],
  'floor of i32': [[2], 'i32', floor],
  'ceil of i32': [[2], 'i32', ceil],
  'cumsum of one': [[1, 2], 'f64', x => cumsum(x, 0)],
  'cumprod of one': [[1, 2], 'f64', x => cumprod(x, 0)],
  'resize to the size': [[1, 1, 2], 'f64', x => resize(x, [2])],
  'prod of one': [[1, 2], 'f64', x => prod(x, 0, true)],
}

describe.each([js(), wasm()])('on $name', backend => {
  const where = { dtype: 'f64', backend } as const
  const numbers = [1, 2, 3, 4, 5, 6]
  const make = () => tensor(Float64Array.from(numbers), { shape: [2, 3], backend })
  beforeEach(() => {
    const before = useBackend(backend)
    return () => void useBackend(before)
  })

  describe.each(Object.entries(idle))('a result owns itself: %s', (_, f) => {
    it('outlives its input, and its input outlives it', () => {
      const x = make()
      const y = f(x)
      y.dispose()
      expect(read(x)).toEqual(numbers)
      const z = f(x)
      x.dispose()
      expect(read(z)).toEqual(numbers)
      expect(() => f(x)).toThrow(DisposedError)
      z.dispose()
      expect(() => z.dataSync()).toThrow(DisposedError)
    })

    it('value, gradient and series own themselves', () => {
      if (f === idle['to its dtype'] || f === idle['to its backend']) return
      const x = make()
      const line = stack([x, x])
      const u = make()
      const { value, pullback } = vjp(f, x)
      const results = [value, pullback(u), series(f, line, 1), ...jvp(f, x, x)]
      for (const t of results) t.dispose()
      expect([x, u, line].map(read)).toEqual([numbers, numbers, [...numbers, ...numbers]])
    })
  })

  it.each(Object.entries(idleElsewhere))('%s owns itself', (_, [shape, dtype, f]) => {
    const x = ones(shape, { dtype, backend })
    f(x).dispose()
    expect(read(x)).toEqual([1, 1])
    const y = f(x)
    x.dispose()
    expect(read(y)).toEqual([1, 1])
  })

  it('values, gradients, series and paths of the identity and of constants own themselves', () => {
    const x = tensor(3, where)
    const k = tensor(5, where)
    const line = tensor([3, 1], where)
    const [value, gradient] = valueAndGrad((x: Tensor) => x)(x)
    const constant = valueAndGrad((_: Tensor) => k)(x)[0]
    const taken = gated((h: Tensor) => h, x, reshape(x, [1]), 2)
    const fixed = gated(() => k, x, reshape(x, [1]), 2)
    const pair = valueAndGrad(({ a, b }: { a: Tensor; b: Tensor }) => [add(a, b), a] as const)({ a: x, b: x })
    const made = [value, gradient, constant, series((t: Tensor) => t, line, 1), taken.value, taken.stack, fixed.value]
    for (const t of [...made, pair[0], pair[2], pair[1].a]) t.dispose()
    expect([x, k, line, pair[1].b].map(read)).toEqual([[3], [5], [3, 1], [1]])
  })

  it('a disposed tensor and a released buffer throw the same class, which names the op', () => {
    const t = tanh(tensor([1, 2]))
    t.dispose()
    expect(() => t.dataSync()).toThrow(OfBuffers)
    expect(() => t.dataSync()).toThrow(/made by tanh was disposed/)
  })

  describe('what a tape needs it holds', () => {
    const c = () => tensor([2, 3], where)

    it('constants that the function disposes', () => {
      const k = c()
      const f = (w: Tensor) => {
        using twice = mul(k, 2)
        using product = mul(w, twice)
        const squares = mul(product, product)
        const early = exp(k)
        const y = add(squares, mul(w, early))
        early.dispose()
        expect(() => read(early)).toThrow(DisposedError)
        return sum(y)
      }
      const w = tensor([1, 2], where)
      // Σ 4k²w² + w eᵏ: slopes 8k²w + eᵏ, second derivatives 8k².
      const slopes = [8 * 4 + Math.exp(2), 8 * 9 * 2 + Math.exp(3)]
      const close = (t: Tensor, wanted: number[]) => read(t).forEach((g, i) => expect(g).toBeCloseTo(wanted[i]!, 12))
      close(grad(f)(w), slopes)
      close(
        scope(() => vjp(f, w).pullback(tensor(1, where))),
        slopes,
      )
      close(grad((w: Tensor) => sum(grad(f)(w)))(w), [32, 72])
      close(jvp(grad(f), w, tensor([1, 1], where))[1], [32, 72])
      close(grad((w: Tensor) => jvp(f, w, tensor([1, 1], where))[1])(w), [32, 72])
      close(series(f, stack([w, w]), 1), [16 + Math.exp(2) + 144 + 2 * Math.exp(3), slopes[0]! + 2 * slopes[1]!])
      const paths = gated(
        h =>
          mul(
            h,
            scope(() => exp(k)),
          ),
        w,
        reshape(w, [1, 2]),
        1,
      )
      close(paths.stack, [Math.exp(2), 2 * Math.exp(3)])
    })

    it('inputs, constants and the value, disposed between the run and the pullback', () => {
      const [x, k] = [c(), c()]
      const { value, pullback } = vjp((x: Tensor) => exp(mul(x, k)), x)
      const wanted = [2, 3].map(v => v * Math.exp(v * v))
      for (const t of [x, k, value]) t.dispose()
      for (let i = 0; i < 2; i++) {
        const u = tensor([1, 1], where)
        const g = pullback(u)
        u.dispose()
        read(g).forEach((v, j) => expect(v).toBeCloseTo(wanted[j]!, 9))
        g.dispose()
      }
    })

    it('and nothing once it is done', () => {
      const [x, k] = [c(), c()]
      const f = (x: Tensor) => {
        using a = mul(k, 1)
        using b = mul(k, 2)
        return sum(tanh(mul(add(mul(x, a), b), 1)))
      }
      const line = reshape(x, [1, 2])
      const once = () => {
        const [value, gradient] = valueAndGrad(f)(x)
        for (const t of [grad(f)(x), value, gradient, ...jvp(f, x, x), series(f, line, 2)]) t.dispose()
      }
      once()
      const before = memory(backend)
      for (let i = 0; i < 20; i++) once()
      expect({ ...memory(backend), reserved: 0 }).toEqual({ ...before, reserved: 0 })
    })
  })

  describe('a deferred product', () => {
    const inputs = () =>
      [
        tensor([[1, 2]], where),
        tensor(
          [
            [3, 4],
            [5, 6],
          ],
          where,
        ),
        tensor([0.5, -0.5], where),
      ] as const
    // x Wᵀ + b = [11.5, 16.5]
    const y = [11.5, 16.5]
    const deferred = <T>(use: (y: Tensor, x: Tensor, w: Tensor, b: Tensor) => T): T =>
      scope(() => {
        const [x, w, b] = inputs()
        return use(linear(x, w, b), x, w, b)
      })

    it('a deferred product may be both operands of one op', () => {
      const times = (n: number) => y.map(v => n * v)
      expect(read(deferred(y => addScaled(y, y, 2)))).toEqual(times(3))
      expect(read(deferred(y => addAligned(y, y, 0, 2)))).toEqual(times(3))
      expect(read(deferred(y => addAligned(y, y, 1, 2)))).toEqual([...y, ...times(2)])
      expect(read(deferred(y => add(y, y)))).toEqual(times(2))
      expect(read(deferred(y => mul(y, y)))).toEqual(y.map(v => v * v))
      expect(read(deferred((y, _x, w, b) => linear(y, w, b)))).toEqual([101, 156])
      const row = scope(() => {
        const y = linear(tensor([[1]]), tensor([[11]]))
        return addScaled(y, y, 2)
      })
      expect(read(row)).toEqual([33])
    })

    it('a deferred product is used by one op after another', () => {
      expect(deferred(y => [tanh(y), relu(y), addScaled(y, y, -1), y, exp(mul(y, 0))].map(read))).toEqual([
        y.map(Math.tanh),
        y,
        [0, 0],
        y,
        [1, 1],
      ])
      expect(deferred((y, x) => [addScaled(x, y, 1), addScaled(y, x, 1), tanh(y)].map(read))).toEqual([
        [12.5, 18.5],
        [12.5, 18.5],
        y.map(Math.tanh),
      ])
    })

    it('a deferred product is computed after its inputs were disposed, and not after itself was', () => {
      const spent = (use: (y: Tensor) => Tensor) =>
        read(
          deferred((y, x, w, b) => {
            for (const t of [x, w, b]) t.dispose()
            // Takes the memory, if it was freed.
            for (let i = 0; i < 4; i++) tensor([[7, 7]], where)
            return use(y)
          }),
        )
      expect(spent(y => y)).toEqual(y)
      expect(spent(y => relu(y))).toEqual(y)
      expect(spent(y => addScaled(y, y, 1))).toEqual(y.map(v => 2 * v))
      for (const use of [relu, exp, (y: Tensor) => addScaled(y, y, 1), (y: Tensor) => addAligned(y, y, 0)]) {
        expect(() =>
          deferred(y => {
            y.dispose()
            return use(y)
          }),
        ).toThrow(DisposedError)
      }
    })

    it('leaves nothing behind when it is disposed unread', () => {
      const before = memory(backend)
      deferred(y => y.dispose())
      deferred(y => void addScaled(y, y, 2))
      deferred(() => {})
      expect({ ...memory(backend), reserved: 0 }).toEqual({ ...before, reserved: 0 })
    })
  })
})
