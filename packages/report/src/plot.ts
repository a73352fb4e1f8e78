import { BarChart, HeatmapChart, LineChart } from 'echarts/charts'
import {
  GraphicComponent,
  GridComponent,
  LegendComponent,
  TitleComponent,
  VisualMapComponent,
} from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { type Colour, pngImage } from './image.js'
import { escaped } from './page.js'

use([
  BarChart,
  HeatmapChart,
  LineChart,
  GraphicComponent,
  GridComponent,
  LegendComponent,
  TitleComponent,
  VisualMapComponent,
  SVGRenderer,
])

/** A curve; points whose y is null, not finite, or not positive on a logarithmic axis are left out. */
export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number | null])[]
  readonly color: string
  /** Marks at the points, for curves of few of them. */
  readonly marks?: boolean
  readonly dashed?: boolean
}

export interface Axis {
  readonly name: string
  readonly log?: boolean
  readonly min?: number
  readonly max?: number
  /** How a tick reads (default: the number, powers of ten on a logarithmic axis). */
  readonly format?: (value: number) => string
}

export interface LinePlot {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly curves: readonly Curve[]
  readonly width?: number
  readonly height?: number
}

/** Points that get marks; beyond them a curve is a line. */
const MAX_MARKS = 128
/** Groups of points of which a curve of more points keeps the smallest and the largest. */
const GROUPS = 256

/** Of as many groups for the numbers that go with a plot. */
const TOLD_GROUPS = 4 * GROUPS

/** At most two points of each group, by default of 256, the resolution of a plot of a few hundred pixels. */
function thinned<P extends readonly [number, number | '-' | null]>(
  points: readonly P[],
  groups = GROUPS,
): readonly P[] {
  if (points.length <= 2 * groups) return points
  return Array.from({ length: groups }, (_, g) => {
    const at = (i: number) => Math.floor((i * points.length) / groups)
    const group = points.slice(at(g), at(g + 1))
    const kept = group.filter(([, y]) => y !== '-' && y !== null).sort(([, a], [, b]) => Number(a) - Number(b))
    const ends = kept.length === 0 ? group.slice(0, 1) : [...new Set([kept[0]!, kept.at(-1)!])]
    return ends.sort(([a], [b]) => a - b)
  }).flat()
}

/** Curves over a common x, as SVG; long curves by what a plot of this size can show of them. */
export function linePlot({ title, x, y, curves, width = 430, height = 320 }: LinePlot): string {
  const shown = (value: number | null): value is number =>
    value !== null && Number.isFinite(value) && (!y.log || value > 0)
  const series = curves.map(({ name, points, color, marks, dashed }) => ({
    type: 'line' as const,
    silent: true,
    name,
    data: thinned(points.map(([at, value]) => [at, shown(value) ? value : '-'] as const)),
    showSymbol: (marks ?? false) && points.length <= MAX_MARKS,
    symbol: 'circle',
    symbolSize: 5,
    color,
    lineStyle: { width: 1.5, type: dashed ? 'dashed' : 'solid' },
  }))
  const told = curves.map(curve => ({ ...curve, points: thinned(curve.points, TOLD_GROUPS) }))
  const numbers = [[x.name, ...curves.map(curve => curve.name)], ...byX(told)]
  const axes = visible(x, y, curves)
  return svg(width, height, numbers, {
    ...frame(title),
    legend: { ...legend, data: curves.map(curve => curve.name) },
    xAxis: { ...axis(axes.x), nameLocation: 'middle', nameGap: 28 },
    yAxis: { ...axis(axes.y), nameLocation: 'middle', nameGap: 48, nameRotate: 90 },
    series,
  })
}

export interface BarPlot {
  readonly title: string
  readonly y: Axis
  readonly bars: readonly { readonly name: string; readonly value: number | null; readonly color: string }[]
  readonly format: (value: number) => string
  readonly width?: number
  readonly height?: number
}

/** Named values as bars, each with its value written above it, as SVG. */
export function barPlot({ title, y, bars, format, width = 430, height = 320 }: BarPlot): string {
  const numbers = [['', y.name], ...bars.map(bar => [bar.name, bar.value])]
  return svg(width, height, numbers, {
    ...frame(title),
    grid: { ...grid, bottom: 40 },
    xAxis: {
      type: 'category',
      data: bars.map(bar => bar.name),
      ...lines,
      splitLine: { show: false },
      axisTick: { show: false },
    },
    yAxis: { ...axis(y), nameLocation: 'middle', nameGap: 48, nameRotate: 90 },
    series: [
      {
        type: 'bar',
        silent: true,
        barWidth: '45%',
        data: bars.map(({ value, color }) => ({ value: value ?? '-', itemStyle: { color } })),
        label: {
          show: true,
          position: 'top',
          color: ink.text,
          formatter: ({ value }: { value: unknown }) => (typeof value === 'number' ? format(value) : ''),
        },
      },
    ],
  })
}

export interface HeatMap {
  readonly title: string
  readonly x: string
  readonly y: string
  /** `[rows][columns]`, row 0 at the bottom; null and what is not finite stay blank. */
  readonly values: readonly (readonly (number | null)[])[]
  /** Number of row 0 (default 0). */
  readonly firstRow?: number
  /** Names of columns and rows (default: their numbers). */
  readonly columnNames?: readonly string[] | undefined
  readonly rowNames?: readonly string[] | undefined
  /** How the ends of the colour scale read. */
  readonly format: (value: number) => string
  readonly width?: number
  readonly height?: number
}

/** The most cells that are drawn one by one; more are an image of at most one cell a pixel. */
const MAX_CELLS = 4096
/** Rows and columns of the numbers that go with a map; more are means, to six digits. */
const TOLD_SIDE = 100

/** A matrix as coloured cells of `heatColours`, white at zero; as SVG. Where there are more rows or columns than
 *  pixels, a cell is the mean of several, and the title says of how many. */
export function heatMap(map: HeatMap): string {
  const { title, x, y, values, firstRow = 0, columnNames, rowNames, format, width = 430, height = 360 } = map
  const rows = values.length
  const columns = values.reduce((most, row) => Math.max(most, row.length), 0)
  const box = { x: grid.left, y: grid.top, width: width - grid.left - grid.right, height: height - grid.top - 92 }
  const few = rows * columns <= MAX_CELLS
  const down = few ? 1 : Math.ceil(rows / box.height)
  const across = few ? 1 : Math.ceil(columns / box.width)
  const cells = down * across === 1 ? values : means(values, columns, down, across)
  let largest = Number.MIN_VALUE
  const data: [column: number, row: number, value: number][] = []
  cells.forEach((row, j) => {
    row.forEach((value, i) => {
      if (value === null || !Number.isFinite(value)) return
      largest = Math.max(largest, Math.abs(value))
      if (few) data.push([i, j, value])
    })
  })
  const labels = (n: number, first = 0) => Array.from({ length: n }, (_, i) => String(i + first))
  const category = (name: string, n: number, names: readonly string[] | undefined, first = 0) => ({
    type: 'category' as const,
    name,
    data: names === undefined ? labels(n, first) : brief(names.slice(0, n)),
    ...lines,
    ...(names && { axisLabel: { ...lines.axisLabel, width: 46, overflow: 'truncate' as const } }),
    splitLine: { show: false },
  })
  const [tall, wide] = few ? [1, 1] : [Math.ceil(rows / TOLD_SIDE), Math.ceil(columns / TOLD_SIDE)]
  const told =
    tall * wide === 1
      ? values
      : means(values, columns, tall, wide).map(row => row.map(v => v && Number(v.toPrecision(6))))
  const of = tall * wide === 1 ? '' : `, means of ${wide} × ${tall}`
  const head = [
    `${y} \\ ${x}${of}`,
    ...Array.from({ length: Math.ceil(columns / wide) }, (_, i) => columnNames?.[i * wide] ?? i * wide),
  ]
  const numbers = [head, ...told.map((row, j) => [rowNames?.[j * tall] ?? j * tall + firstRow, ...row])]
  const image = () => ({
    type: 'image' as const,
    silent: true,
    style: { ...box, image: cellImage(cells, { rows, columns, down, across }, largest, box) },
  })
  return svg(width, height, numbers, {
    ...frame(down * across === 1 ? title : `${title} (means of ${across} × ${down})`),
    grid: { ...grid, bottom: 92 },
    xAxis: { ...category(x, columns, columnNames), nameLocation: 'middle', nameGap: 28 },
    yAxis: {
      ...category(y, rows, rowNames, firstRow),
      nameLocation: 'middle',
      nameGap: rowNames ? 52 : 40,
      nameRotate: 90,
    },
    visualMap: {
      min: -largest,
      max: largest,
      orient: 'horizontal',
      left: 'center',
      bottom: 4,
      itemWidth: 10,
      itemHeight: 120,
      text: [format(largest), format(-largest)],
      textStyle: { color: ink.text, fontSize: 11 },
      inRange: { color: [HEAT.below, '#ffffff', HEAT.above] },
    },
    series: [{ type: 'heatmap', silent: true, data }],
    ...(few ? {} : { graphic: [image()] }),
  })
}

/** Names, without the part before a point that all of them share where they are longer than a label may be. */
function brief(names: readonly string[]): readonly string[] {
  if (names.every(name => name.length <= 8)) return names
  const parts = names.map(name => name.split('.'))
  let shared = 0
  while (parts.every(p => shared < p.length - 1 && p[shared] === parts[0]![shared])) shared++
  return parts.map(p => p.slice(shared).join('.'))
}

type Cells = HeatMap['values']

/** Means over `down` rows and `across` columns, of what is finite; null where nothing is. */
function means(values: Cells, columns: number, down: number, across: number): (number | null)[][] {
  return Array.from({ length: Math.ceil(values.length / down) }, (_, j) =>
    Array.from({ length: Math.ceil(columns / across) }, (_, i) => {
      let sum = 0
      let count = 0
      for (const row of values.slice(j * down, (j + 1) * down)) {
        for (const value of row.slice(i * across, (i + 1) * across)) {
          if (value === null || !Number.isFinite(value)) continue
          sum += value
          count++
        }
      }
      return count === 0 ? null : sum / count
    }),
  )
}

/** The colours of a heat map at −255/255 … 255/255 of its largest value, after one for what is blank. */
const diverging: readonly Colour[] = [
  [255, 255, 255],
  ...Array.from({ length: 255 }, (_, i): Colour => {
    const t = (i - 127) / 127
    const end: Colour = t < 0 ? [0x00, 0x72, 0xb2] : [0xd5, 0x5e, 0x00]
    return end.map(c => Math.round(255 + Math.abs(t) * (c - 255))) as unknown as Colour
  }),
]

/** Cells that stand for `down` × `across` of `rows` × `columns`, row 0 at the bottom, as an image that fills a box. */
function cellImage(
  cells: Cells,
  { rows, columns, down, across }: Readonly<Record<'rows' | 'columns' | 'down' | 'across', number>>,
  largest: number,
  { width, height }: { readonly width: number; readonly height: number },
): string {
  const indices = new Uint8Array(width * height)
  for (let py = 0; py < height; py++) {
    const row = cells[Math.floor(Math.floor(((height - 1 - py) * rows) / height) / down)]!
    for (let px = 0; px < width; px++) {
      const value = row[Math.floor(Math.floor((px * columns) / width) / across)] ?? Number.NaN
      if (Number.isFinite(value)) indices[py * width + px] = 128 + Math.round((127 * value) / largest)
    }
  }
  return pngImage(indices, width, height, diverging)
}

/** Colours that remain distinct to colour-blind readers (Okabe & Ito). */
export const palette = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const

/** Names of the colours of the palette. */
const colourNames = {
  '#d55e00': 'Orange',
  '#0072b2': 'Blue',
  '#009e73': 'Green',
  '#cc79a7': 'Pink',
  '#e69f00': 'Yellow',
  '#56b4e9': 'Light blue',
} as const satisfies Record<(typeof palette)[number], string>

/** Of cells above and below zero. */
const HEAT = { above: palette[0], below: palette[1] } as const
/** How captions call the colours of `heatMap`. */
export const heatColours = { above: colourNames[HEAT.above], below: colourNames[HEAT.below] } as const

const ink = { text: '#1a1a1a', faint: '#6b6b6b', rule: '#e4e4e4' }
const grid = { left: 66, right: 16, top: 40, bottom: 78 }
const legend = {
  bottom: 0,
  selectedMode: false,
  icon: 'roundRect',
  itemWidth: 16,
  itemHeight: 3,
  itemGap: 20,
  textStyle: { color: ink.text, fontSize: 12 },
}
const lines = {
  axisLine: { show: true, lineStyle: { color: ink.faint } },
  axisLabel: { color: ink.text, fontSize: 11 },
  splitLine: { show: true, lineStyle: { color: ink.rule, width: 1 } },
}

function frame(title: string) {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: 'ui-sans-serif, system-ui, sans-serif' },
    title: { text: title, left: 'center', top: 4, textStyle: { fontSize: 13, fontWeight: 600, color: ink.text } },
    grid,
  } as const
}

function axis({ name, log, min, max, format }: Axis) {
  const ticks = format ?? (log ? powerOfTen : undefined)
  return {
    type: log ? ('log' as const) : ('value' as const),
    name,
    nameTextStyle: { color: ink.text, fontSize: 12 },
    ...lines,
    axisLabel: { ...lines.axisLabel, ...(ticks && { formatter: ticks }) },
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  }
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** 10⁻³ for 0.001; nothing for what is no power of ten. */
function powerOfTen(value: number): string {
  const exponent = Math.round(Math.log10(value))
  if (Math.abs(value / 10 ** exponent - 1) > 1e-9) return ''
  if (exponent === 0) return '1'
  const digits = [...String(Math.abs(exponent))].map(digit => superscripts[Number(digit)]!)
  return `10${exponent < 0 ? '⁻' : ''}${digits.join('')}`
}

/** A logarithmic axis shows sixteen powers of ten below the largest value: smaller values are rounding, and would hide the rest.
 *  Where less than half of x has something to show, the other axis ends there. */
function visible(x: Axis, y: Axis, curves: readonly Curve[]): { x: Axis; y: Axis } {
  if (!y.log || y.min !== undefined) return { x, y }
  const points = curves.flatMap(curve => curve.points.filter(([, v]) => v !== null && v > 0 && v < Infinity))
  const floor = points.reduce((most, [, v]) => Math.max(most, v!), 0) * 1e-16
  if (points.every(([, v]) => v! >= floor)) return { x, y }
  const last = (of: typeof points) => of.reduce((most, [at]) => Math.max(most, at), 0)
  const end = last(points.filter(([, v]) => v! >= floor))
  const cut = !x.log && x.max === undefined && 2 * end < last(points)
  return { x: cut ? { ...x, max: roundedUp(end) } : x, y: { ...y, min: floor } }
}

/** The next multiple of half the power of ten below. */
function roundedUp(value: number): number {
  const step = 10 ** Math.floor(Math.log10(Math.max(value, 1))) / 2
  return Math.ceil(value / step) * step
}

type Cell = string | number | null | undefined

/** Rows of x and the y of every curve there. */
function byX(curves: readonly Curve[]): Cell[][] {
  const at = curves.map(({ points }) => new Map(points))
  const all = [...new Set(at.flatMap(points => [...points.keys()]))].sort((a, b) => a - b)
  return all.map(x => [x, ...at.map(points => points.get(x))])
}

/** RFC 4180, but for the ends of lines, which HTML would change; nothing for what is not finite. */
const csv = (rows: readonly (readonly Cell[])[]): string =>
  rows
    .map(row =>
      row.map(cell => (typeof cell === 'string' ? `"${cell.replaceAll('"', '""')}"` : finite(cell))).join(','),
    )
    .join('\n')
const finite = (value: number | null | undefined) => (Number.isFinite(value) ? String(value) : '')

/** A chart as SVG, with its numbers as CSV in <metadata>. */
function svg(
  width: number,
  height: number,
  numbers: readonly (readonly Cell[])[],
  option: Record<string, unknown>,
): string {
  const { text: title } = option.title as { readonly text: string }
  const chart = init(null, undefined, { renderer: 'svg', ssr: true, width, height })
  try {
    chart.setOption(option)
    return chart
      .renderToSVGString()
      .replace('</svg>', () => `<metadata title="${escaped(title)}">${escaped(csv(numbers))}</metadata></svg>`)
  } finally {
    chart.dispose()
  }
}
