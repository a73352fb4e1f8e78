import { countsText, type InspectedNetwork, scaleText } from './inspection.js'
import { escaped } from './page.js'

/** Pixels: height of a row, distance of streams, first stream, and a longest text in characters. */
const [ROW, STEP, LEFT, LONGEST] = [26, 20, 14, 96]

/** How a skip is drawn by its kind. */
const dashes = { identity: '', projection: '5 3', nonlinear: '1.5 3' } as const

const shortened = (text: string, most: number): string => (text.length <= most ? text : `…${text.slice(1 - most)}`)

/**
 * The residual stream of a network as SVG, from top to bottom: at every residual addition, ⊕, a branch that left the stream comes
 * back to it, and in it the additions that it contains, which have a stream of their own. A filled ⊕ is a block, a value that all
 * paths pass. Drawn in the colour of the text around it.
 */
export function streamPicture({ inputs, outputs, blocks, sites, encoder, decoder }: InspectedNetwork): string {
  const blockOf = new Map(blocks.map(block => [block.name, block]))
  const column = (level: number) => LEFT + STEP * level
  const row = (i: number) => ROW * (i + 2)
  const deepest = Math.max(0, ...sites.map(site => site.level))
  const words = column(deepest + 2)
  const parts: string[] = []
  const line = (d: string, dash = '') =>
    parts.push(`<path d="${d}"${dash && ` stroke-dasharray="${dash}"`} fill="none" stroke="currentColor"/>`)
  const text = (y: number, shown: string, whole = shown) =>
    parts.push(
      `<text x="${words}" y="${y + 4}" fill="currentColor"><title>${escaped(whole)}</title>${escaped(shortened(shown, LONGEST))}</text>`,
    )
  const end = row(sites.length)
  const named = (values: InspectedNetwork['inputs']) => values.map(v => v.name).join(', ')
  text(ROW / 2, `${named(inputs)}${encoder === null ? '' : ` · ${countsText(encoder.operators)}`}`)
  line(`M${LEFT} ${ROW / 2}V${row(0) - ROW + 4}`)
  let drawn = row(0) - ROW + 4
  sites.forEach(({ name, level, scale, skip }, i) => {
    // What its branch contains was added up just before.
    let first = i
    while (first > 0 && sites[first - 1]!.level > level) first--
    const [from, y, stream, branch] = [row(first) - ROW + 8, row(i), column(level), column(level + 1)]
    const block = blockOf.get(name)
    if (level === 0) line(`M${LEFT} ${drawn}V${from}`)
    line(`M${stream} ${from}V${y}`, dashes[block?.skip ?? skip])
    line(
      `M${stream} ${from}H${branch - 4}Q${branch} ${from} ${branch} ${from + 4}V${y - 4}Q${branch} ${y} ${branch - 4} ${y}H${stream}`,
    )
    if (first === i) parts.push(`<rect x="${branch - 3}" y="${y - 13}" width="6" height="8" fill="currentColor"/>`)
    // Between additions in a row of one level the stream goes on.
    if (level > 0 && sites[i + 1] !== undefined && sites[i + 1]!.level === level) line(`M${stream} ${y}V${y + 8}`)
    parts.push(
      `<circle cx="${stream}" cy="${y}" r="5" stroke="currentColor" class="${block === undefined ? 'site' : 'block'}" fill="${block === undefined ? 'none' : 'currentColor'}"/>`,
    )
    if (level === 0) drawn = y
    const facts = [block?.skip ?? skip, `λ ${scaleText(scale)}`, ...(block ? [countsText(block.operators)] : [])]
    text(y, `${shortened(name, 44)} · ${facts.join(' · ')}`, `${name} · ${facts.join(' · ')}`)
  })
  line(`M${LEFT} ${drawn}V${end}`)
  text(end, `${decoder === null ? '' : `${countsText(decoder.operators)} · `}${named(outputs)}`)
  const [width, height] = [words + 7 * LONGEST, end + ROW]
  const label = `Residual stream: ${blocks.length} blocks, ${sites.length} residual additions`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">${parts.join('')}</svg>`
}
