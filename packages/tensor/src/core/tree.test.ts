import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  add,
  grad,
  jvp,
  type Mapped,
  mapTree,
  mul,
  scope,
  series,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
} from '../index.js'
import { leaves, named } from '../internals.js'

interface Layer {
  readonly weight: Tensor
  readonly bias?: Tensor
}
interface Network {
  readonly name: string
  readonly layers: readonly Layer[]
  readonly scales: readonly [Tensor, Tensor]
}

const network = (): Network => ({
  name: 'two layers',
  layers: [{ weight: tensor([1, 2]), bias: tensor([3, 4]) }, { weight: tensor([5, 6]) }],
  scales: [tensor(2), tensor(3)],
})
const loss = ({ layers, scales }: Network): Tensor =>
  add(sum(mul(layers[0]!.weight, scales[0])), sum(mul(layers[1]!.weight, scales[1])))

describe('trees keep their types', () => {
  it('a gradient has the type and the structure of the parameters', () => {
    const gradient = grad(loss)(network())
    expectTypeOf(gradient).toEqualTypeOf<Network>()
    expect(gradient.name).toBe('two layers')
    expect(leaves(gradient).map(g => g.toArray())).toEqual([[2, 2], [0, 0], [3, 3], 3, 11])
  })

  it('valueAndGrad infers parameters, further arguments and what the function returns on the side', () => {
    const step = valueAndGrad((p: Network, n: number) => [mul(loss(p), n), { n, half: mul(p.scales[0], 0.5) }] as const)
    const [value, gradient, aux] = step(network(), 2)
    expectTypeOf(step).parameters.toEqualTypeOf<[Network, number]>()
    expectTypeOf(value).toEqualTypeOf<Tensor>()
    expectTypeOf(gradient).toEqualTypeOf<Network>()
    expectTypeOf(aux.half).toEqualTypeOf<Tensor>()
    expectTypeOf(aux.n).toEqualTypeOf<number>()
    expect([value.item(), aux.n, aux.half.item()]).toEqual([78, 2, 1])
  })

  it('vjp, jvp and series infer the function from the inputs', () => {
    const inputs = { a: tensor([1, 2]), pair: [tensor([3, 4]), 7] as const }
    const { pullback } = vjp(({ a, pair: [b, n] }) => mul(mul(a, b), n), inputs)
    const cotangents = pullback(tensor([1, 1]))
    expectTypeOf(cotangents).toEqualTypeOf<typeof inputs>()
    expect(cotangents.pair[0].toArray()).toEqual([7, 14])
    expect(jvp(({ a, pair: [b] }) => mul(a, b), inputs, inputs)[1].toArray()).toEqual([6, 16])
    expect(series(({ line }) => mul(line, line), { line: tensor([[1], [1]]) }, 2).toArray()).toEqual([[1], [2], [1]])
  })

  it('mapTree maps the type at every tensor and leaves the others', () => {
    const sizes = mapTree(t => t.size, network())
    expectTypeOf(sizes.layers[0]!.weight).toEqualTypeOf<number>()
    expectTypeOf(sizes.layers[0]!.bias).toEqualTypeOf<number | undefined>()
    expectTypeOf(sizes.scales).toEqualTypeOf<readonly [number, number]>()
    expectTypeOf(sizes.name).toEqualTypeOf<string>()
    expectTypeOf<Mapped<{ f: (t: Tensor) => Tensor }, number>>().toEqualTypeOf<{ f: (t: Tensor) => Tensor }>()
    expect(sizes).toEqual({ name: 'two layers', layers: [{ weight: 2, bias: 2 }, { weight: 2 }], scales: [1, 1] })
  })

  it('a scope returns what its body returns', () => {
    expectTypeOf(scope(network)).toEqualTypeOf<Network>()
  })

  it('the names of tensors are the keys that lead to them, and two of one name are refused', () => {
    expect(Object.keys(named(network()))).toEqual([
      'layers.0.weight',
      'layers.0.bias',
      'layers.1.weight',
      'scales.0',
      'scales.1',
    ])
    const twice = { 'a.b': tensor(1), a: { b: tensor(2) } }
    expect(() => named(twice)).toThrow('two tensors of a tree have the name "a.b": rename a key')
  })
})
