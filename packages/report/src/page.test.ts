import { inflateSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { escaped, type Part, reportPage } from './page.js'
import { barPlot, heatMap, linePlot, palette } from './plot.js'

const line = linePlot({
  title: 'a < b & c',
  x: { name: 'order' },
  y: { name: 'remainder', log: true },
  curves: [
    {
      name: 'λ = 1',
      color: palette[0],
      marks: true,
      points: [
        [0, 1],
        [1, 0],
        [2, Number.NaN],
        [3, null],
        [4, 1e-3],
        [5, 1e-4],
      ],
    },
  ],
})

function page(...parts: Part[]): string {
  return reportPage({ title: '<i>t</i>', lead: 'a & b', sections: [{ heading: '"h"', parts }] })
}

test('text is escaped, wherever it stands', () => {
  const hostile = `<script>alert("1")</script> & 'x'`
  const html = page(
    { kind: 'text', text: hostile },
    { kind: 'list', items: [hostile] },
    { kind: 'code', text: hostile },
    { kind: 'table', caption: hostile, head: [hostile], rows: [[hostile]] },
    { kind: 'figure', svg: [], caption: hostile },
  )
  expect(html).not.toContain('<script')
  expect(html.split(escaped(hostile))).toHaveLength(8)
  expect(html).toContain('<title>&lt;i&gt;t&lt;/i&gt;</title>')
  expect(line).toContain('a &lt; b &amp; c')
})

test('a page needs nothing but itself', () => {
  const html = page({ kind: 'figure', svg: [line], caption: 'c' })
  const addresses = [...html.matchAll(/https?:[^"'\s)]*/g)].map(match => match[0])
  expect(addresses.filter(address => !address.startsWith('http://www.w3.org/'))).toEqual([])
  expect(html).not.toMatch(/<script[^>]|<link|<img|@import|\ssrc=/)
})

test('tables and figures are numbered through the page', () => {
  const figure: Part = { kind: 'figure', svg: [], caption: 'c' }
  const table: Part = { kind: 'table', caption: 'c', head: ['a'], rows: [['1']] }
  const html = page(figure, table, figure)
  expect([...html.matchAll(/<b>((?:Table|Figure) \d)\./g)].map(match => match[1])).toEqual([
    'Figure 1',
    'Table 1',
    'Figure 2',
  ])
})

test('points that a logarithmic axis cannot show are left out', () => {
  expect(line).not.toMatch(/NaN|Infinity|undefined/)
  const marked = [...line.matchAll(/ecmeta_data_index="(\d)" ecmeta_ssr_type="chart"/g)].map(match => Number(match[1]))
  expect(marked).toEqual([0, 4, 5])
})

test('bars carry their values, and none where there is none', () => {
  const svg = barPlot({
    title: 't',
    y: { name: 'accuracy', min: 0, max: 1 },
    bars: [
      { name: 'one', value: 0.5, color: palette[0] },
      { name: 'two', value: null, color: palette[1] },
    ],
    format: value => `${100 * value} %`,
  })
  expect(svg).toContain('>50 %<')
  expect(svg).toContain('>two<')
  expect(svg).not.toContain(palette[1])
})

test('figures of one page do not share the ids of their definitions', () => {
  const another = linePlot({ title: 't', x: { name: 'x' }, y: { name: 'y' }, curves: [] })
  const ids = (svg: string) => [...svg.matchAll(/\sid="([^"]*)"/g)].map(match => match[1])
  const classes = (svg: string) => [...svg.matchAll(/\.(zr[\w-]+)\s*\{/g)].map(match => match[1])
  const first = new Set([...ids(line), ...classes(line)])
  expect([...ids(another), ...classes(another)].filter(name => first.has(name))).toEqual([])
})

test('a curve of 1e-200 beside one of 1 leaves a logarithmic axis of sixteen powers of ten', () => {
  const points = [0, -8, -200].map((exponent, k) => [k, 10 ** exponent] as const)
  const plot = (y: { name: string; log: boolean; min?: number }) =>
    linePlot({ title: 't', x: { name: 'k' }, y, curves: [{ name: 'c', color: palette[0], points }] })
  const ticks = (svg: string) => [...svg.matchAll(/>(10[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)</g)].map(match => match[1])
  expect(ticks(plot({ name: 'y', log: true }))).toContain('10⁻¹⁶')
  expect(ticks(plot({ name: 'y', log: true }))).not.toContain('10⁻²⁰⁰')
  expect(ticks(plot({ name: 'y', log: true, min: 1e-200 }))).toContain('10⁻²⁰⁰')
})

test('a curve that is lost in rounding after a twentieth of its orders fills the figure', () => {
  const points = Array.from({ length: 1001 }, (_, k) => [k, 10 ** (-k / 3)] as const)
  const y = { name: 'norm', log: true }
  const svg = linePlot({ title: 't', x: { name: 'k' }, y, curves: [{ name: 'c', color: palette[0], points }] })
  const ticks = [...svg.matchAll(/>(\d[\d,]*)<\/text>/g)].map(match => Number(match[1]!.replace(',', '')))
  // 16 powers of ten are 48 orders.
  expect(Math.max(...ticks)).toBe(50)
})

test('long names of cells leave out what all of them share', () => {
  const names = Array.from({ length: 3 }, (_, l) => `blocks.${l}.attn`)
  const svg = heatMap({ title: 't', x: 'x', y: 'y', values: [[1, 2, 3]], columnNames: names, format: String })
  expect(svg).toContain('>2.attn<')
  expect(svg).not.toContain('>blocks.2.attn<')
})

test('figures carry their numbers as CSV, at full precision', () => {
  const data = (svg: string) => /<metadata title="[^"]*">(.*)<\/metadata><\/svg>$/s.exec(svg.trim())![1]!.split('\n')
  expect(data(line)).toEqual([
    '&quot;order&quot;,&quot;λ = 1&quot;',
    ...['0,1', '1,0', '2,', '3,', '4,0.001', '5,0.0001'],
  ])
  const map = heatMap({ title: 't', x: 'block', y: 'order', values: [[1 / 3, null]], firstRow: 1, format: String })
  expect(data(map)).toEqual(['&quot;order \\ block&quot;,0,1', `1,${1 / 3},`])
})

test('terms are explained beside their first use, once', () => {
  const part: Part = { kind: 'text', text: 'The coherence of gated paths.' }
  const html = page({ kind: 'text', text: 'Nothing to explain.' }, part, part)
  expect([...html.matchAll(/<dt>(.*?)<\/dt>/g)].map(match => match[1])).toEqual(['gated', 'coherence'])
  expect(html.indexOf('<dl')).toBeGreaterThan(html.indexOf(part.text))
  expect(html.indexOf('<dl')).toBeLessThan(html.lastIndexOf(part.text))
})

test('long tables show their first rows and fold the others away', () => {
  const rows = (n: number) => Array.from({ length: n }, (_, i) => [String(i)])
  const table = (n: number) => page({ kind: 'table', caption: 'c', head: ['order'], rows: rows(n) })
  expect(table(50)).not.toContain('<details>')
  const [shown, folded] = table(1001).split('<details><summary>981 more rows</summary>')
  expect([...shown!.matchAll(/<td>/g)]).toHaveLength(20)
  expect([...folded!.matchAll(/<td>/g)]).toHaveLength(981)
})

const map = (values: (number | null)[][], title = 't') => heatMap({ title, x: 'x', y: 'y', values, format: String })
const matrix = (n: number, of: (row: number, column: number) => number | null) =>
  Array.from({ length: n }, (_, j) => Array.from({ length: n }, (_, i) => of(j, i)))

/** Size and colours `[height][width]` of the PNG in a page. */
function picture(svg: string) {
  const png = Buffer.from(/data:image\/png;base64,([\w+/=]+)/.exec(svg)![1]!, 'base64')
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  const chunks = new Map<string, Buffer>()
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    chunks.set(png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, at + 8 + length))
    at += length + 12
  }
  const [width, height] = [chunks.get('IHDR')!.readUInt32BE(0), chunks.get('IHDR')!.readUInt32BE(4)]
  const rows = inflateSync(chunks.get('IDAT')!)
  const colour = (x: number, y: number) => {
    const index = rows[y * (width + 1) + 1 + x]!
    return index === 0 ? null : [...chunks.get('PLTE')!.subarray(3 * index, 3 * index + 3)]
  }
  return { width, height, colour }
}

test('few cells are drawn one by one, many as an image with one colour for each', () => {
  expect(map(matrix(10, (j, i) => i - j))).not.toContain('data:image')
  // Row 0 at the bottom; the largest value orange, its opposite blue, nothing above the diagonal.
  const svg = map(matrix(100, (j, i) => (i > j ? null : j === 99 && i === 0 ? 5 : j === 0 ? -5 : 0)))
  const { width, height, colour } = picture(svg)
  expect(colour(0, 0)).toEqual([0xd5, 0x5e, 0x00])
  expect(colour(0, height - 1)).toEqual([0x00, 0x72, 0xb2])
  expect(colour(0, Math.floor(height / 2))).toEqual([255, 255, 255])
  expect(colour(width - 1, height - 1)).toBeNull()
  expect(svg).not.toContain('means of')
})

test('a map of more cells than pixels shows means and says of how many', () => {
  const svg = map(
    matrix(1500, (_, i) => (i % 5 === 0 ? 5 : 0) * (i < 750 ? 1 : -1)),
    'Pairs',
  )
  expect(svg).toMatch(/Pairs \(means of 5 × 7\)/)
  const { width, height, colour } = picture(svg)
  expect(colour(5, 5)).toEqual([0xd5, 0x5e, 0x00])
  expect(colour(width - 5, height - 5)).toEqual([0x00, 0x72, 0xb2])
  expect(svg.length).toBeLessThan(2 ** 18)
})

test('a curve of many points keeps its extremes and stays small', () => {
  const points = Array.from({ length: 20_000 }, (_, i) => [i, i === 12_345 ? 1000 : 1] as const)
  const of = (p: typeof points) =>
    linePlot({
      title: 't',
      x: { name: 'x' },
      y: { name: 'y' },
      curves: [{ name: 'c', color: '#123456', marks: true, points: p }],
    })
  expect(of(points).length).toBeLessThan(40_000)
  // With the peak in sight the axis reaches to it.
  expect(of(points)).toContain('>1,000<')
})
