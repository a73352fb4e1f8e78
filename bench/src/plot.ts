import type { Run } from './record.js'
import { ratioSpread, type Spread } from './statistics.js'

interface Point {
  readonly peer: string
  readonly spread: Spread
}

const colours: Readonly<Record<string, string>> = {
  'tfjs-wasm': '#d55e00',
  'tfjs-cpu': '#e69f00',
  'jax-js': '#0072b2',
  'onnxruntime-web': '#009e73',
  'numpy-ts': '#cc79a7',
  'js-pytorch': '#56b4e9',
  'ndarray-gemm': '#7f7f7f',
  numpy: '#1a1a1a',
  torch: '#8c564b',
}

const [LEFT, TOP, STEP, WIDTH, RIGHT] = [210, 64, 22, 900, 24]
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Every row that has a peer as a line of dots over a logarithmic axis: how many times as long the peer takes as ours, the
 *  median of the rounds, with a bar from quartile to quartile. Right of 1 ours is faster. */
export function ratioPlot(run: Run): string {
  const rows = run.rows
    .map(row => {
      const first = row.entries[0]
      const points = row.entries.flatMap((e): Point[] => {
        const spread = first && e.name in colours ? ratioSpread(e.seconds, first.seconds) : undefined
        return spread ? [{ peer: e.name, spread }] : []
      })
      return { name: row.name, points }
    })
    .filter(row => row.points.length > 0)
  const all = rows.flatMap(r => r.points.flatMap(p => [p.spread.q1, p.spread.q3]))
  const low = Math.floor(Math.log10(Math.min(0.3, ...all)))
  const high = Math.ceil(Math.log10(Math.max(3, ...all)))
  const x = (ratio: number) => LEFT + ((Math.log10(ratio) - low) / (high - low)) * (WIDTH - LEFT - RIGHT)
  const bottom = TOP + rows.length * STEP
  const parts: string[] = []
  for (let e = low; e <= high; e++) {
    const at = x(10 ** e).toFixed(1)
    parts.push(
      `<line x1="${at}" x2="${at}" y1="${TOP - 8}" y2="${bottom}" stroke="${e === 0 ? '#1a1a1a' : '#e4e4e4'}"/>`,
    )
    parts.push(`<text x="${at}" y="${bottom + 16}" text-anchor="middle">${10 ** e}×</text>`)
  }
  rows.forEach(({ name, points }, i) => {
    const y = TOP + (i + 0.5) * STEP
    parts.push(`<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${escaped(name)}</text>`)
    for (const { peer, spread } of points) {
      const [a, m, b] = [spread.q1, spread.median, spread.q3].map(v => x(v).toFixed(1))
      parts.push(`<line x1="${a}" x2="${b}" y1="${y}" y2="${y}" stroke="${colours[peer]}" stroke-width="2"/>`)
      parts.push(`<circle cx="${m}" cy="${y}" r="4" fill="${colours[peer]}"/>`)
    }
  })
  const shown = Object.keys(colours).filter(peer => rows.some(r => r.points.some(p => p.peer === peer)))
  let at = RIGHT
  for (const peer of shown) {
    parts.push(
      `<circle cx="${at}" cy="40" r="4" fill="${colours[peer]}"/><text x="${at + 8}" y="44">${escaped(peer)}</text>`,
    )
    // The widest letters that a system font may have.
    at += 28 + 7.4 * peer.length
  }
  const title = `Time of a peer / time of ours: ${run.machine.cpu}, Node ${run.node}, ${run.date.slice(0, 10)}`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${bottom + 30}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12" fill="#1a1a1a"><rect width="100%" height="100%" fill="#fff"/><text x="${LEFT - 10}" y="20" font-weight="600">${escaped(title)}</text>${parts.join('')}</svg>\n`
}
