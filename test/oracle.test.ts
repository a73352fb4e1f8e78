import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ExpansionDocument, expansionDocument } from 'unravel'
import { afterAll, describe, expect, test } from 'vitest'
import { runUnravel } from './support/cli.js'

/**
 * Orders against an independent program: Cauchy's formula in 80-bit arithmetic for `taylor`, enumeration of every
 * subset of blocks for `gated` and of every path for `gradient`. See fixtures/oracle/README.md.
 */
interface Expected {
  readonly scale: number
  readonly blocks: number
  readonly orders: number
  readonly output: number[][]
  readonly taylor?: { readonly coefficients: number[][][]; readonly noise: number }
  readonly gated: { readonly orders: number[][][]; readonly sum_error: number }
  readonly gradient?: { readonly orders: number[][][]; readonly target: number }
}

const fixtures = resolve(import.meta.dirname, 'fixtures/oracle')
const expectedOf = (name: string): Expected => JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8'))

const elsewhere = mkdtempSync(join(tmpdir(), 'unravel-oracle-'))
afterAll(() => rmSync(elsewhere, { recursive: true }))

async function expand(name: string, ...options: string[]): Promise<ExpansionDocument> {
  const folder = join(fixtures, name)
  const argv = ['expand', folder, '--input', join(folder, 'input.npy'), '--values', '--json', ...options]
  const { status, stdout, stderr } = await runUnravel(argv, elsewhere)
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  return expansionDocument.parse(JSON.parse(stdout))
}

const flat = (nested: unknown): number[] => (nested as number[][]).flat(Infinity) as number[]
const norm = (values: readonly number[]): number => Math.hypot(...values)
const difference = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x - b[i]!)

/** Rounding of a tower of n blocks relative to the sizes that enter it: each adds a few roundings of sums of ~12 terms. */
const rounding = (blocks: number): number => 32 * (blocks + 2) * Number.EPSILON

/** Every order agrees to rounding, relative to the largest of the orders that it is computed from. */
function expectOrders(values: unknown, expected: readonly number[][][], tolerance: number): void {
  const found = (values as number[][][]).map(flat)
  expect(found).toHaveLength(expected.length)
  let largest = 0
  for (const [k, order] of expected.entries()) {
    largest = Math.max(largest, norm(flat(order)))
    expect(norm(difference(found[k]!, flat(order))) / largest, `order ${k}`).toBeLessThan(tolerance)
  }
}

/** The document's remainders, norms and shares are those of its own values. */
function expectConsistent(document: ExpansionDocument): void {
  const orders = (document.values as number[][][]).map(flat)
  const output = flat(document.output)
  const batch = (document.output as number[][]).length
  const eps = rounding(document.blocks)
  let rest = output
  for (const [k, order] of orders.entries()) {
    rest = difference(rest, order)
    expect(Math.abs(document.remainder[k]! - norm(rest) / norm(output)), `remainder ${k}`).toBeLessThan(eps)
    expect(document.norms[k]! / (norm(order) / Math.sqrt(batch)), `norm ${k}`).toBeCloseTo(1, 12)
  }
  const energy = document.norms.reduce<number>((sum, x) => sum + x! ** 2, 0)
  for (const [k, share] of document.share.entries()) expect(share).toBeCloseTo(document.norms[k]! ** 2 / energy, 12)
  expect(document.output_norm! / (norm(output) / Math.sqrt(batch))).toBeCloseTo(1, 12)
}

describe.each(['mlp-tanh', 'mlp-relu', 'mlp-gelu-layernorm', 'gpt2-tiny', 'llama-tiny', 'granite-tiny'])('%s', name => {
  const expected = expectedOf(name)
  const tolerance = rounding(expected.blocks)

  test('gated: every order, and their sum is the output', async () => {
    const document = await expand(name, '--expansion', 'gated', '--orders', 'all')
    expect(document).toMatchObject({ blocks: expected.blocks, scale: expected.scale })
    expectOrders(document.values, expected.gated.orders, tolerance)
    expectConsistent(document)
    expect(document.remainder.at(-1)).toBeLessThan(tolerance)
    expect(norm(difference(flat(document.output), flat(expected.output))) / norm(flat(expected.output))).toBeLessThan(
      tolerance,
    )
  })

  const wanted = expected.gradient
  if (wanted !== undefined) {
    test('gradient: every order of the gradient by path length', async () => {
      const target = String(wanted!.target)
      const document = await expand(name, '--expansion', 'gradient', '--orders', 'all', '--target', target)
      expectOrders(document.values, wanted!.orders, tolerance)
      expectConsistent(document)
      expect(document.remainder.at(-1)).toBeLessThan(tolerance)
    })
  }

  test('fewer orders are the same orders, with the rest in the tail', async () => {
    const document = await expand(name, '--expansion', 'gated', '--orders', '2')
    expectOrders(document.values, expected.gated.orders.slice(0, 3), tolerance)
    const tail = expected.gated.orders.slice(3).map(flat)
    const sum = tail.reduce((total, order) => total.map((x, i) => x + order[i]!))
    expect(document.tail_norm! / (norm(sum) / Math.sqrt(expected.output.length))).toBeCloseTo(1, 9)
  })

  const { taylor } = expected
  if (taylor === undefined) return
  test('taylor: every coefficient, and what truncation leaves', async () => {
    const { coefficients, noise } = taylor
    for (const backend of ['wasm', 'js']) {
      const document = await expand(name, '--orders', String(expected.orders), '--backend', backend)
      expect(document).toMatchObject({ blocks: expected.blocks, scale: expected.scale, backend })
      expectOrders(document.values, coefficients, tolerance + noise)
      expect(norm(difference(flat(document.output), flat(expected.output))) / norm(flat(expected.output))).toBeLessThan(
        tolerance,
      )
      expectConsistent(document)
    }
  })
})

test('below the kink radius the series of a ReLU tower is the network, above it is not', async () => {
  const { kink_radius: kink, blocks } = await expand('mlp-relu')
  const orders = String(blocks)
  const below = await expand('mlp-relu', '--orders', orders, '--scale', String(0.999 * kink!))
  const above = await expand('mlp-relu', '--orders', orders, '--scale', String(1.01 * kink!))
  expect(below.remainder.at(-1)).toBeLessThan(rounding(blocks))
  expect(above.remainder.at(-1)).toBeGreaterThan(1e3 * rounding(blocks))
})
