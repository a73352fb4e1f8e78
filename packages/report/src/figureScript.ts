/**
 * The script of a page with figures: buttons under each that save it as SVG, as PNG, and its numbers as CSV. Figures carry
 * their numbers in `<metadata>` and are saved on white, whatever the page looks like.
 */
export const figureScript = `
for (const svg of document.querySelectorAll('.panels svg')) {
  const title = svg.querySelector('metadata')?.getAttribute('title') ?? 'figure'
  const name = title.replace(/[^\\p{L}\\p{N}]+/gu, '-').replace(/^-|-$/g, '').toLowerCase() || 'figure'
  const save = (blob, end) => {
    const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name + '.' + end })
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }
  const [width, height] = ['width', 'height'].map(side => Number(svg.getAttribute(side)))
  const drawing = () => {
    const copy = svg.cloneNode(true)
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
    const paper = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
    for (const [key, value] of Object.entries({ width: '100%', height: '100%', fill: '#fff' })) paper.setAttribute(key, value)
    copy.prepend(paper)
    return new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' })
  }
  const csv = svg.querySelector('metadata')?.textContent
  const ways = {
    SVG: () => save(drawing(), 'svg'),
    PNG: () => {
      const image = new Image()
      const url = URL.createObjectURL(drawing())
      image.onload = () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 3 * width, height: 3 * height })
        canvas.getContext('2d').drawImage(image, 0, 0, 3 * width, 3 * height)
        URL.revokeObjectURL(url)
        canvas.toBlob(blob => save(blob, 'png'))
      }
      image.src = url
    },
    ...(csv && { CSV: () => save(new Blob([csv], { type: 'text/csv' }), 'csv') }),
  }
  const row = Object.assign(document.createElement('div'), { className: 'save' })
  for (const [way, run] of Object.entries(ways)) {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: way, onclick: run })
    button.setAttribute('aria-label', 'Save “' + title + '” as ' + way)
    row.append(button)
  }
  svg.after(row)
}
`
