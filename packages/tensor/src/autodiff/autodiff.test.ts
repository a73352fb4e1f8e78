import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  add,
  argmax,
  cos,
  crossEntropy,
  DisposedError,
  exp,
  eye,
  gated,
  gather,
  grad,
  gradcheck,
  jvp,
  keep,
  linear,
  matmul,
  mean,
  mul,
  ones,
  pow,
  Random,
  RuleError,
  release,
  relu,
  reshape,
  ShapeError,
  scope,
  series,
  sin,
  slice,
  softmax,
  sum,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  vjp,
  wasm,
  zeros,
} from '../index.js'
import { type Dense, leaves, trimmedSeries } from '../internals.js'

const f64 = { dtype: 'f64' } as const
const at = (x: number) => tensor(x, f64)
const read = (t: Tensor) => [...t.dataSync()]

describe('grad', () => {
  it('grad gives the gradient over a tree, in its structure', () => {
    const f = ({ w, list }: { w: Tensor; list: Tensor[] }) => sum(mul(w, list[0]!))
    const g = grad(f)({ w: tensor([1, 2], f64), list: [tensor([3, 4], f64), at(9)] })
    expect(read(g.w)).toEqual([3, 4])
    expect(read(g.list[0]!)).toEqual([1, 2])
    expect(read(g.list[1]!)).toEqual([0]) // not used: zero
  })

  it('differentiates the first argument only and passes the others on', () => {
    const g = grad((x: Tensor, y: Tensor, n: number) => mul(sum(mul(x, y)), n))
    expect(read(g(tensor([1, 2], f64), tensor([5, 6], f64), 10))).toEqual([50, 60])
  })

  it('adds up the uses of one value', () => {
    expect(grad((x: Tensor) => add(mul(x, x), mul(x, 3)))(at(2)).item()).toBe(7)
  })

  it('nests: derivatives of derivatives, to any order', () => {
    let f = (x: Tensor): Tensor => sin(x)
    const wanted = [Math.sin, Math.cos, (x: number) => -Math.sin(x), (x: number) => -Math.cos(x), Math.sin, Math.cos]
    for (const want of wanted) {
      expect(f(at(0.7)).item()).toBeCloseTo(want(0.7), 14)
      f = grad(f)
    }
  })

  it('of powers is what its limit is at 0, and that of x·x·x at negative x', () => {
    const powers = ([a, b]: readonly Tensor[]) => pow(a!, b!)
    const slopes = (a: number, b: number) => grad(powers)([at(a), at(b)]).map(g => g.item())
    expect([slopes(0, 0)[0], slopes(0, 1), slopes(0, 3), slopes(2, 0)]).toEqual([0, [1, 0], [0, 0], [0, Math.LN2]])
    expect(slopes(-2, 3)[0]).toBe(12)
    // ∂²(a^b)/∂a∂b = a^(b−1) (1 + b log a), at b = 0 too.
    expect(grad((b: Tensor) => grad((a: Tensor) => powers([a, b]))(at(2)))(at(0)).item()).toBe(0.5)
    for (const r of [0, 1, 2]) expect(grad((x: Tensor) => pow(x, r))(at(0)).item()).toBe(r === 1 ? 1 : 0)

    const line = tensor([[-2], [1]], f64)
    const cubes = series((x: Tensor) => pow(x, tensor([3, -1], f64)), line, 3)
    const wanted = [-8, -0.5, 12, -0.25, -6, -0.125, 1, -0.0625]
    read(cubes).forEach((c, i) => expect(c).toBeCloseTo(wanted[i]!, 14))
  })

  it('keeps the levels of nested derivatives apart', () => {
    // d/dx [ x · d/dy (x + y) ] = 1: a confusion of the two would give 2.
    const outer = grad((x: Tensor) => mul(x, grad((y: Tensor) => add(x, y))(at(1))))
    expect(outer(at(5)).item()).toBe(1)
    const mixed = grad((x: Tensor) => mul(x, jvp((y: Tensor) => mul(x, y), at(1), at(1))[1]))
    expect(mixed(at(5)).item()).toBe(10)
  })

  it('returns what the function gives on the side', () => {
    const [value, g, aux] = valueAndGrad((x: Tensor): [Tensor, { twice: Tensor; n: number }] => [
      sum(x),
      { twice: mul(x, 2), n: 3 },
    ])(tensor([1, 2], f64))
    expect([value.item(), read(g), read(aux.twice), aux.n]).toEqual([3, [1, 1], [2, 4], 3])
  })

  it('refuses a value that is no scalar, and tracers that escaped', () => {
    expect(() => grad((x: Tensor) => x)(tensor([1, 2]))).toThrow(ShapeError)
    let escaped: Tensor | undefined
    grad((x: Tensor) => {
      escaped = x
      return sum(x)
    })(tensor([1, 2]))
    expect(() => grad((x: Tensor) => sum(mul(x, escaped!)))(tensor([1, 2]))).toThrow(RuleError)
    expect(() => escaped!.dataSync()).toThrow('traced')
  })

  it('frees what it made, and keeps what it returns', () => {
    const x = tensor([1, 2], f64)
    let inner: Tensor | undefined
    const [value, g] = valueAndGrad((v: Tensor) => {
      const y = mul(v, v)
      inner = y
      return sum(y)
    })(x)
    expect([value.item(), read(g)]).toEqual([5, [2, 4]])
    expect(() => inner!.dense()[0]!.dataSync()).toThrow(DisposedError)
    expect(() => inner!.dense()[0]!.dataSync()).toThrow('mul')
  })
})

describe('vjp', () => {
  it('carries stacked cotangents through a network in one pass', () => {
    const random = new Random(1)
    const x = random.normal([3, 4], 0, 1, f64)
    const w = random.normal([5, 4], 0, 1, f64)
    const labels = tensor([1, 0, 4], { dtype: 'i32' })
    const { value, pullback } = vjp(
      ({ x, w }: { x: Tensor; w: Tensor }) => reshape(crossEntropy(tanh(linear(x, w)), labels), [1]),
      { x, w },
    )
    const both = pullback(tensor([[1], [-2]], f64))
    const one = pullback(ones(value.shape, f64))
    expect(both.w.shape).toEqual([2, 5, 4])
    read(both.w).forEach((g, i) => {
      expect(g).toBeCloseTo(read(one.w)[i % 20]! * (i < 20 ? 1 : -2), 14)
    })
  })

  it('the Hessian of cross-entropy is diag(p) − p pᵀ, through its fused gradient', () => {
    const x = tensor([[0.3, -1, 0.5]], f64)
    const slope = grad((x: Tensor) => crossEntropy(x, tensor([2], { dtype: 'i32' })))
    const p = read(softmax(x))
    const { value, pullback } = vjp(slope, x)
    read(value).forEach((g, i) => expect(g).toBeCloseTo(p[i]! - Number(i === 2), 15))
    const rows = read(pullback(reshape(eye(3, f64), [3, 1, 3])))
    rows.forEach((h, at) => {
      const [i, j] = [Math.floor(at / 3), at % 3]
      expect(h).toBeCloseTo(p[i]! * (Number(i === j) - p[j]!), 15)
    })
  })

  it('names a cotangent of another shape or dtype', () => {
    const { pullback } = vjp((x: Tensor) => mul(x, 2), tensor([1, 2], f64))
    expect(() => pullback(tensor([1, 2, 3], f64))).toThrow('[lead..., 2]')
    expect(() => pullback(tensor([1, 2]))).toThrow('f64')
  })
})

describe('series', () => {
  it('gives the Taylor coefficients of a composite', () => {
    // exp(sin t) = 1 + t + t²/2 − t⁴/8 − t⁵/15 − …
    const c = read(series((t: Tensor) => exp(sin(t)), tensor([0, 1], f64), 6))
    ;[1, 1, 1 / 2, 0, -1 / 8, -1 / 15, -1 / 240].forEach((want, k) => {
      expect(c[k]).toBeCloseTo(want, 15)
    })
  })

  it('pads what vanishes, unless asked not to', () => {
    const linearOne = (t: Tensor) => mul(t, 2)
    expect(read(series(linearOne, tensor([1, 1], f64), 4))).toEqual([2, 2, 0, 0, 0])
    expect(read(trimmedSeries(linearOne, tensor([1, 1], f64), 4))).toEqual([2, 2])
    expect(read(series(() => at(3), tensor([1, 1], f64), 1))).toEqual([3, 0])
  })

  it('obeys the algebra of power series', () => {
    const coefficients = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(coefficients, coefficients, fc.integer({ min: 0, max: 7 }), (a, b, order) => {
        const inputs = { a: tensor(a, f64), b: tensor(b, f64) }
        const of = (f: (x: { a: Tensor; b: Tensor }) => Tensor) => read(series(f, inputs, order))
        const close = (p: number[], q: number[]) => {
          const size = Math.max(1, ...p.map(Math.abs))
          p.forEach((x, k) => expect(Math.abs(x - q[k]!)).toBeLessThanOrEqual(1e-12 * size))
        }
        close(
          of(({ a, b }) => exp(add(a, b))),
          of(({ a, b }) => mul(exp(a), exp(b))),
        )
        close(
          of(({ a }) => add(pow(sin(a), 2), pow(cos(a), 2))),
          [1, ...new Array(order).fill(0)],
        )
        close(
          of(({ a, b }) => sin(add(a, b))),
          of(({ a, b }) => add(mul(sin(a), cos(b)), mul(cos(a), sin(b)))),
        )
      }),
      { numRuns: 50 },
    )
  })

  it('can be differentiated in its coefficients (reverse over series), and differentiates tapes (series over reverse)', () => {
    const c = tensor([0.3, -0.4, 0.2], f64)
    for (const f of [tanh, softmax1, (t: Tensor) => exp(mul(t, t))]) {
      gradcheck(s => sum(mul(series(f, s!, 4), tensor([1, -2, 3, 0.5, 1], f64))), [c])
    }
    // d/dt of t ↦ ∇(sin)(t) = cos t
    const [value, slope] = jvp(
      grad((x: Tensor) => sin(x)),
      at(0.4),
      at(1),
    )
    expect(value.item()).toBeCloseTo(Math.cos(0.4), 15)
    expect(slope.item()).toBeCloseTo(-Math.sin(0.4), 15)
  })

  it('refuses negative orders and stacks without orders', () => {
    expect(() => series(tanh, at(1), 2)).toThrow(ShapeError)
    expect(() => series(tanh, zeros([0]), 2)).toThrow(ShapeError)
    expect(() => series(tanh, tensor([1]), -1)).toThrow(RangeError)
    expect(() => jvp(tanh, at(1), tensor([1, 2], f64))).toThrow('tangent')
    for (const tangents of [[at(1)], [at(1), at(1), at(1)], { a: at(1), b: at(1) }, at(1)]) {
      const pair: unknown = [at(1), at(2)]
      expect(() => jvp(([a, b]: Tensor[]) => add(a!, b!), pair as Tensor[], tangents as Tensor[])).toThrow('tangent')
    }
    expect(() => series(() => 3 as unknown as Tensor, tensor([1]), 1)).toThrow('a function that returns a tensor')
    expect(() => gated(tanh, tensor([1, 2]), tensor([[1]]), 1)).toThrow('gated wants [stored orders,2]')
    expect(() => gradcheck(() => at(1), [])).toThrow('at least one input')
  })
})

const softmax1 = (t: Tensor) => slice(softmax(reshape(add(mul(t, tensor([1, 2, 3], f64)), 1), [1, 3])), [0, 1], [1, 2])

describe('scope', () => {
  it('disposes all but what it returns', () => {
    const made: Dense[] = []
    const kept = scope(() => {
      made.push(ones([2]), ones([2]), ones([2]))
      keep(made[2]!)
      return { a: [made[0]!] }
    })
    expect(made.map(t => t.disposed)).toEqual([false, true, false])
    expect(leaves(kept)).toEqual([made[0]])
  })

  it('disposes when the body throws', () => {
    let t: Dense | undefined
    expect(() =>
      scope(() => {
        t = ones([2])
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(t!.disposed).toBe(true)
  })

  it('nests, releases early, and waits for a tape', () => {
    scope(() => {
      const inner = scope(() => ones([1]))
      expect(inner.disposed).toBe(false)
      release(inner)
      expect(inner.disposed).toBe(true)
    })
    const outside = ones([1])
    scope(() => release(outside))
    expect(outside.disposed).toBe(false)
    expect(grad((x: Tensor) => sum(scope(() => mul(relu(x), x))))(at(3)).item()).toBe(6)
  })

  it('results that are disposed by hand need no scope', () => {
    const backend = wasm()
    const x = tensor([1, 2], { backend })
    {
      using y = add(x, 1)
      expect(read(y)).toEqual([2, 3])
    }
    const z = mul(x, 2).to('f64')
    expect([z.dtype, ...read(z)]).toEqual(['f64', 2, 4])
    z.dispose()
    expect(() => z.dataSync()).toThrow(DisposedError)
    // Inside of a gradient the tape needs the value until it has run.
    const g = grad((w: Tensor) => {
      using h = mul(w, w)
      return sum(h)
    })(x)
    expect(read(g)).toEqual([2, 4])
    expect(() => grad((w: Tensor) => sum(w.to('f64')))(x)).toThrow('convert what goes in')
  })

  it('grad, series and jvp free their intermediate tensors', () => {
    const x = tensor([1, 2], f64)
    const made: Tensor[] = []
    const f = (t: Tensor) => {
      const square = mul(t, t)
      made.push(square)
      return sum(square)
    }
    const results = [grad(f)(x), series(f, tensor([[1, 2]], f64), 2), ...jvp(f, x, x)]
    expect(results.map(read)).toEqual([[2, 4], [5, 0, 0], [5], [10]])
    expect(made.flatMap(t => t.dense().map(d => d.disposed))).toEqual([true, true, true])
    // The value that grad leaves out.
    let value: Dense | undefined
    grad((t: Tensor) => {
      const s = sum(t)
      value = s.dense()[0]!
      return s
    })(x)
    expect(value!.disposed).toBe(true)
  })

  it('wants a synchronous body', () => {
    expect(() => scope(async () => ones([1]))).toThrow('synchronous')
  })
})

describe('errors', () => {
  it('name the op, what it wants and what it got', () => {
    expect(() => matmul(ones([2, 3], f64), ones([2, 2], f64))).toThrow(
      'matmul wants [...,m,k], [...,k,n] -> [...,m,n]\ngot f64[2,3], f64[2,2]: 3 ≠ 2',
    )
    expect(() => add(ones([2, 3]), ones([2]))).toThrow('add wants [...], [...] -> [...]\ngot f32[2,3], f32[2]')
    expect(() => add(ones([2], f64), ones([2]))).toThrow("dtypes differ; convert one with .to('f32' | 'f64')")
    expect(() => mean(ones([2, 3]), 2)).toThrow('axis 2 is outside -2..1')
    const loss = (x: Tensor) => crossEntropy(x, tensor([0, 3], { dtype: 'i32' }))
    for (const f of [loss, grad(loss), (x: Tensor) => series(loss, reshape(x, [1, 2, 3]), 1)]) {
      expect(() => f(ones([2, 3]))).toThrow(RangeError)
      expect(() => f(ones([2, 3]))).toThrow('label 3 of row 1')
    }
    const empty = (x: Tensor) => crossEntropy(x, zeros([0], { dtype: 'i32' }))
    for (const f of [empty, grad(empty)]) expect(() => f(ones([0, 3]))).toThrow('the batch is empty')
    expect(() => tensor([[1, 2], [3]])).toThrow('nested arrays differ')
  })

  it('refuse derivatives of integers by the name of the function, and say how to convert', () => {
    const n = tensor([1, 2, 3], { dtype: 'i32' })
    const x = tensor([1, 2, 3])
    const convert = "got i32[3]: integers have no derivatives; convert them with .to('f32' | 'f64')"
    const total = (t: Tensor) => sum(mul(t, t))
    expect(() => grad(total)(n)).toThrow(`grad wants inputs of dtype f32 or f64\n${convert}`)
    expect(() => valueAndGrad(total)(n)).toThrow(`valueAndGrad wants inputs of dtype f32 or f64\n${convert}`)
    expect(() => vjp(total, n)).toThrow(`vjp wants inputs of dtype f32 or f64\n${convert}`)
    expect(() => jvp(total, n, n)).toThrow(`jvp wants primals of dtype f32 or f64\n${convert}`)
    expect(() => series(total, reshape(n, [1, 3]), 1)).toThrow(
      'series wants coefficients of dtype f32 or f64\ngot i32[1,3]',
    )
    expect(() => grad((p: { x: Tensor; n: Tensor }) => sum(p.x))({ x, n })).toThrow(
      'grad wants inputs of dtype f32 or f64',
    )
    expect(() => grad(t => sum(argmax(t, 0)))(x)).toThrow(
      'grad wants a function to a scalar of dtype f32 or f64\ngot i32[]',
    )
    // Integers may still enter beside what is differentiated.
    expect(read(grad((t: Tensor, i: Tensor) => sum(gather(t, i)))(x, tensor([2, 2], { dtype: 'i32' })))).toEqual([
      0, 0, 2,
    ])
  })
})
