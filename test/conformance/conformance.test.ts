import { readdirSync, readFileSync } from 'node:fs'
import { type Backend, js, wasm } from '@unravel/kernels'
import {
  add,
  backendOf,
  gated,
  gradcheck,
  jvp,
  memory,
  mul,
  Random,
  RuleError,
  reshape,
  scope,
  series,
  stack,
  sum,
  type Tensor,
  tensor,
  vjp,
} from '@unravel/tensor'
import { apply, Gating, opTable, Paths } from '@unravel/tensor/internals'
import { describe, expect, it, vi } from 'vitest'
import { Heap } from '../../kernels/src/wasm/memory.js'
import { cases } from './cases.js'
import { defined, plain } from './definitions.js'
import { type AnyOp, differentiable, inputsOf, ofFloats } from './inputs.js'

const backends: readonly Backend[] = [js(), wasm()]
const expectClose = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, size = 0) => {
  expect(got.length).toBe(want.length)
  let scale = size
  for (let i = 0; i < want.length; i++) if (Number.isFinite(want[i])) scale = Math.max(scale, Math.abs(want[i]!))
  for (let i = 0; i < want.length; i++) {
    if (Number.isFinite(want[i]!)) expect(Math.abs(got[i]! - want[i]!)).toBeLessThanOrEqual(tolerance * scale)
    else expect(got[i]).toBe(want[i])
  }
}

describe('the op table', () => {
  it('lists every op that a file of ops/ defines', () => {
    const folder = new URL('../../packages/tensor/src/ops/', import.meta.url)
    const table = readFileSync(new URL('table.ts', folder), 'utf8')
    const defined = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(f => f.endsWith('.ts') && !f.endsWith('.test.ts') && f !== 'table.ts')
      .flatMap(f =>
        [...readFileSync(new URL(f, folder), 'utf8').matchAll(/export (?:const|function) (\w+Op)\b/g)].map(m => m[1]!),
      )
    expect(defined.filter(name => !table.includes(name))).toEqual([])
  })

  it('every op has a case', () => {
    expect(opTable.filter(op => cases[op.name] === undefined).map(op => op.name)).toEqual([])
    expect(opTable.filter(op => cases[op.name]?.length === 0).map(op => op.name)).toEqual(['recurrence'])
    expect(Object.keys(cases).filter(name => !opTable.some(op => op.name === name))).toEqual([])
  })

  it('every differentiable op has rules of all three interpreters', () => {
    const missing = opTable.filter(
      op => differentiable(op) && ((op.series ?? op.body) === undefined || (op.gate ?? op.body) === undefined),
    )
    expect(missing.map(op => op.name)).toEqual([])
  })
})

for (const backend of backends) {
  describe.each(opTable.filter(op => cases[op.name]!.length > 0).map(op => [op.name, op] as const))(
    `${backend.name}: %s`,
    (_, op: AnyOp) => {
      const own = cases[op.name] ?? []

      it.each(own)('infers what it runs, as its signature says %#', c => {
        const inputs = inputsOf(c, 'f64', backend)
        const out = apply(op, inputs, c.attrs)
        expect({ shape: out.shape, dtype: out.dtype }).toEqual(op.infer(inputs, c.attrs))
        const asStored = c.attrs as { transposeA?: boolean; transposeB?: boolean } | undefined
        if (asStored?.transposeA || asStored?.transposeB) return
        expect(
          matches(
            op.signature,
            inputs.map(t => t.shape),
            out.shape,
          ),
        ).toBe(true)
      })

      it.each(own)('agrees with its definition %#', c => {
        const inputs = inputsOf(c, 'f64', defined)
        const reference = apply(op, inputs, c.attrs).dataSync()
        const numbers = plain[op.name]?.(
          inputs.map(t => ({ shape: t.shape, data: t.dataSync() })),
          c.attrs,
        )
        if (numbers !== undefined) expectClose(numbers, reference, 64 * 2 ** -52, 1)
        expectClose(apply(op, inputsOf(c, 'f64', backend), c.attrs).dataSync(), reference, 64 * 2 ** -52, 1)
        expectClose(apply(op, inputsOf(c, 'f32', backend), c.attrs).dataSync(), reference, 64 * 2 ** -23, 1)
      })

      if (differentiable(op)) {
        it.each(own)('derivatives agree with differences and with each other %#', c => {
          const { f, xs } = ofFloats(op, c, inputsOf(c, 'f64', backend))
          if (f(...xs).size > 0) gradcheck(f, xs)
        })

        it.each(own)('pulls stacked cotangents back like single ones %#', c => {
          const { f, xs } = ofFloats(op, c, inputsOf(c, 'f64', backend))
          const { value, pullback } = vjp<readonly Tensor[]>(v => f(...v), xs)
          const random = new Random(3)
          const u = [0, 1].map(() => random.normal(value.shape, 0, 1, { dtype: 'f64', backend }))
          const both = pullback(stack(u, 0))
          u.forEach((one, i) => {
            pullback(one).forEach((g, j) => {
              const all = both[j]!.dataSync()
              const n = g.size
              expectClose(all.slice(i * n, (i + 1) * n), g.dataSync(), 256 * 2 ** -52, 1)
            })
          })
        })

        it.each(own)('the Taylor series is that of nested forward mode %#', c => {
          const { f, xs } = ofFloats(op, c, inputsOf(c, 'f64', backend))
          if (f(...xs).size === 0) return
          const random = new Random(11)
          const order = 4
          const stacks = xs.map(x => {
            const rest = Array.from({ length: order }, () => random.normal(x.shape, 0, 0.3, { dtype: 'f64', backend }))
            return stack([x, ...rest], 0)
          })
          const got = series<readonly Tensor[]>(v => f(...v), stacks, order)
          expectClose(got.dataSync(), nested(f, stacks, order), 1e-11, 1)
        })

        it.each(own)('keeps the value of the run when its gates are frozen %#', c => {
          for (const through of c.paths ?? [0]) {
            const inputs = inputsOf(c, 'f64', backend)
            const at = new Gating(1, 5)
            const x = inputs[through]!
            const parts = new Random(5).normal([2, ...x.shape], 0, 1, { dtype: 'f64', backend })
            const last = add(x, mul(sum(parts, 0), -1))
            const all: Tensor[] = [...inputs]
            all[through] = at.paths(x, stack([last, ...[0, 1].map(i => reshape(part(parts, i), x.shape))], 0))
            const run = () => apply(op, all, c.attrs)
            if (typeof op.gate === 'string') {
              expect(run).toThrow(RuleError)
              continue
            }
            const y = run()
            expect(y).toBeInstanceOf(Paths)
            const value = apply(op, inputs, c.attrs)
            expectClose(at.value(y).dataSync(), value.dataSync(), 64 * 2 ** -52, 1)
            expectClose(sum(at.stack(y), 0).dataSync(), value.dataSync(), 4096 * 2 ** -52, 1)
          }
        })
      }

      if (backend.name === 'wasm') {
        it.each(own)('keeps nothing outside of scopes when memory is refused %#', c => {
          const inputs = inputsOf(c, 'f64', backend)
          const { f, xs } = ofFloats(op, c, inputs)
          const lines = xs.map(x => stack([x, x], 0))
          const [through] = c.paths ?? [0]
          const of = (x: Tensor) =>
            apply(
              op,
              inputs.map((input, i) => (i === through ? x : input)),
              c.attrs,
            )
          const ways: (() => unknown)[] = [() => apply(op, inputs, c.attrs)]
          if (differentiable(op)) {
            ways.push(() => vjp<readonly Tensor[]>(v => f(...v), xs))
            const { value, pullback } = vjp<readonly Tensor[]>(v => f(...v), xs)
            // Deferred numbers that are computed stay: here, before memory is refused.
            value.dataSync()
            ways.push(
              () => pullback(value),
              () => series<readonly Tensor[]>(v => f(...v), lines, 2),
            )
            if (typeof op.gate !== 'string' && through !== undefined) {
              const parts = stack([inputs[through]!], 0)
              ways.push(() => gated(of, inputs[through]!, parts, 2))
            }
          }
          for (const way of ways) refuseEach(way, backend)
        })
      }

      // Memory of js is the garbage collector's: nothing is counted there.
      it.each(backend.name === 'wasm' ? own : [])(
        'frees all that it allocates in a scope, and what it held of its inputs %#',
        c => {
          const once = () =>
            scope(() => {
              const { f, xs } = ofFloats(op, c, inputsOf(c, 'f64', backend))
              if (!differentiable(op)) return void f(...xs)
              const { value, pullback } = vjp<readonly Tensor[]>(v => f(...v), xs)
              pullback(value)
              series<readonly Tensor[]>(
                v => f(...v),
                xs.map(x => stack([x, x], 0)),
                2,
              )
            })
          // The garbage collector may return what other tests left behind while this one runs: then it runs again.
          for (;;) {
            const before = memory(backend)
            once()
            const after = memory(backend)
            if (after.buffers < before.buffers) continue
            expect({ ...after, reserved: 0 }).toEqual({ ...before, reserved: 0 })
            break
          }
        },
      )
    },
  )
}

/** Runs `way` with its first allocation refused, then with its second, and so on until it needs no more. */
function refuseEach(way: () => unknown, backend: Backend): void {
  const alloc = Heap.prototype.alloc
  let left = Number.POSITIVE_INFINITY
  const refuse = vi.spyOn(Heap.prototype, 'alloc').mockImplementation(function (this: Heap, ...args) {
    if (left-- === 0) throw new RangeError('Out of WebAssembly memory: refused')
    return alloc.apply(this, args)
  })
  try {
    for (let allowed = 0; ; allowed++) {
      const before = memory(backend)
      left = allowed
      try {
        way()
        return
      } catch (error) {
        expect((error as Error).message).toBe('Out of WebAssembly memory: refused')
      } finally {
        left = Number.POSITIVE_INFINITY
      }
      const after = memory(backend)
      // The garbage collector may return what others left behind.
      if (after.buffers < before.buffers) allowed--
      else expect({ ...after, reserved: 0 }).toEqual({ ...before, reserved: 0 })
    }
  } finally {
    refuse.mockRestore()
  }
}

const part = (t: Tensor, i: number) => {
  const n = t.shape[0]!
  const weights = tensor(
    Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)),
    {
      shape: [n, ...t.shape.slice(1).map(() => 1)],
      backend: backendOf(t),
    },
  )
  return sum(mul(t, weights), 0)
}

/** Coefficients 0..order of f(Σ_k c_k t^k), each by k nested directional derivatives at t = 0. */
function nested(f: (...xs: Tensor[]) => Tensor, stacks: readonly Tensor[], order: number): number[] {
  const backend = backendOf(stacks[0]!)
  const path = (t: Tensor) => f(...stacks.map(s => polynomial(s, t)))
  const one = tensor(1, { dtype: 'f64', backend })
  const out: number[] = []
  let g = path
  let factorial = 1
  for (let k = 0; k <= order; k++) {
    if (k > 0) {
      factorial *= k
      const below = g
      g = t => jvp(below, t, one)[1]
    }
    const values = g(tensor(0, { dtype: 'f64', backend })).dataSync()
    for (const v of values) out.push(v / factorial)
  }
  return out
}

/** Σ_k c_k t^k by Horner's rule, for a stack [K+1, ...] of constants and a scalar t. */
function polynomial(s: Tensor, t: Tensor): Tensor {
  let sumSoFar = reshape(part(s, s.shape[0]! - 1), s.shape.slice(1))
  for (let k = s.shape[0]! - 2; k >= 0; k--) sumSoFar = add(mul(sumSoFar, t), reshape(part(s, k), s.shape.slice(1)))
  return sumSoFar
}

/** Whether shapes fit a signature such as `[...,m,k], [...,k,n] -> [...,m,n]`: a letter or a word such as `orders` stands for one
 *  length throughout; `...`, `item` and `i32 shape` stand for any axes. */
function matches(signature: string, inputs: readonly (readonly number[])[], output: readonly number[]): boolean {
  const [left, right] = signature.split(' -> ') as [string, string]
  const patterns = left.match(/(i32)?\[[^\]]*\]|\.\.\./g)!.filter(p => p !== '...')
  const lengths = new Map<string, number>()
  const span = /^(\.\.\.|item|i32 shape)$/
  const fits = (pattern: string, shape: readonly number[]) => {
    const names = pattern
      .replace(/^i32/, '')
      .slice(1, -1)
      .split(',')
      .filter(s => s !== '')
    const open = names.findIndex(n => span.test(n))
    if (open < 0 && names.length !== shape.length) return false
    const bind = (name: string, n: number | undefined) => {
      if (n === undefined) return false
      if (!lengths.has(name)) lengths.set(name, n)
      return lengths.get(name) === n
    }
    const before = open < 0 ? names : names.slice(0, open)
    const lastOpen = names.length - 1 - [...names].reverse().findIndex(n => span.test(n))
    const after = open < 0 ? [] : names.slice(lastOpen + 1)
    return (
      before.every((n, i) => bind(n, shape[i])) &&
      after.every((n, i) => bind(n, shape[shape.length - after.length + i]))
    )
  }
  const repeated = left.endsWith(', ...')
  if (inputs.length > patterns.length && !repeated) return false
  return inputs.every((s, i) => fits(patterns[Math.min(i, patterns.length - 1)]!, s)) && fits(right, output)
}
