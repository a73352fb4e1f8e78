import { describe, expect, it } from 'vitest'
import { cos, exp, hessian, jacobian, js, matmul, mul, pow, sin, sum, type Tensor, tensor, wasm } from '../index.js'

const numbers = (t: Tensor) => [...t.dataSync()]

describe.each([js(), wasm()])('on $name', backend => {
  const f64 = { dtype: 'f64', backend } as const
  const close = (got: Tensor, shape: number[], want: number[]) => {
    expect(got.shape).toEqual(shape)
    numbers(got).forEach((x, i) => {
      expect(x).toBeCloseTo(want[i]!, 13)
    })
  }

  it('a jacobian has the axes of the value, then those of the input', () => {
    const a = tensor([[1, 2, 3], [4, 5, 6]], f64) // biome-ignore format: a matrix
    const x = tensor([0.3, -0.2, 0.5], f64)
    close(jacobian((x: Tensor) => matmul(a, x))(x), [2, 3], numbers(a))
    // ∂(a_ij)²/∂a_kl = 2 a_ij where ij = kl
    const squares = Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 2 * (i / 7 + 1) : 0))
    close(jacobian((a: Tensor) => pow(a, 2))(a), [2, 3, 2, 3], squares)
    close(jacobian((x: Tensor) => sum(x))(x), [3], [1, 1, 1])
  })

  it('a jacobian of trees is a tree of the value of trees of the inputs', () => {
    const inputs = { x: tensor([0.3, 0.7], f64), y: tensor(2, f64) }
    const j = jacobian(({ x, y }: { x: Tensor; y: Tensor }) => ({ p: mul(sin(x), y), q: [sum(x)] }))(inputs)
    close(j.p.x, [2, 2], [2 * Math.cos(0.3), 0, 0, 2 * Math.cos(0.7)])
    close(j.p.y, [2], [Math.sin(0.3), Math.sin(0.7)])
    close(j.q[0]!.x, [2], [1, 1])
    close(j.q[0]!.y, [], [0])
  })

  it('a hessian has the second derivatives of every pair of inputs', () => {
    const x = tensor([0.3, -0.2], f64)
    // f = e^(ab) sin a: by hand
    const f = (x: Tensor) => {
      const [a, b] = [sum(mul(x, tensor([1, 0], f64))), sum(mul(x, tensor([0, 1], f64)))]
      return mul(exp(mul(a, b)), sin(a))
    }
    const [a, b] = [0.3, -0.2]
    const [e, s, c] = [Math.exp(a * b), Math.sin(a), Math.cos(a)]
    const mixed = e * (s + a * b * s + a * c)
    close(hessian(f)(x), [2, 2], [e * (b * b * s + 2 * b * c - s), mixed, mixed, e * a * a * s])
    const h = hessian(({ a, b }: { a: Tensor; b: Tensor }) => sum(mul(cos(a), b)))({ a: x, b: tensor([2, 3], f64) })
    close(h.a.a, [2, 2], [-2 * Math.cos(0.3), 0, 0, -3 * Math.cos(0.2)])
    close(h.a.b, [2, 2], [-Math.sin(0.3), 0, 0, Math.sin(0.2)])
    close(h.b.a, [2, 2], [-Math.sin(0.3), 0, 0, Math.sin(0.2)])
    close(h.b.b, [2, 2], [0, 0, 0, 0])
  })

  it('refuses values that have no derivative', () => {
    const x = tensor([1, 2], f64)
    expect(() => jacobian(() => 1 as unknown as Tensor)(x)).toThrow('a function that returns tensors')
    expect(() => jacobian(() => tensor([1], { dtype: 'i32', backend }))(x)).toThrow('a function to f32 or f64')
    expect(() => hessian((x: Tensor) => x)(x)).toThrow('a function to a scalar')
  })
})
