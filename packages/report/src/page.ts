import { figureScript } from './figureScript.js'
import { type Term, termsIn } from './glossary.js'

/** One part of a report's section. Texts are plain: they are escaped here. Figures bring their own SVG. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'table'; readonly caption: string; readonly head: Row; readonly rows: readonly Row[] }
  | { readonly kind: 'figure'; readonly svg: readonly string[]; readonly caption: string }
export type Row = readonly string[]

export interface Section {
  readonly heading: string
  readonly parts: readonly Part[]
}

export interface Report {
  readonly title: string
  /** A summary, in a sentence or two. */
  readonly lead: string
  readonly sections: readonly Section[]
}

/** A report as one HTML document that needs nothing else: no external resources, and scripts only to save its figures. */
export function reportPage({ title, lead, sections }: Report): string {
  const drawn = sections.some(({ parts }) => parts.some(part => part.kind === 'figure' && part.svg.length > 0))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1>${escaped(title)}</h1>
<p class="lead">${escaped(lead)}</p>
</header>
${numbered(sections).join('\n')}
</main>
${drawn ? `<script>${figureScript}</script>\n` : ''}</body>
</html>
`
}

/** Sections in HTML; tables and figures count through the document. */
function numbered(sections: readonly Section[]): string[] {
  let figures = 0
  let tables = 0
  const explained = new Set<Term>()
  /** The terms of the glossary that a text is the first to use. */
  const glossary = (text: string): string => {
    const fresh = termsIn(text).filter(term => !explained.has(term))
    for (const term of fresh) explained.add(term)
    const items = fresh.map(({ term, meaning }) => `<dt>${escaped(term)}</dt><dd>${escaped(meaning)}</dd>`)
    return items.length === 0 ? '' : `\n<dl class="glossary">${items.join('')}</dl>`
  }
  const html = (part: Part): string => {
    switch (part.kind) {
      case 'text':
        return `<p>${escaped(part.text)}</p>`
      case 'list':
        return `<ul>${part.items.map(item => `<li>${escaped(item)}</li>`).join('')}</ul>`
      case 'code':
        return `<pre><code>${escaped(part.text)}</code></pre>`
      case 'table': {
        const shown = part.rows.length > FOLDED ? HEAD_ROWS : part.rows.length
        const head = part.head.map(cell => `<th scope="col">${escaped(cell)}</th>`).join('')
        const rows = part.rows.map(row => `<tr>${row.map(cell => `<td>${escaped(cell)}</td>`).join('')}</tr>`)
        const table = (some: readonly string[]) =>
          `<div><table><thead><tr>${head}</tr></thead><tbody>${some.join('\n')}</tbody></table></div>`
        const rest = rows.slice(shown)
        return (
          `<figure class="table"><figcaption><b>Table ${++tables}.</b> ${escaped(part.caption)}</figcaption>` +
          table(rows.slice(0, shown)) +
          (rest.length === 0 ? '' : `<details><summary>${rest.length} more rows</summary>${table(rest)}</details>`) +
          '</figure>'
        )
      }
      case 'figure':
        return (
          `<figure><div class="panels">${part.svg.map(svg => `<div>${svg}</div>`).join('')}</div>` +
          `<figcaption><b>Figure ${++figures}.</b> ${escaped(part.caption)}</figcaption></figure>`
        )
    }
  }
  const explaining = (part: Part): string => html(part) + glossary(wordsOf(part))
  return sections.map(
    ({ heading, parts }) => `<section>\n<h2>${escaped(heading)}</h2>\n${parts.map(explaining).join('\n')}\n</section>`,
  )
}

/** Tables of more rows show their first ones and fold the others away. */
const FOLDED = 50
const HEAD_ROWS = 20

/** The text of a part beside its numbers. */
function wordsOf(part: Part): string {
  switch (part.kind) {
    case 'list':
      return part.items.join('\n')
    case 'table':
      return [part.caption, ...part.head].join('\n')
    case 'figure':
      return [part.caption, ...part.svg.flatMap(svg => [...svg.matchAll(/>([^<]+)<\/text>/g)].map(m => m[1]!))].join(
        '\n',
      )
    case 'text':
      return part.text
    case 'code':
      return ''
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text with the characters that HTML would read as markup written as entities. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, character => entities[character]!)

const style = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --faint: #5c5c5c; --rule: #d4d4d4; --code: #f6f6f6; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e8e8e6; --faint: #a3a6ab; --rule: #3b3f45; --code: #22252a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 Georgia, 'Times New Roman', serif; overflow-wrap: break-word; }
main { max-width: 58rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 600; margin: 0 0 .75rem; }
h2 { font-size: 1.15rem; font-weight: 600; margin: 2.5rem 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 44rem; }
.lead { color: var(--faint); }
figure { margin: 1.5rem 0; }
figcaption { font-size: .875rem; line-height: 1.45; color: var(--faint); max-width: 44rem; }
figcaption b { color: var(--ink); font-weight: 600; }
.panels { display: flex; flex-wrap: wrap; gap: .5rem; }
.panels svg { max-width: 100%; height: auto; }
.panels > div { max-width: 100%; }
.panels svg text { fill: var(--ink); }
.panels svg [stroke="#e4e4e4"] { stroke: var(--rule); }
.panels svg [stroke="#6b6b6b"] { stroke: var(--faint); }
.save { display: flex; gap: .25rem; justify-content: flex-end; }
.save button, summary { font: .75rem/1.4 ui-sans-serif, system-ui, sans-serif; color: var(--faint); }
.save button { padding: .1rem .4rem; background: none; border: 1px solid var(--rule); border-radius: 3px; cursor: pointer; }
.save button:hover, .save button:focus-visible { color: var(--ink); border-color: var(--faint); }
summary { cursor: pointer; padding: .4rem 0; }
.glossary { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; max-width: 44rem; margin: .75rem 0; padding: .5rem 0 .5rem .75rem; border-left: 2px solid var(--rule); font-size: .875rem; line-height: 1.45; }
.glossary dt { font-weight: 600; }
.glossary dd { margin: 0; color: var(--faint); }
.table div { overflow-x: auto; }
table { border-collapse: collapse; margin-top: .5rem; font: .8125rem/1.4 ui-sans-serif, system-ui, sans-serif; font-variant-numeric: tabular-nums; border-block: 1px solid var(--ink); }
th, td { padding: .3rem .5rem; text-align: right; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; vertical-align: bottom; }
tbody tr + tr td { border-top: 1px solid var(--rule); }
pre { overflow-x: auto; background: var(--code); padding: .75rem 1rem; font-size: .8125rem; line-height: 1.5; }
@media print { main { padding: 0; } .save { display: none; } figure { break-inside: avoid; } }
`
