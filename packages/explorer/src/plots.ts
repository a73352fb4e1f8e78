import { type ExpansionDocument, linePlot, palette } from '@unravel/report'

/** The two figures of an expansion, as SVG: the shares of its orders, and the remainder after each. */
export function plotsOf(document: ExpansionDocument): string[] {
  const { norms, share, remainder, output_norm, chains, blocks } = document
  const x = { name: 'order', min: 0, max: Math.max(1, document.orders) }
  const over = (values: readonly (number | null)[]) => values.map((v, k) => [k, v] as const)
  const energy = linePlot({
    title: 'Share of each order',
    x,
    y: { name: 'share', min: 0, format: value => `${(100 * value).toFixed(0)} %` },
    curves: [
      { name: 'of the energy', points: over(share), color: palette[0], marks: true },
      {
        name: 'of the 2ⁿ paths',
        points: over(pathShares(chains, blocks)),
        color: palette[1],
        marks: true,
        dashed: true,
      },
    ],
  })
  const relative = norms.map(v => (v === null || !output_norm ? null : v / output_norm))
  const sizes = linePlot({
    title: 'Against the norm of the whole',
    x,
    y: { name: 'norm / norm of the whole', log: true },
    curves: [
      { name: 'the order', points: over(relative), color: palette[0], marks: true },
      { name: 'remainder after it', points: over(remainder), color: palette[2], marks: true },
    ],
  })
  return [energy, sizes]
}

/** C(n, k)/2ⁿ */
const pathShares = (chains: readonly string[], n: number): number[] =>
  chains.map(c => Number((BigInt(c) << 60n) >> BigInt(n)) / 2 ** 60)
