import type { Kernels, ReduceOp } from '../contract.js'
import { runsOf } from '../js/reduce.js'
import type { Context } from './context.js'
import { launch, withTemporaries } from './launch.js'
import type { Texels } from './memory.js'
import { define, eachAxis, numbered, once, sums } from './source.js'

/** Longer sums than this are taken in parts, side by side. */
const longest = 512

/** Accumulators; a mean is a sum over `by` numbers. */
type Total = Exclude<ReduceOp, 'mean' | 'meanSquare'>

const steps: Record<Total, string> = {
  sum: 't = t + v;',
  sumSquares: 't = t + v * v;',
  max: 'if (v > t || isNan(v) > 0.5) { t = v; }',
  min: 'if (v < t || isNan(v) > 0.5) { t = v; }',
}
/** Of those that are sums. */
const terms: Partial<Record<Total, string>> = { sum: 'v', sumSquares: 'v * v' }
const identities: Record<Total, number> = { sum: 0, sumSquares: 0, max: -Infinity, min: Infinity }

/** [outer, n, inner] -> [outer, parts, inner], `part` elements each. */
const partSource = once((op: Total) =>
  define(
    ['x'],
    ['n', 'inner', 'parts', 'part', 'start', 'by'],
    `const row = quotient(i, inner);
const c = i - row * inner;
const o = quotient(row, parts);
const first = (row - o * parts) * part;
let t = start;
for (let j = 0; j < part; j++) {
  const k = first + j;
  if (k < n) {
    const v = x[xo + (o * n + k) * inner + c];
    ${steps[op]}
  }
}
return t / by;`,
  ),
)

/** Any runs of axes: kept ones k, reduced ones r, each with the step it takes through x. */
const generalSource = once((key: string) => {
  const [op, kept, reduced] = key.split(' ') as [Total, string, string]
  const [k, r] = [Number(kept), Number(reduced)]
  const element = `let rest = j;
let at = from;
${eachAxis(r, d => `const b${d} = quotient(rest, r${d});\nat = at + (rest - b${d} * r${d}) * rs${d};\nrest = b${d};`)}
const v = x[at];`
  return define(
    ['x'],
    ['count', 'start', 'by', ...numbered('k', k), ...numbered('ks', k), ...numbered('r', r), ...numbered('rs', r)],
    `let left = i;
let from = xo;
${eachAxis(k, d => `const a${d} = quotient(left, k${d});\nfrom = from + (left - a${d} * k${d}) * ks${d};\nleft = a${d};`)}
${terms[op] === undefined ? `let t = start;\nfor (let l = 0; l < count; l++) {\nconst j = l + 0.0;\n${element}\n${steps[op]}\n}` : sums('count', { t: terms[op] }, element)}
return t / by;`,
  )
})

const argmaxSource = define(
  ['x'],
  ['n', 'inner'],
  `const o = quotient(i, inner);
const from = xo + o * n * inner + (i - o * inner);
let best = x[from];
let at = 0.0;
for (let j = 1; j < n; j++) {
  const v = x[from + j * inner];
  if (v > best || (isNan(v) > 0.5 && isNan(best) < 0.5)) {
    best = v;
    at = j;
  }
}
return at;`,
)

/** [outer, n, inner] -> [outer, inner], in parts where n is long. */
export function reduceMiddle(
  context: Context,
  op: Total,
  outer: number,
  n: number,
  inner: number,
  x: Texels,
  out: Texels,
  by = 1,
): void {
  const start = identities[op]
  if (n <= longest) return launch(context, partSource(op), out, [x], [n, inner, 1, n, start, by])
  const parts = Math.ceil(Math.sqrt(n))
  withTemporaries(context.heap, [outer * parts * inner], sums => {
    launch(context, partSource(op), sums, [x], [n, inner, parts, Math.ceil(n / parts), start, by])
    reduceMiddle(context, op === 'sumSquares' ? 'sum' : op, outer, parts, inner, sums, out)
  })
}

export function reduceKernels(context: Context): Pick<Kernels<Texels>, 'reduce' | 'argmax'> {
  return {
    reduce(op, shape, axes, x, out) {
      const runs = runsOf(shape, axes)
      const total = op === 'mean' ? 'sum' : op === 'meanSquare' ? 'sumSquares' : op
      const by = total === op ? 1 : x.length / out.length
      if (runs.length <= 3) return reduceMiddle(context, total, runs[0]!, runs[1] ?? 1, runs[2] ?? 1, x, out, by)
      const steps = runs.map((_, d) => runs.slice(d + 1).reduce((a, b) => a * b, 1))
      const [kept, reduced] = [0, 1].map(odd => runs.flatMap((_, d) => (d % 2 === odd ? [d] : []))) as [
        number[],
        number[],
      ]
      const of = (values: readonly number[], at: readonly number[]) => at.map(d => values[d]!)
      const count = of(runs, reduced).reduce((a, b) => a * b, 1)
      launch(
        context,
        generalSource(`${total} ${kept.length} ${reduced.length}`),
        out,
        [x],
        [
          count,
          identities[total],
          by,
          ...of(runs, kept),
          ...of(steps, kept),
          ...of(runs, reduced),
          ...of(steps, reduced),
        ],
      )
    },
    argmax(_outer, n, inner, x, out) {
      launch(context, argmaxSource, out, [x], [n, inner])
    },
  }
}
