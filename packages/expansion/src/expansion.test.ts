import { type Block, residualMlp, run, type Tower } from '@unravel/resnet'
import {
  add,
  branch,
  gradcheck,
  js,
  jvp,
  memory,
  mul,
  narrow,
  pow,
  Random,
  reshape,
  scope,
  slice,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  useBackend,
  vjp,
  wasm,
  zerosLike,
} from '@unravel/tensor'
import { head } from '@unravel/tensor/internals'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  analyse,
  atScale,
  chainCounts,
  cotangentOf,
  gated,
  gatedMoments,
  geometricComplexity,
  gradient,
  orderGram,
  taylor,
} from './index.js'
import { gap, values } from './oracles/numbers.js'
import { toNumber } from './oracles/rational.js'
import { randomTower } from './oracles/towers.js'
import { enumerateTrees, type Tree, weight } from './oracles/trees.js'
import { norm } from './spectrum.js'

const order = (stack: Tensor, k: number) => reshape(slice(stack, [k], [k + 1]), stack.shape.slice(1))

const distance = (got: Tensor, want: Tensor, size?: number) => gap(values(got), values(want), size)

/** D^m F(h)[v_1..v_m] by nested directional derivatives. */
function derivative(f: (h: Tensor) => Tensor, h: Tensor, directions: readonly Tensor[]): Tensor {
  let g = f
  for (const v of directions) {
    const below = g
    g = x => jvp(below, x, v)[1]
  }
  return g(h)
}

describe('taylor', () => {
  it.each([
    { activation: 'tanh', depth: 4, orders: 4 },
    { activation: 'gelu', depth: 3, orders: 5 },
    { activation: 'sigmoid', depth: 6, orders: 3 },
    { activation: 'softplus', depth: 3, orders: 4 },
  ] as const)(
    'is the sum over all rooted trees: $activation, $depth blocks, order $orders',
    ({ activation, depth, orders }) => {
      const { tower, x } = randomTower({ activation, depth, scale: 0.7 })
      const h0 = tower.encode(x)
      const computed = new Map<Tree, Tensor>()
      const value = (tree: Tree): Tensor => {
        const known = computed.get(tree)
        if (known !== undefined) return known
        const block = tower.blocks[tree.block - 1]!
        const result = mul(derivative(block.branch, h0, tree.children.map(value)), block.scale)
        computed.set(tree, result)
        return result
      }
      const { coefficients } = taylor(tower, x, orders)
      const decode = (h: Tensor) => sub(tower.decode(h), tower.decode(zerosLike(h))) // linear part
      for (let k = 1; k <= orders; k++) {
        let total: Tensor = zerosLike(h0)
        // `value` is shared by equal subtrees; the weight of a tree is one over its symmetry.
        for (const tree of enumerateTrees(depth, k)) total = add(total, mul(value(tree), toNumber(weight(tree))))
        expect(distance(order(coefficients, k), decode(total))).toBeLessThan(1e-12)
      }
    },
  )

  it('the series of a linear tower is a polynomial of degree n', () => {
    const { tower, x } = randomTower({ activation: 'identity', depth: 4, scale: 1.3 })
    const { coefficients, total } = taylor(tower, x, 7)
    expect(distance(sum(coefficients, 0), total)).toBeLessThan(1e-14)
    for (let k = 5; k <= 7; k++) expect(norm(values(order(coefficients, k)))).toBe(0)
  })

  it.each(['layer', 'rms', 'batch'] as const)('follows %s norm: the remainder falls like λ^(K+1)', n => {
    const sizes = [0.004, 0.002].map(scale => {
      const { tower, x } = randomTower({ depth: 5, scale, norm: n })
      const { coefficients, total } = taylor(tower, x, 3)
      return distance(sum(coefficients, 0), total)
    })
    expect(Math.log2(sizes[0]! / sizes[1]!)).toBeGreaterThan(3.8)
    expect(Math.log2(sizes[0]! / sizes[1]!)).toBeLessThan(4.2)
  })

  it('rescales to other λ inside the radius', () => {
    const at = (scale: number) => randomTower({ depth: 6, scale })
    const { tower, x } = at(0.1)
    expect(distance(atScale(taylor(tower, x, 24), 0.5), run(at(0.05).tower, x))).toBeLessThan(1e-13)
  })

  it('keeps the pieces of λ = 0 for ReLU, and says where they end', async () => {
    const at = (scale: number) => randomTower({ depth: 4, scale, activation: 'relu', seed: 3 })
    const { tower, x } = at(1)
    const { kinkRadius } = await analyse(taylor(tower, x, 4))
    expect(kinkRadius).toBeGreaterThan(0)
    const inside = at(kinkRadius! * 0.999)
    const outside = at(kinkRadius! * 1.5)
    const rest = ({ tower, x }: typeof inside) => {
      const { coefficients, total } = taylor(tower, x, 4)
      return distance(sum(coefficients, 0), total)
    }
    expect(rest(inside)).toBeLessThan(1e-14)
    expect(rest(outside)).toBeGreaterThan(1e-12)
  })

  it('can be differentiated with respect to the weights', () => {
    const { config, tensors, x } = randomTower({ depth: 2, scale: 0.5 })
    const name = 'blocks.0.fc1.weight'
    gradcheck(
      w => {
        const tower = residualMlp.tower(config, { ...tensors, [name]: w! }, [0.5, 0.5])
        return sum(pow(order(taylor(tower, x, 3).coefficients, 2), 2))
      },
      [tensors[name]!],
      { directions: 2 },
    )
  })

  it('towers without blocks, orders 0 and scale 0 are expanded', () => {
    const none = randomTower({ depth: 0, scale: 1 })
    expect(distance(sum(taylor(none.tower, none.x, 2).coefficients, 0), run(none.tower, none.x))).toBe(0)
    const zero = randomTower({ depth: 3, scale: 0 })
    expect(distance(sum(taylor(zero.tower, zero.x, 2).coefficients, 0), run(zero.tower, zero.x))).toBe(0)
    const { tower, x } = randomTower({ depth: 3, scale: 0.5 })
    expect(distance(order(taylor(tower, x, 0).coefficients, 0), tower.decode(tower.encode(x)))).toBe(0)
    expect(() => taylor(tower, x, -1)).toThrow(RangeError)
    expect(() => taylor(tower, x, 1.5)).toThrow(RangeError)
  })
})

describe('gated', () => {
  /** A branch as an affine map, from its values at 0 and at unit vectors with the gates of the run: here by hand. */
  function affine(
    activation: 'relu' | 'tanh' | 'gelu',
    w1: number[][],
    b1: number[],
    w2: number[][],
    b2: number[],
    h: number[],
  ) {
    const phi = { relu: (a: number) => Math.max(0, a), tanh: Math.tanh, gelu: (a: number) => a * cdf(a) }[activation]
    const a = w1.map((row, i) => row.reduce((s, w, j) => s + w * h[j]!, b1[i]!))
    const gate = a.map(v => phi(v) / v)
    const A = w2.map(row => h.map((_, j) => row.reduce((s, w, i) => s + w * gate[i]! * w1[i]![j]!, 0)))
    const b = w2.map((row, i) => row.reduce((s, w, j) => s + w * gate[j]! * b1[j]!, b2[i]!))
    return { A, b }
  }
  // Φ by its Taylor series about 0, enough for the moderate arguments here.
  const cdf = (x: number) => {
    let term = x
    let total = x
    for (let k = 1; k < 200; k++) {
      term *= (-x * x) / (2 * k)
      total += term / (2 * k + 1)
    }
    return 0.5 + total / Math.sqrt(2 * Math.PI)
  }

  it.each(['relu', 'tanh', 'gelu'] as const)(
    'is the sum over all subsets of blocks with frozen gates: %s',
    activation => {
      const depth = 9
      const scale = 0.6
      const { tower, x, tensors } = randomTower({ depth, scale, activation, seed: 5 })
      const rows = (name: string) => {
        const t = tensors[name]!
        const d = values(t)
        const n = t.shape[1]!
        return Array.from({ length: t.shape[0]! }, (_, i) => [...d.slice(i * n, (i + 1) * n)])
      }
      const list = (name: string) => [...values(tensors[name]!)]
      const { coefficients } = gated(tower, x, 'all')
      const width = 4
      for (let row = 0; row < 2; row++) {
        // The run, and every block as an affine map at it.
        let h = [...values(tower.encode(x)).slice(row * width, (row + 1) * width)]
        const start = h
        const maps = Array.from({ length: depth }, (_, l) => {
          const name = `blocks.${l}.`
          const map = affine(
            activation,
            rows(`${name}fc1.weight`),
            list(`${name}fc1.bias`),
            rows(`${name}fc2.weight`),
            list(`${name}fc2.bias`),
            h,
          )
          h = h.map((v, i) => v + scale * (map.A[i]!.reduce((s, a, j) => s + a * h[j]!, 0) + map.b[i]!))
          return map
        })
        const totals = Array.from({ length: depth + 1 }, () => new Array<number>(width).fill(0))
        let paths = [{ v: start, k: 0 }]
        for (const { A, b } of maps) {
          const through = paths.map(p => ({
            v: A.map(r => scale * r.reduce((s, a, j) => s + a * p.v[j]!, 0)),
            k: p.k + 1,
          }))
          paths = [...paths, ...through, { v: b.map(t => scale * t), k: 1 }]
        }
        for (const { v, k } of paths) totals[k] = totals[k]!.map((t, i) => t + v[i]!)
        const w = rows('decoder.weight')
        const bias = list('decoder.bias')
        totals.forEach((t, k) => {
          const want = w.map((r, i) => r.reduce((s, a, j) => s + a * t[j]!, k === 0 ? bias[i]! : 0))
          const got = [...values(order(coefficients, k)).slice(row * 2, row * 2 + 2)]
          expect(norm(got.map((g, i) => g - want[i]!))).toBeLessThan(1e-12 * Math.max(1, norm(want)))
        })
      }
    },
  )

  it('sums to the output at any scale, for any activation and norm', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('identity', 'relu', 'tanh', 'sigmoid', 'silu', 'softplus', 'gelu', 'gelu_tanh' as const),
        fc.constantFrom('none', 'layer', 'rms', 'batch' as const),
        fc.integer({ min: 0, max: 7 }),
        fc.double({ min: -1.5, max: 1.5, noNaN: true }),
        fc.integer({ min: 0, max: 1000 }),
        (activation, n, depth, scale, seed) => {
          const { tower, x } = randomTower({ activation, norm: n, depth, scale, seed })
          const { coefficients, total } = gated(tower, x, 'all')
          const largest = norm(values(coefficients))
          expect(distance(sum(coefficients, 0), total, largest)).toBeLessThan(1e-13)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('cuts at the order asked for, and measures the tail', async () => {
    const { tower, x } = randomTower({ depth: 6, scale: 0.8 })
    const all = gated(tower, x, 'all')
    const some = gated(tower, x, 2)
    expect(distance(some.coefficients, head(all.coefficients, 3))).toBeLessThan(1e-15)
    const { tailNorm } = await analyse(some)
    const tail = sum(slice(all.coefficients, [3], [7]), 0)
    expect(tailNorm! / (norm(values(tail)) / Math.SQRT2)).toBeCloseTo(1, 10)
    expect(gated(tower, x, 99).coefficients.shape[0]).toBe(7)
  })
})

describe('gradient', () => {
  it('gradient orders are sums over all gradient paths', () => {
    const depth = 7
    const { tower, x } = randomTower({ depth, scale: 0.6, activation: 'gelu' })
    const states = [tower.encode(x)]
    for (const b of tower.blocks) states.push(add(states.at(-1)!, mul(b.branch(states.at(-1)!), b.scale)))
    const { value, pullback } = vjp(tower.decode, states[depth]!)
    const seed = tensor(
      Float64Array.from({ length: value.size }, (_, i) => (i % 2 === 1 ? 1 : 0)),
      { shape: value.shape },
    )
    const totals: Tensor[] = []
    const walk = (l: number, k: number, g: Tensor): void => {
      if (l < 0) {
        totals[k] = totals[k] === undefined ? g : add(totals[k], g)
        return
      }
      walk(l - 1, k, g)
      const { branch, scale } = tower.blocks[l]!
      walk(l - 1, k + 1, mul(vjp(branch, states[l]!).pullback(g), scale))
    }
    walk(depth - 1, 0, pullback(seed))
    const { coefficients, total } = gradient(tower, x, 1, 'all')
    const encode = vjp(tower.encode, x)
    totals.forEach((t, k) => {
      expect(distance(order(coefficients, k), encode.pullback(t))).toBeLessThan(1e-13)
    })
    expect(distance(sum(coefficients, 0), total)).toBeLessThan(1e-14)
  })

  it('of a linear functional is the combination of the gradients of elements, orders and sum', () => {
    const { tower, x } = randomTower({ depth: 3, scale: 0.5 })
    const batch = x.shape[0]!
    const [first, second] = [0, 1].map(element => gradient(tower, x, element, 'all'))
    const combined = (a: number, b: number, of: 'coefficients' | 'total') =>
      sub(mul(first![of], a), mul(second![of], -b))
    const one = gradient(tower, x, tensor([1.5, -2], { dtype: 'f64' }), 'all')
    for (const of of ['coefficients', 'total'] as const) {
      expect(distance(one[of], combined(1.5, -2, of))).toBeLessThan(1e-14)
    }
    const each = Float64Array.from({ length: 2 * batch }, (_, i) => (i % 2 === 0 ? 1 + i : -i))
    const found = gradient(tower, x, tensor(each, { shape: [batch, 2] }), 'all').total
    for (let b = 0; b < batch; b++) {
      const wanted = combined(each[2 * b]!, each[2 * b + 1]!, 'total')
      expect(distance(narrow(found, 0, b, 1), narrow(wanted, 0, b, 1))).toBeLessThan(1e-14)
    }
  })

  it('of a sequence: the coefficients of one position are of the last', () => {
    const tower: Tower = { encode: h => h, blocks: [{ scale: 0.5, branch: tanh }], decode: h => h }
    const x = new Random(2).normal([2, 3, 4], 0, 1, { dtype: 'f64' })
    const coefficients = [0.5, 0, -1, 2]
    const whole = tensor([...Array(8).fill(0), ...coefficients], { shape: [3, 4], dtype: 'f64' })
    const short = gradient(tower, x, tensor(coefficients, { dtype: 'f64' }), 'all').coefficients
    expect(short.dataSync()).toEqual(gradient(tower, x, whole, 'all').coefficients.dataSync())
    expect(Array.from(cotangentOf(x, whole).dataSync().subarray(8, 12))).toEqual(coefficients)
  })

  it('of one number an input, [batch]: that number, whatever the batch', () => {
    const { tower, x } = randomTower({ depth: 3, scale: 0.7 })
    const ends = { ...tower, decode: (h: Tensor) => sum(mul(tower.decode(h), 1.5), 1) }
    const wanted = gradient(tower, x, tensor([1.5, 1.5], { dtype: 'f64' }), 'all')
    for (const target of [0, tensor([1], { dtype: 'f64' })]) {
      const found = gradient(ends, x, target, 'all')
      expect(distance(found.coefficients, wanted.coefficients)).toBeLessThan(1e-14)
    }
    for (const inputs of [x, narrow(x, 0, 0, 1)]) {
      expect(() => gradient(ends, inputs, 1, 1)).toThrow('gradient: the target must be an output element 0..0, got 1')
    }
    const scalar = { ...tower, decode: (h: Tensor) => sum(tower.decode(h)) }
    expect(() => gradient(scalar, x, 0, 1)).toThrow('the output must have a batch axis, [batch, …], got []')
  })

  it('names a target outside of the output', () => {
    const { tower, x } = randomTower({ depth: 2, scale: 1 })
    expect(() => gradient(tower, x, 2, 1)).toThrow('0..1')
    expect(() => gradient(tower, x, tensor([1, 2, 3]), 1)).toThrow(/the output's shape \[\d+,2\], got \[3\]/)
  })
})

describe('any tower', () => {
  /** A tower with a skip that is not the identity, unequal scales, and a nonlinear decoder. */
  const odd = (scales: readonly number[]): { tower: Tower; x: Tensor } => {
    const { tower, x } = randomTower({ depth: 3, scale: 1 })
    const blocks = tower.blocks.map(
      (b, l): Block => ({ branch: b.branch, skip: h => mul(h, 1 - 0.1 * l), scale: scales[l]! }),
    )
    return { tower: { ...tower, blocks }, x }
  }

  it('towers with skips and a scale for every block are expanded', () => {
    const { tower, x } = odd([0.3, -0.2, 0.1])
    for (const { coefficients, total } of [
      gated(tower, x, 'all'),
      gradient(tower, x, 0, 'all'),
      taylor(tower, x, 30),
    ]) {
      expect(distance(sum(coefficients, 0), total)).toBeLessThan(1e-12)
    }
  })

  it('tells onBlock of every block done, beside other options', () => {
    const { tower, x } = odd([0.3, -0.2, 0.1])
    const told = (expand: (onBlock: (done: number) => void) => void) => {
      const done: number[] = []
      expand(d => done.push(d))
      return done
    }
    expect(told(onBlock => taylor(tower, x, 2, { about: 0.5, onBlock }))).toEqual([1, 2, 3])
    expect(told(onBlock => gated(tower, x, 'all', { weights: [1, 1, 1], onBlock }))).toEqual([1, 2, 3])
    expect(told(onBlock => gradient(tower, x, 0, 'all', { weights: [1, 1, 1], onBlock }))).toEqual([1, 2, 3])
  })

  it('tells onBlock of every residual addition done where these are counted, nested ones and those in no chain', () => {
    const f = (x: Tensor) => {
      const inner = add(x, branch(tanh(x), 0.5))
      return add(add(x, branch(inner, 0.3)), add(x, branch(tanh(mul(x, 2)), 0.2)))
    }
    const { tower, x } = odd([0.3, -0.2, 0.1])
    const blocks = tower.blocks.map(b => ({ ...b, branch: (h: Tensor) => add(h, branch(b.branch(h), 0.5)) }))
    for (const [network, n] of [
      [f, 3],
      [{ ...tower, blocks }, 6],
    ] as const) {
      // biome-ignore format: short
      for (const kind of ['taylor', 'gated', 'gradient'] as const) {
        const told: string[] = []
        const options = { sites: 'all', onBlock: (done: number, of: number) => void told.push(`${done} of ${of}`) } as const
        if (kind === 'taylor') taylor(network, x, 2, options)
        else if (kind === 'gated') gated(network, x, 'all', options)
        else gradient(network, x, 0, 'all', options)
        expect(told).toEqual(Array.from({ length: n }, (_, i) => `${i + 1} of ${n}`))
      }
    }
  })

  it('measures nothing of an empty batch, and says so', async () => {
    const { tower, x } = odd([0.3, -0.2, 0.1])
    const nobody = slice(x, [0], [0])
    for (const orders of [gated(tower, nobody, 2), gradient(tower, nobody, 0, 2), taylor(tower, nobody, 2)]) {
      expect(orders.coefficients.shape.slice(0, 2)).toEqual([3, 0])
      await expect(analyse(orders)).rejects.toThrow('analyse: there is nothing to measure: f64[0,')
      await expect(orderGram(orders)).rejects.toThrow('give at least one input')
    }
    await expect(geometricComplexity(tower, nobody, 2)).rejects.toThrow('there is nothing to measure')
    await expect(gatedMoments(tower, nobody, 2)).rejects.toThrow('there is nothing to measure')
  })

  it('products of orders do not leave the range of f32 where orders do not', async () => {
    for (const backend of [js(), wasm()]) {
      const x = tensor([[3, -1], [2, 0.5]], { backend }) // biome-ignore format: a matrix
      const tower = (by: number): Tower => ({
        encode: h => mul(h, by),
        blocks: [{ scale: 0.5, branch: h => mul(h, 3) }],
        decode: h => h,
      })
      for (const by of [1e-30, 1e30]) {
        const [wanted, found] = [taylor(tower(1), x, 1), taylor(tower(by), x, 1)]
        for (const [gram, size] of [
          [await orderGram(found), await orderGram(wanted)],
          [await geometricComplexity(tower(by), x, 1), await geometricComplexity(tower(1), x, 1)],
        ] as const) {
          gram.gram.forEach((row, i) => {
            row.forEach((v, j) => {
              expect(v / by / by / size.gram[i]![j]!).toBeCloseTo(1, 5)
            })
          })
          expect(gram.total / by / by / size.total).toBeCloseTo(1, 5)
        }
      }
    }
  })

  it('counts chains for all but taylor', async () => {
    const { tower, x } = odd([0.3, -0.2, 0.1])
    expect((await analyse(gated(tower, x, 'all'))).terms).toEqual(chainCounts(3, 3))
    expect((await analyse(taylor(tower, x, 5))).terms).toEqual([1n, 3n, 3n, 5n, 8n, 13n])
    expect((await analyse(taylor(tower, x, 5))).scale).toEqual([0.3, -0.2, 0.1])
  })
})

describe('depth', () => {
  it.each([js(), wasm()])(
    'takes 1000 blocks to order 64 without overflow, in memory that does not grow with depth',
    backend => {
      const before = useBackend(backend)
      try {
        const reserved: number[] = []
        for (const depth of [100, 1000]) {
          scope(() => {
            const { tower, x } = randomTower({ depth, scale: 1 / depth, width: 3 })
            const weights = memory(backend).bytes
            let most = 0
            const { coefficients, total } = taylor(tower, x, 64, {
              onBlock: () => {
                most = Math.max(most, memory(backend).bytes - weights)
              },
            })
            reserved.push(most)
            expect(coefficients.shape[0]).toBe(65)
            expect(values(coefficients).every(Number.isFinite)).toBe(true)
            expect(distance(sum(coefficients, 0), total)).toBeLessThan(1e-12)
          })
        }
        expect(reserved[1]).toBeLessThanOrEqual(1.05 * reserved[0]! + 1024)
      } finally {
        useBackend(before)
      }
    },
    60_000,
  )
})
