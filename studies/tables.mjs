// The tables of docs/residual-depth.md and docs/radius.md from the results of the studies beside it.
//   node studies/tables.mjs           writes the tables into the pages
//   node studies/tables.mjs check     ends with 1 where a table of a page is not what the results give
//   node studies/tables.mjs take DIR  takes results from the folder of a finished study into results/
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const pages = ['residual-depth', 'radius'].map(name => join(here, `../docs/${name}.md`))

const results = name =>
  readFileSync(join(here, `results/${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

/** The fields of a line of results.jsonl that the tables read. */
function kept({ train, result, error }) {
  if (result === undefined) return { train, error }
  const { ended, test_accuracy, gated, taylor, orders } = result
  return {
    train,
    result: {
      ...{
        ended,
        test_accuracy,
        mean_order: gated?.mean_order ?? null,
        best_remainder: taylor?.best_remainder ?? null,
      },
      ...(taylor?.remainder !== undefined && { remainder: taylor.remainder.slice(0, 4) }),
      ...(orders?.length > 0 && {
        orders: orders.map(o => ({
          step: o.step,
          mean_order: o.gated.mean_order,
          ratio: o.taylor.radius?.ratio ?? null,
          best_remainder: o.taylor.best_remainder,
          complexity: o.complexity,
          coherence: o.coherence.slice(0, 4),
        })),
      }),
    },
  }
}

const markdown = ([head, ...rows]) => {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map(cells => cells[i].length)))
  const line = cells => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
const short = x => (x === null || x === undefined ? '–' : rounded(Number(x.toPrecision(3))))
const rounded = x => (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5) ? x.toExponential() : String(x))
const percent = x => `${(100 * x).toFixed(1)} %`
const mean = xs => xs.reduce((a, b) => a + b, 0) / xs.length
const median = xs => [...xs].sort((a, b) => a - b)[xs.length >> 1]
const unique = xs => [...new Set(xs)]

/** Rows of scales, columns of depths; `cell` of the results of all seeds. */
function byDepth(name, cell) {
  const rows = results(name)
  const depthOf = ({ train }) => train.depth ?? blocksOf(train)
  const depths = unique(rows.map(depthOf))
  return markdown([
    ['λ', ...depths.map(n => `${n} blocks`)],
    ...unique(rows.map(r => labelOf(r))).map(label => [
      label,
      ...depths.map(n => cell(rows.filter(r => depthOf(r) === n && labelOf(r) === label))),
    ]),
  ])
}

/** λ, and the norm in every branch where there is one. */
const labelOf = ({ train: { scale, norm = 'none' } }) => (norm === 'none' ? `${scale}` : `${scale}, ${norm} norm`)

/** Depths of a study of ResNets: the blocks of three stages. */
const blocksOf = ({ layers }) => layers.split(',').reduce((sum, n) => sum + Number(n), 0)

const finished = rows => rows.filter(r => r.result?.ended === 'done').map(r => r.result)

function accuracy(rows) {
  const found = finished(rows).map(r => r.test_accuracy)
  const lost = rows.length - found.length
  if (found.length === 0) return 'diverged'
  if (rows.length === 1) return percent(found[0])
  const spread = `${percent(mean(found))} (${percent(Math.min(...found))} to ${percent(Math.max(...found))})`
  return lost === 0 ? spread : `${spread}; ${lost} of ${rows.length} diverged`
}

const summaryOf = summary => field => rows => {
  const found = finished(rows).flatMap(r => r[field] ?? [])
  return found.length === 0 ? '–' : short(summary(found))
}
const medianOf = summaryOf(median)
const meanOf = summaryOf(mean)

/** What the Taylor series misses after order 2: the mean of the seeds. */
const thirdOrderRest = rows => {
  const found = finished(rows).flatMap(r => r.remainder?.[2] ?? [])
  return found.length === 0 ? '–' : short(mean(found))
}

/** Geometric complexity at the end of training: the mean of the seeds. */
const complexityAfter = rows => {
  const found = finished(rows).flatMap(r => r.orders.at(-1).complexity ?? [])
  return found.length === 0 ? '–' : short(mean(found))
}

/** Studies of one depth: a row for each scale and norm, means of the seeds. */
function oneDepth(...names) {
  const rows = names.flatMap(results)
  return markdown([
    ['λ', 'test accuracy', 'mean order', 'best remainder'],
    ...unique(rows.map(labelOf)).map(label => {
      const runs = rows.filter(r => labelOf(r) === label)
      return [label, ...[accuracy, meanOf('mean_order'), meanOf('best_remainder')].map(cell => cell(runs))]
    }),
  ])
}

/** Every scale and step: the mean of the seeds. */
function throughTraining() {
  const rows = results('through-training')
  return markdown([
    ['λ', 'step', 'mean order', 'λ / radius', 'best remainder', 'complexity', 'κ₁', 'κ₂', 'κ₃'],
    ...unique(rows.map(r => r.train.scale)).flatMap(scale => {
      const runs = rows.filter(r => r.train.scale === scale).flatMap(r => (r.result?.orders ? [r.result.orders] : []))
      return unique(runs.flatMap(run => run.map(o => o.step))).map(step => {
        const at = runs.flatMap(run => run.filter(o => o.step === step))
        const of = pick => {
          const found = at.map(pick).filter(v => Number.isFinite(v))
          return found.length === 0 ? '–' : short(mean(found))
        }
        return [
          ...[String(scale), String(step), of(o => o.mean_order), of(o => o.ratio), of(o => o.best_remainder)],
          ...[of(o => o.complexity), ...[1, 2, 3].map(k => of(o => o.coherence[k]))],
        ]
      })
    }),
  ])
}

/** How often the range of the radius holds: a row for each number of orders. */
function coverage() {
  return markdown([
    ['orders', 'inside the range', 'below it', 'above it', 'high / low (median)', 'no upper end'],
    ...results('radius').map(({ orders, measured, held, below, above, width, open }) => {
      const [inside, under, over, without] = [held, below, above, open].map(n => percent(n / measured))
      return [String(orders), inside, under, over, width.toFixed(2), without]
    }),
  ])
}

const tables = {
  accuracy: () => byDepth('depth-and-scale', accuracy),
  'mean order': () => byDepth('depth-and-scale', medianOf('mean_order')),
  'best remainder': () => byDepth('depth-and-scale', medianOf('best_remainder')),
  'rest after order 2': () => byDepth('third-order-rest', thirdOrderRest),
  'mean order at initialisation': () => byDepth('initialisation', medianOf('mean_order')),
  'best remainder at initialisation': () => byDepth('initialisation', medianOf('best_remainder')),
  'through training': throughTraining,
  'accuracy with norms': () => byDepth('norms', accuracy),
  'mean order with norms': () => byDepth('norms', medianOf('mean_order')),
  'accuracy of MLPs on CIFAR-10': () => byDepth('mlps-cifar10', accuracy),
  'complexity over λ': () => byDepth('complexity', complexityAfter),
  '1000 blocks': () => oneDepth('thousand-blocks', 'thousand-blocks-norms'),
  'accuracy of ResNets': () => byDepth('resnets', accuracy),
  'accuracy of ResNets with batch norm': () => byDepth('resnets-batch-norm', accuracy),
  radius: coverage,
  'mean order of ResNets': () => byDepth('resnets', meanOf('mean_order')),
}

/** A page with every table between its marks made again. */
const renewed = (page, text) =>
  text.replace(/(<!-- table: (.*?) -->)[\s\S]*?<!-- end -->/g, (_, begin, name) => {
    if (!(name in tables)) throw new Error(`${page} asks for the table "${name}"; there are ${Object.keys(tables)}`)
    return `${begin}\n\n${tables[name]()}\n\n<!-- end -->`
  })

const [command, folder] = process.argv.slice(2)
if (command === 'take') {
  const lines = readFileSync(join(folder, 'results.jsonl'), 'utf8').trim().split('\n')
  const taken = lines.map(line => `${JSON.stringify(kept(JSON.parse(line)))}\n`)
  writeFileSync(join(here, `results/${basename(folder)}.jsonl`), taken.join(''))
} else {
  for (const page of pages) {
    const current = readFileSync(page, 'utf8')
    const made = renewed(page, current)
    if (command !== 'check') writeFileSync(page, made)
    else if (made !== current) {
      console.error(`${page}: a table is not what the results give; node studies/tables.mjs makes it`)
      process.exitCode = 1
    }
  }
}
