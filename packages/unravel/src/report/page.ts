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
  /** What was done, in a sentence or two. */
  readonly lead: string
  readonly sections: readonly Section[]
}

/** A report as one HTML document that needs nothing else: no scripts, no external resources. */
export function reportPage({ title, lead, sections }: Report): string {
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
</body>
</html>
`
}

/** Sections in HTML; tables and figures count through the document. */
function numbered(sections: readonly Section[]): string[] {
  let figures = 0
  let tables = 0
  const html = (part: Part): string => {
    switch (part.kind) {
      case 'text':
        return `<p>${escaped(part.text)}</p>`
      case 'list':
        return `<ul>${part.items.map(item => `<li>${escaped(item)}</li>`).join('')}</ul>`
      case 'code':
        return `<pre><code>${escaped(part.text)}</code></pre>`
      case 'table': {
        const head = part.head.map(cell => `<th scope="col">${escaped(cell)}</th>`).join('')
        const rows = part.rows.map(row => `<tr>${row.map(cell => `<td>${escaped(cell)}</td>`).join('')}</tr>`)
        return (
          `<figure class="table"><figcaption><b>Table ${++tables}.</b> ${escaped(part.caption)}</figcaption>` +
          `<div><table><thead><tr>${head}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div></figure>`
        )
      }
      case 'figure':
        return (
          `<figure><div class="panels">${part.svg.join('')}</div>` +
          `<figcaption><b>Figure ${++figures}.</b> ${escaped(part.caption)}</figcaption></figure>`
        )
    }
  }
  return sections.map(
    ({ heading, parts }) => `<section>\n<h2>${escaped(heading)}</h2>\n${parts.map(html).join('\n')}\n</section>`,
  )
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
:root { color-scheme: light; --ink: #1a1a1a; --faint: #5c5c5c; --rule: #d4d4d4; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.55 Georgia, 'Times New Roman', serif; }
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
.table div { overflow-x: auto; }
table { border-collapse: collapse; margin-top: .5rem; font: .8125rem/1.4 ui-sans-serif, system-ui, sans-serif; font-variant-numeric: tabular-nums; border-block: 1px solid var(--ink); }
th, td { padding: .3rem .5rem; text-align: right; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1px solid var(--ink); font-weight: 600; vertical-align: bottom; }
tbody tr + tr td { border-top: 1px solid var(--rule); }
pre { overflow-x: auto; background: #f6f6f6; padding: .75rem 1rem; font-size: .8125rem; line-height: 1.5; }
@media print { main { padding: 0; } figure { break-inside: avoid; } }
`
