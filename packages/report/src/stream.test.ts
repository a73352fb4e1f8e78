import { expect, test } from 'vitest'
import type { InspectedNetwork } from './inspection.js'
import { streamPicture } from './stream.js'

const site = (name: string, level: number, scale = 1, skip: 'identity' | 'projection' = 'identity') => ({
  ...{ name, level, scale, skip },
})
// An outer addition with two in its branch, then one that is no block.
const network: InspectedNetwork = {
  inputs: [{ name: 'image', type: 'f32', shape: [1, 3] }],
  outputs: [{ name: 'label <b>', type: 'f32', shape: null }],
  operators: { Conv: 4, Add: 4 },
  unsupported: [],
  parameters: 12,
  blocks: [{ name: 'outer', skip: 'nonlinear', operators: { Conv: 2, Relu: 1 }, scale: 0.2 }],
  sites: [site('first', 1, 0.1), site('second', 1), site('outer', 0, 0.2), site('beside', 0, 1, 'projection')],
  encoder: { from: 'image', to: 'h', operators: { Gemm: 1 } },
  decoder: { from: 'outer', to: 'label <b>', operators: { Softmax: 1 } },
}

test('a picture of the stream has an addition for every site, filled where it is a block', () => {
  const svg = streamPicture(network)
  expect(svg.match(/class="site"/g)).toHaveLength(3)
  expect(svg.match(/class="block"/g)).toHaveLength(1)
  expect(svg).toContain('aria-label="Residual stream: 1 blocks, 4 residual additions"')
  expect(svg).toContain('outer · nonlinear · λ 0.2 · 2 Conv, 1 Relu')
  expect(svg).toContain('image · 1 Gemm')
  expect(svg).toContain('1 Softmax · label &lt;b&gt;')
  expect(svg).not.toMatch(/NaN|undefined|<b>/)
})

test('a branch reaches from where its first inner addition begins to its own addition, one stream further right', () => {
  const svg = streamPicture(network)
  const circles = [...svg.matchAll(/<circle cx="(\d+)" cy="(\d+)"/g)].map(([, x, y]) => [Number(x), Number(y)])
  const [[inner, top], , [outer, bottom]] = circles as [[number, number], unknown, [number, number]]
  expect(inner).toBeGreaterThan(outer)
  const branch = [...svg.matchAll(/d="M(\d+) (\d+)H(\d+)Q\d+ \d+ (\d+) \d+V(\d+)/g)]
    .map(([, ...numbers]) => numbers.map(Number))
    .find(([from, , , , to]) => from === outer && to === bottom - 4)!
  expect(branch[1]).toBeLessThan(top)
  expect(branch[3]).toBe(inner)
})
