import {
  type Curve,
  linePlot,
  type Part,
  palette,
  percent,
  reportPage,
  type Section,
  significant,
  trainingParts,
} from '@unravel/report'
import type { JobResult, Row } from './job.js'
import type { Setting, Study } from './plan.js'

/** Curves that one plot still tells apart. */
const MAX_CURVES = palette.length

/** Jobs that differ in their seed alone. */
interface Group {
  /** The settings that tell the group from others, apart from the axis and the seed: `scale 1/n`. */
  readonly name: string
  /** Its place on the axis. */
  readonly x: number
  readonly results: readonly JobResult[]
}

/** The page of a study: curves over depth (or the first other option with numbers) and scale, with the spread over seeds. */
export function studyPage(study: Study, rows: readonly Row[]): string {
  const axis = axisOf(study, rows)
  const groups = groupsOf(study, rows, axis)
  const names = [...new Set(groups.map(group => group.name))]
  const overAxis = (
    title: string,
    of: (result: JobResult) => number | null,
    format: (value: number) => string,
    caption: string,
    axisOptions: { readonly log?: boolean; readonly min?: number; readonly max?: number } = {},
  ): Part[] => [
    {
      kind: 'figure',
      svg: chunks(names).map(some =>
        linePlot({
          title,
          x: { name: axis ?? 'job', log: spansDecades(groups.map(group => group.x)) },
          y: { name: title, format, ...axisOptions },
          curves: some.flatMap((name, i) => spread(name, palette[i]!, groups, of)),
        }),
      ),
      caption,
    },
    summary(axis, groups, title, of, format),
  ]
  const spectra = (axis === undefined ? [] : groups).filter(({ results }) =>
    results.some(({ gated }) => gated !== null),
  )
  const failed = rows.filter(row => 'error' in row)
  const sections: Section[] = [
    {
      heading: 'Accuracy',
      parts: overAxis(
        'test accuracy',
        result => (result.ended === 'done' ? result.test_accuracy : null),
        percent,
        'Mean over seeds; dashed, the least and the largest. Runs that diverged have no point.',
        { min: 0, max: 1 },
      ),
    },
    {
      heading: 'Orders of the trained networks',
      parts: [
        ...overAxis(
          'mean order',
          result => result.gated?.mean_order ?? null,
          value => significant(value),
          'Mean number of branches on a path of the gated expansion, weighted by share of the output: mean over seeds; dashed, the least and the largest.',
        ),
        ...overAxis(
          'radius over λ',
          result => radiusOverScale(result),
          value => significant(value),
          'Radius of convergence of the taylor series over the scale of the network: above 1 the series converges.',
          { log: true },
        ),
        {
          kind: 'figure',
          svg: chunks(names).map(some => shares(some, spectra)),
          caption: `Share of each order of the gated expansion, at the largest ${axis ?? 'value'}: mean over seeds.`,
        },
      ],
    },
    {
      heading: 'Training',
      parts: [
        {
          kind: 'figure',
          svg: chunks(names).map(some => losses(some, groups)),
          caption: `Training loss at the largest ${axis ?? 'value'}, of the first seed.`,
        },
      ],
    },
    ...orderSections(names, groups),
    { heading: 'Jobs', parts: [jobTable(study, rows)] },
  ]
  return reportPage({
    title: study.name,
    lead:
      `${rows.length} jobs over ${study.varied.join(', ') || 'one configuration'}; ` +
      `${count(rows, 'diverged')} diverged, ${failed.length} failed.`,
    sections,
  })
}

const count = (rows: readonly Row[], ended: JobResult['ended']): number =>
  rows.filter(row => 'result' in row && row.result.ended === ended).length

/** The horizontal axis of a page: the depth if it varies, else the first option of which all jobs have a number. */
function axisOf({ varied }: Study, rows: readonly Row[]): string | undefined {
  const numeric = varied.filter(
    name =>
      name !== 'seed' &&
      rows.every(({ train }) => typeof train[name] === 'number') &&
      new Set(rows.map(({ train }) => train[name])).size > 1,
  )
  return numeric.includes('depth') ? 'depth' : numeric[0]
}

function groupsOf({ varied }: Study, rows: readonly Row[], axis: string | undefined): Group[] {
  const others = varied.filter(name => name !== axis && name !== 'seed')
  const groups = new Map<string, Group & { results: JobResult[] }>()
  for (const row of rows) {
    if (!('result' in row)) continue
    const name = others.map(key => `${key} ${setting(row.train[key])}`).join(', ') || 'all'
    const x = axis === undefined ? 0 : Number(row.train[axis])
    const key = JSON.stringify([name, x])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { name, x, results: [row.result] })
    else group.results.push(row.result)
  }
  return [...groups.values()].sort((a, b) => a.x - b.x)
}

const setting = (value: Setting | undefined): string => (value === undefined ? 'default' : String(value))

const known = (results: readonly JobResult[], of: (result: JobResult) => number | null): number[] =>
  results.map(of).filter(value => value !== null)
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
/** Standard deviation of the sample; 0 of one value. */
const deviation = (values: readonly number[]): number =>
  values.length < 2 ? 0 : Math.sqrt(values.reduce((sum, v) => sum + (v - mean(values)) ** 2, 0) / (values.length - 1))

/** The mean over seeds, and the least and the largest where they differ. */
function spread(
  name: string,
  color: string,
  groups: readonly Group[],
  of: (result: JobResult) => number | null,
): Curve[] {
  const points = groups
    .filter(group => group.name === name)
    .map(({ x, results }) => ({ x, values: known(results, of) }))
  const curve = (pick: (values: number[]) => number): Curve['points'] =>
    points.map(({ x, values }) => [x, values.length === 0 ? null : pick(values)])
  const ends: Curve[] = [Math.min, Math.max].map((end, i) => ({
    name: `${name}, ${i === 0 ? 'least' : 'largest'}`,
    color,
    dashed: true,
    points: curve(values => end(...values)),
  }))
  const varies = points.some(({ values }) => values.length > 1)
  return [{ name, color, marks: true, points: curve(mean) }, ...(varies ? ends : [])]
}

function summary(
  axis: string | undefined,
  groups: readonly Group[],
  title: string,
  of: (result: JobResult) => number | null,
  format: (value: number) => string,
): Part {
  return {
    kind: 'table',
    caption: `${title}: mean ± standard deviation over runs that have one.`,
    head: [axis ?? 'axis', 'setting', title, 'runs', 'diverged'],
    rows: groups.map(({ name, x, results }) => {
      const values = known(results, of)
      const diverged = results.filter(({ ended }) => ended === 'diverged').length
      const found = values.length === 0 ? '–' : `${format(mean(values))} ± ${format(deviation(values))}`
      return [String(x), name, found, String(values.length), String(diverged)]
    }),
  }
}

function radiusOverScale({ taylor }: JobResult): number | null {
  const radius = taylor?.radius as { ratio: number | null } | null | undefined
  return radius?.ratio ? 1 / radius.ratio : null
}

const largestOf = (name: string, groups: readonly Group[]): Group | undefined =>
  groups.filter(group => group.name === name).at(-1)

function shares(names: readonly string[], groups: readonly Group[]): string {
  return linePlot({
    title: 'share of each order',
    x: { name: 'order' },
    y: { name: 'share', log: true, min: 1e-6 },
    curves: names.flatMap((name, i) => {
      const found = largestOf(name, groups)?.results.flatMap(({ gated }) => (gated === null ? [] : [gated.share])) ?? []
      if (found.length === 0) return []
      const points = found[0]!.map((_, k) => [k, mean(found.map(share => share[k] ?? 0)) || null] as const)
      return [{ name, color: palette[i]!, points }]
    }),
  })
}

function losses(names: readonly string[], groups: readonly Group[]): string {
  return linePlot({
    title: 'training loss',
    x: { name: 'step' },
    y: { name: 'loss', log: true },
    curves: names.flatMap((name, i) => {
      const first = largestOf(name, groups)?.results[0]
      return first === undefined
        ? []
        : [{ name, color: palette[i]!, points: first.losses.map(({ step, loss }) => [step, loss] as const) }]
    }),
  })
}

/** Order spectra through training, where the study records them: of every setting at its largest value, the first seed. */
function orderSections(names: readonly string[], groups: readonly Group[]): Section[] {
  const courses = names.flatMap(name => {
    const first = largestOf(name, groups)?.results[0]
    return first === undefined ? [] : [{ name, losses: first.losses, orders: first.orders }]
  })
  const parts = chunks(courses).flatMap(some => trainingParts(some))
  return parts.length === 0 ? [] : [{ heading: 'Orders through training', parts }]
}

function jobTable({ varied }: Study, rows: readonly Row[]): Part {
  return {
    kind: 'table',
    caption: 'All jobs.',
    head: [...varied, 'ended', 'test accuracy', 'loss', 'error'],
    rows: rows.map(row => [
      ...varied.map(name => setting(row.train[name])),
      ...('result' in row
        ? [row.result.ended, told(row.result.test_accuracy, percent), told(row.result.loss, significant), '']
        : ['failed', '–', '–', row.error]),
    ]),
  }
}

const told = (value: number | null, format: (value: number) => string): string => (value === null ? '–' : format(value))

const spansDecades = (values: readonly number[]): boolean => {
  const positive = values.filter(value => value > 0)
  return positive.length === values.length && Math.max(...positive) >= 10 * Math.min(...positive)
}

/** Curves in lists that a plot can tell apart; at least one list. */
function chunks<T>(curves: readonly T[]): T[][] {
  const lists = Math.max(1, Math.ceil(curves.length / MAX_CURVES))
  return Array.from({ length: lists }, (_, i) => curves.slice(i * MAX_CURVES, (i + 1) * MAX_CURVES))
}
