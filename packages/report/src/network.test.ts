import type { Tower } from '@unravel/resnet'
import { tanh, tensor } from '@unravel/tensor'
import { expect, test } from 'vitest'
import { reportOf } from './network.js'
import { heatColours, heatMap, palette } from './plot.js'

const block = { scale: 0.25, branch: tanh }
const tower: Tower = { encode: x => x, blocks: [block, block, block], decode: h => h }
const x = tensor([[0.5, -1]], { dtype: 'f64' })

test('reportOf makes the whole page of any tower, which needs nothing else', async () => {
  const html = await reportOf(tower, x, { name: 'three <blocks>', orders: 4, target: 1 })
  expect(html).toContain('<title>three &lt;blocks&gt;</title>')
  expect(html).toContain('Paths of the gradient of output 1 by length')
  expect(html).toContain('on one input')
  expect(html).not.toMatch(/NaN|undefined|<script [^>]*src/)
  await expect(reportOf(tower, x, { target: 2 })).rejects.toThrow(/the model's outputs are 0 to 1/)
})

test('figures of a tower with names call its blocks by them', async () => {
  const names = ['h.0.attn', 'h.0.mlp', 'h.1.attn']
  const [named, bare] = await Promise.all([reportOf({ ...tower, names }, x), reportOf(tower, x)])
  for (const name of names) {
    expect(named).toContain(`>${name}</text>`)
    expect(bare).not.toContain(name)
  }
})

/** The word for the hue of #rrggbb. */
function hue(color: string): string {
  const [r, g, b] = [1, 3, 5].map(at => Number.parseInt(color.slice(at, at + 2), 16)) as [number, number, number]
  if (b > r && b > g) return 'Blue'
  return r > g && g > b ? 'Orange' : 'another'
}

test('captions call the colours of a heat map what they are', async () => {
  const svg = heatMap({ title: 't', x: 'x', y: 'y', values: [[1, -1]], format: String })
  for (const color of palette.slice(0, 2)) {
    const [r, g, b] = [1, 3, 5].map(at => Number.parseInt(color.slice(at, at + 2), 16))
    expect(svg).toContain(`rgb(${r},${g},${b})`)
  }
  expect([heatColours.above, heatColours.below]).toEqual([hue(palette[0]), hue(palette[1])])
  const html = await reportOf(tower, x)
  expect(html).toContain('Orange pushes the output on, blue holds it back.')
  expect(html).toContain('Blue cells off the diagonal')
  expect(html).not.toMatch(/\bred\b/i)
})
