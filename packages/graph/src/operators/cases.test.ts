import { describe, expect, it } from 'vitest'
import { cases, installed, operatorsOf, outside, refusal, worst } from '../oracles/cases.js'
import { layers } from '../tfjs/layers.js'
import { operators as tfjs } from '../tfjs/operators.js'
import { operators, whyNot } from './table.js'

if (!installed) console.log("ONNX's tests of operators did not run: install them (apt-get install libonnx-testdata)")

/** Its output is an integer, of a quotient that f32 rounds to the middle between two. */
const inF32 = ['node/test_dynamicquantizelinear_expanded']

const supported = cases.filter(one => refusal(one) === undefined && outside[one.name] === undefined)

describe.runIf(installed)("ONNX's operator tests", () => {
  it.each(supported)('$name gives the recorded outputs', one => {
    // Recorded numbers are of sums in f32: a few units of its rounding.
    expect(worst(one, inF32.includes(one.name) ? 'f32' : 'f64')).toBeLessThanOrEqual(4)
  })

  it('cases that no run can pass are of the installed ones', () => {
    const names = cases.map(one => one.name)
    for (const name of Object.keys(outside)) expect(names).toContain(name)
  })

  it('docs/operators.md lists operators, their versions and cases as they are', async () => {
    await expect(document()).toMatchFileSnapshot('../../../../docs/operators.md')
  })
})

/** Rows of a Markdown table, columns aligned. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => row[i]!.length)))
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  return [line(rows[0]!), line(widths.map(w => '-'.repeat(w))), ...rows.slice(1).map(line)].join('\n')
}

/** Names in lines of at most 128 characters. */
function listed(names: readonly string[]): string {
  const lines = ['']
  for (const name of [...names].sort()) {
    const word = `\`${name}\`, `
    if (lines.at(-1)!.length + word.length > 128) lines.push('')
    lines.push(lines.pop()! + word)
  }
  return lines.map(line => line.trimEnd()).join('\n').replace(/,$/, '') // biome-ignore format: short
}

function document(): string {
  const known = Object.entries(operators).filter(([domain]) => domain !== 'unravel')
  const passed = new Map<string, number>()
  const refused = new Map<string, number>()
  for (const one of cases) {
    const into = supported.includes(one) ? passed : refused
    for (const name of operatorsOf(one)) into.set(name, (into.get(name) ?? 0) + 1)
  }
  const rows = known.flatMap(([domain, byName]) =>
    Object.entries(byName).map(([op, row]) => {
      const name = domain === '' ? op : `${domain}.${op}`
      const versions = typeof row === 'function' ? 'all' : `from ${Object.keys(row).join(', ')}`
      return [name, versions, String(passed.get(name) ?? 0)]
    }),
  )
  const missing = [...refused.keys()].flatMap(name => {
    const at = name.lastIndexOf('.')
    const [domain, op] = at < 0 ? ['', name] : [name.slice(0, at), name.slice(at + 1)]
    const why = whyNot({ op, domain, version: 1000 })
    return why === undefined ? [] : [[name, why, String(refused.get(name))]]
  })
  const byName = (a: readonly string[], b: readonly string[]) => (a[0]! < b[0]! ? -1 : 1)
  const strings = cases.filter(one => operatorsOf(one).length === 0).length
  return `# Operators

## Of ONNX files

Made by the test of the operators (\`vitest run packages/graph/src/operators/cases.test.ts -u\`), which runs ONNX's own tests of
operators (release 1.12, Debian's \`libonnx-testdata\`) where they are installed.

${supported.length} of ${cases.length} cases pass, each within 4 roundings of f32 of its record. ${Object.keys(outside).length} are of supported
operators and cannot pass: ${Object.entries(outside)
    .map(([, reason]) => reason)
    .filter((r, i, all) => all.indexOf(r) === i)
    .join('; ')}. ${strings} have strings, sequences or
optional values for inputs or outputs. The others need an operator of the second table.

"from 1, 13" means that the operator has had another meaning since version 13 of the vocabulary, and that both are computed. A
case counts for every operator in it.

### Computed

${table([['operator', 'versions', 'cases'], ...rows.sort(byName)])}

### Not computed

${table([['operator', 'why', 'cases'], ...missing.sort(byName)])}

## Of tfjs models

Each is tested against TensorFlow.js 4.22, which runs the same file. Operators without a row are refused when the network is to run, by one
message that names all of them and, where the operator has a row that does not cover the node, says why.

### Operators of graph models

${listed(Object.keys(tfjs))}

### Layers

${listed(Object.keys(layers))}
`
}
