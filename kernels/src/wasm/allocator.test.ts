import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Allocator, type Block } from './allocator.js'

const start = 1024
const limit = 1 << 20

function growing(end = start) {
  let grown = 0
  const allocator = new Allocator(start, end, wanted => {
    if (wanted > limit) return 0
    grown++
    return wanted
  })
  return { allocator, grown: () => grown }
}

const firstByte = (block: Block) => block.start * 16
const endByte = (block: Block) => firstByte(block) + block.size * 16

describe('Allocator', () => {
  it('hands out aligned, disjoint blocks inside its range and accounts for them exactly', () => {
    // A positive number allocates that many bytes; a negative one releases one of the live blocks.
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: -1000, max: -1 }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), sequence => {
        const { allocator } = growing()
        const live: Block[] = []
        let bytes = 0
        for (const n of sequence) {
          if (n >= 0) {
            const block = allocator.alloc(n)
            if (block === undefined) continue
            expect(block.size * 16).toBeGreaterThanOrEqual(n)
            live.push(block)
            bytes += n
          } else if (live.length > 0) {
            const [block] = live.splice(-n % live.length, 1)
            bytes -= block!.bytes
            allocator.release(block!)
          }
          expect(allocator.bytes).toBe(bytes)
          expect(allocator.blocks).toBe(live.length)
        }
        const sorted = [...live].sort((a, b) => a.start - b.start)
        sorted.forEach((block, i) => {
          expect(firstByte(block)).toBeGreaterThanOrEqual(i === 0 ? start : endByte(sorted[i - 1]!))
          expect(endByte(block)).toBeLessThanOrEqual(limit)
        })
      }),
      { numRuns: 200 },
    )
  })

  it('joins everything again once all blocks are released, in any order', () => {
    const end = start + 256 * 1024
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4000 }), fc.double({ noNaN: true })), { maxLength: 60 }),
        requests => {
          const { allocator, grown } = growing(end)
          const blocks = requests.map(([bytes, key]) => ({ key, block: allocator.alloc(bytes)! }))
          blocks.sort((a, b) => a.key - b.key)
          for (const { block } of blocks) allocator.release(block)
          expect(allocator.alloc(end - start)).toMatchObject({ start: start / 16 })
          expect(grown()).toBe(0)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('stops growing when a program repeats its requests', () => {
    const requests = fc.array(
      fc.record({ bytes: fc.integer({ min: 0, max: 30_000 }), lifetime: fc.integer({ min: 0, max: 40 }) }),
      { minLength: 1, maxLength: 60 },
    )
    fc.assert(
      fc.property(requests, requests => {
        const { allocator, grown } = growing()
        const pass = () => {
          const due: Block[][] = requests.map(() => [])
          requests.forEach(({ bytes, lifetime }, i) => {
            const block = allocator.alloc(bytes)
            if (block !== undefined) (due[Math.min(i + lifetime, due.length - 1)] ?? []).push(block)
            for (const done of due[i]!) allocator.release(done)
          })
        }
        // Every pass starts from one free block, so a pass that does not grow repeats itself for ever.
        let before = -1
        let passes = 0
        for (; grown() !== before; passes++) {
          before = grown()
          pass()
        }
        expect(passes).toBeLessThanOrEqual(10)
        pass()
        expect(grown()).toBe(before)
        expect(allocator.bytes).toBe(0)
      }),
      { numRuns: 100 },
    )
  })

  it('reuses a block for a request of exactly its size', () => {
    const { allocator, grown } = growing()
    for (const bytes of [1, 16, 17, 1000, 1024, 1025, 5000, 77_777]) {
      const kept = allocator.alloc(bytes)!
      const guard = allocator.alloc(16)!
      const before = grown()
      allocator.release(kept)
      expect(allocator.alloc(bytes)!.start).toBe(kept.start)
      expect(grown()).toBe(before)
      expect(guard.free).toBe(false)
    }
  })

  it('answers undefined when memory is exhausted, and recovers', () => {
    const { allocator } = growing()
    const block = allocator.alloc(limit - start - 64 * 1024)!
    expect(allocator.alloc(limit)).toBeUndefined()
    expect(allocator.alloc(2 ** 33)).toBeUndefined()
    allocator.release(block)
    expect(allocator.alloc(limit / 2)).toBeDefined()
  })
})
