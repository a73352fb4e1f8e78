import { describe, expect, it } from 'vitest'
import {
  type Alignment,
  gated,
  grad,
  js,
  jvp,
  mul,
  Random,
  reshape,
  scaledDotProductAttention,
  series,
  stack,
  sum,
  type Tensor,
  tensor,
  wasm,
} from '../../index.js'

/** softmax over the keys that are seen, row by row, by the definition; values have three columns. */
function definition(
  q: number[][],
  k: number[][],
  v: number[][],
  sees: (i: number, j: number) => boolean,
  scale: number,
) {
  return q.map((row, i) => {
    const weights = k.map((key, j) => (sees(i, j) ? Math.exp(scale * row.reduce((s, x, d) => s + x * key[d]!, 0)) : 0))
    const total = weights.reduce((a, b) => a + b, 0)
    return [0, 1, 2].map(d => (total === 0 ? 0 : weights.reduce((s, w, j) => s + w * v[j]![d]!, 0) / total))
  })
}

const rows = (t: Tensor): number[][] => {
  const [m, n] = t.shape as [number, number]
  const data = [...t.dataSync()]
  return Array.from({ length: m }, (_, i) => data.slice(i * n, (i + 1) * n))
}

describe.each([js(), wasm()])('attention on $name', backend => {
  const where = { dtype: 'f64', backend } as const
  const of = (m: number, n: number) => {
    const random = new Random(m * 10 + n)
    return {
      q: random.normal([m, 2], 0, 1, where),
      k: random.normal([n, 2], 0, 1, where),
      v: random.normal([n, 3], 0, 1, where),
    }
  }
  type Inputs = ReturnType<typeof of>
  type Options = NonNullable<Parameters<typeof scaledDotProductAttention>[3]>
  const attend = (options: Options) => (x: Record<keyof Inputs, Tensor>) =>
    scaledDotProductAttention(x.q, x.k, x.v, { scale: 0.7, ...options })

  const sizes = [
    [3, 3],
    [2, 4],
    [5, 2],
    [3, 1],
    [2, 0],
  ] as const
  const kinds = [
    ['lowerRight', (i: number, j: number, m: number, n: number) => j <= i + n - m],
    ['upperLeft', (i: number, j: number) => j <= i],
    ['a mask', (i: number, j: number) => i % 2 === 1 && j !== 1],
    ['a mask and causal', (i: number, j: number, m: number, n: number) => i % 2 === 1 && j <= i + n - m],
  ] as const

  describe.each(sizes)('%i queries and %i keys', (m, n) => {
    it.each(kinds)('%s: a query that sees no key gives 0, in every interpreter', (kind, sees) => {
      const inputs = of(m, n)
      const visible = (i: number, j: number) => sees(i, j, m, n)
      const mask = Array.from({ length: m }, (_, i) =>
        Array.from({ length: n }, (_, j) => Number(i % 2 === 1 && j !== 1)),
      )
      const all = Array.from({ length: m }, (_, i) => Array.from({ length: n }, () => Number(i % 2 === 1)))
      const given = (rows: number[][]) => tensor(Float64Array.from(rows.flat()), { shape: [m, n], backend })
      const options: Options =
        kind === 'a mask'
          ? { mask: given(mask) }
          : kind === 'a mask and causal'
            ? { mask: given(all), causal: true }
            : { causal: kind as Alignment }
      const f = attend(options)
      const want = definition(rows(inputs.q), rows(inputs.k), rows(inputs.v), visible, 0.7).flat()
      const close = (t: Tensor, numbers: readonly number[]) => {
        expect(t.size).toBe(numbers.length)
        t.dataSync().forEach((x, i) => expect(Math.abs(x - numbers[i]!)).toBeLessThan(1e-12))
      }
      close(f(inputs), want)

      // Slopes against central differences; they vanish where nothing is seen.
      const g = grad((x: Inputs) => sum(f(x)))(inputs)
      for (const key of ['q', 'k', 'v'] as const) {
        const data = inputs[key].dataSync()
        const at = (e: number, h: number) => {
          const moved = tensor(
            Float64Array.from(data, (x, i) => (i === e ? x + h : x)),
            { shape: inputs[key].shape, backend },
          )
          return sum(f({ ...inputs, [key]: moved })).item()
        }
        g[key].dataSync().forEach((slope, e) => expect(slope).toBeCloseTo((at(e, 1e-5) - at(e, -1e-5)) / 2e-5, 8))
      }
      for (let i = 0; i < m; i++) {
        if (Array.from({ length: n }, (_, j) => visible(i, j)).some(Boolean)) continue
        expect([...g.q.dataSync()].slice(2 * i, 2 * i + 2).map(Math.abs)).toEqual([0, 0])
      }

      const [value, tangent] = jvp(f, inputs, inputs)
      close(value, want)
      expect([...tangent.dataSync()].every(Number.isFinite)).toBe(true)
      const still = { q: [inputs.q], k: [inputs.k], v: [inputs.v] }
      const stacks = { q: stack(still.q), k: stack(still.k), v: stack(still.v) }
      close(series(f, stacks, 2), [...want, ...new Array(2 * want.length).fill(0)])
      const paths = gated(v => f({ ...inputs, v }), inputs.v, reshape(inputs.v, [1, n, 3]), 1)
      close(paths.value, want)
      close(paths.stack, want)
    })
  })

  it('causal is lowerRight, and no other word', () => {
    const inputs = of(2, 4)
    const numbers = (causal: boolean | Alignment) => [...attend({ causal })(inputs).dataSync()]
    expect(numbers(true)).toEqual(numbers('lowerRight'))
    expect(numbers(true)).not.toEqual(numbers('upperLeft'))
    expect(() => numbers('topLeft' as Alignment)).toThrow("'lowerRight' or 'upperLeft', got \"topLeft\"")
  })

  it('masks broadcast over heads, and are constants', () => {
    const mask = tensor([[1, 0]], where)
    const q = tensor([[[1, 2]], [[3, 4]]], where)
    const v = tensor([[5], [6]], where)
    const f = (mask: Tensor) =>
      scaledDotProductAttention(
        q,
        tensor(
          [
            [1, 0],
            [0, 1],
          ],
          where,
        ),
        v,
        { mask },
      )
    expect([...f(mask).dataSync()]).toEqual([5, 5])
    expect([...grad((m: Tensor) => sum(f(m)))(mask).dataSync()]).toEqual([0, 0])
  })

  it('adds a bias to the scores, as PyTorch adds a mask of floats', () => {
    // F.scaled_dot_product_attention of PyTorch 2 by its definition: softmax(Q Kᵀ·scale + bias) V
    const { q, k, v } = of(3, 4)
    const bias = Array.from({ length: 3 }, (_, i) => [0.5 * i, -1, Number.NEGATIVE_INFINITY, 2 - i])
    const hidden = [...bias.slice(0, 2), new Array<number>(4).fill(Number.NEGATIVE_INFINITY)]
    const by = (bias: number[][], x: Inputs) =>
      rows(x.q).map((row, i) => {
        const weights = rows(x.k).map((key, j) =>
          Math.exp(0.7 * (row[0]! * key[0]! + row[1]! * key[1]!) + bias[i]![j]!),
        )
        const total = weights.reduce((a, b) => a + b, 0)
        return [0, 1, 2].map(d =>
          total === 0 ? 0 : weights.reduce((s, w, j) => s + (w * rows(x.v)[j]![d]!) / total, 0),
        )
      })
    const close = (got: Tensor, want: number[][]) =>
      got.dataSync().forEach((y, i) => expect(y).toBeCloseTo(want.flat()[i]!, 12))
    for (const b of [bias, hidden]) close(attend({ bias: tensor(b, where) })({ q, k, v }), by(b, { q, k, v }))
    const mask = [1, 1, 1, 0]
    const both = bias.map(row => row.map((y, j) => (mask[j] === 1 ? y : Number.NEGATIVE_INFINITY)))
    close(attend({ bias: tensor(bias, where), mask: tensor([mask], where) })({ q, k, v }), by(both, { q, k, v }))
    const past = both.map((row, i) => row.map((y, j) => (j <= i + 1 ? y : Number.NEGATIVE_INFINITY)))
    const all: Options = { bias: tensor(bias, where), mask: tensor([mask], where), causal: true }
    close(attend(all)({ q, k, v }), by(past, { q, k, v }))

    // One bias for all queries, differentiated; hidden keys and rows have no slope.
    const slope = (b: number[][]) =>
      grad((t: Tensor) => sum(mul(attend({ bias: t })({ q, k, v }), weights)))(tensor(b, where))
    const weights = tensor([[1, -2, 0.5]], where)
    const total = (b: number[][]) => by(b, { q, k, v }).reduce((s, r) => s + r[0]! - 2 * r[1]! + 0.5 * r[2]!, 0)
    for (const b of [bias, hidden]) {
      slope(b)
        .dataSync()
        .forEach((g, e) => {
          const at = (h: number) => total(b.map((r, i) => r.map((y, j) => (4 * i + j === e ? y + h : y))))
          expect(g).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 8)
        })
    }
    expect(
      [...attend({ bias: tensor([[Number.NaN, 0, 0, 0]], where) })({ q, k, v }).dataSync()].every(Number.isNaN),
    ).toBe(true)
    expect(() => attend({ bias: tensor([[0, 0]], where) })({ q, k, v })).toThrow('the bias does not broadcast')
  })
})
