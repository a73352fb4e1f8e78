// How often the printed range of the radius of convergence holds the true one, by the number of orders it was made of: on
// random towers, whose radius is seen from 320 orders: a line of JSON for each number of orders.
//   node --conditions=@unravel/source --import tsx studies/radius.ts [towers] [seed]
import { estimateRadius, taylor } from '../packages/expansion/src/index.js'
import { initialise, type Model, residualMlp, towerOf, withScales } from '../packages/resnet/src/index.js'
import { Random, scope, wasm } from '../packages/tensor/src/index.js'

const ORDERS = [6, 8, 12, 16, 24, 32, 48, 64] as const
const MANY = 320
const activations = ['tanh', 'sigmoid', 'softplus', 'silu'] as const
const normalizations = ['none', 'layer', 'rms'] as const
const where = { dtype: 'f64', backend: wasm() } as const

/** ‖c_k‖ of the series of tower i of the population, 3 to 50 blocks of width 3 to 24 on one or eight inputs, in units of
 *  about its radius, so that 320 orders stay in the range of doubles. */
function series(i: number, seed: number): Float64Array | null {
  return scope(() => {
    const random = new Random(seed * 1_000_003 + i)
    const [a, b, c] = random.uniform([3], 0, 1, where).dataSync() as Float64Array
    const [depth, width] = [Math.round(3 * (50 / 3) ** a!), Math.round(3 * 8 ** b!)]
    const config = {
      architecture: 'residual-mlp' as const,
      ...{ input: width, width, hidden: width, output: width, depth },
      activation: activations[i % 4]!,
      norm: normalizations[Math.floor(i / 4) % 3]!,
      norm_eps: 1e-5,
    }
    const scaleOne = { rule: { rule: 'constant', value: 1 } } as const
    const tower = towerOf(initialise(residualMlp, config, { random, scale: scaleOne, ...where }) as Model)
    const x = random.normal([c! < 0.5 ? 1 : 8, width], 0, 1, where)
    const at = (scale: number, orders: number) => {
      const { coefficients } = taylor(
        withScales(
          tower,
          tower.blocks.map(() => scale),
        ),
        x,
        orders,
      )
      const size = coefficients.size / (orders + 1)
      const values = coefficients.dataSync()
      return Float64Array.from({ length: orders + 1 }, (_, k) =>
        Math.hypot(...values.subarray(k * size, (k + 1) * size)),
      )
    }
    let scale = 1 / depth
    for (const orders of [24, 64]) {
      const found = estimateRadius(at(scale, orders))
      if (found === null || !Number.isFinite(found.estimate)) return null
      scale *= found.estimate
    }
    return at(scale, MANY)
  })
}

const [towers = 96, seed = 1] = process.argv.slice(2).map(Number)
const counts = ORDERS.map(() => ({ below: 0, above: 0, held: 0, open: 0, widths: [] as number[] }))
let measured = 0
for (let i = 0; i < towers; i++) {
  const norms = series(i, seed)
  const truth = norms && estimateRadius(norms)
  if (norms === null || truth === null || !Number.isFinite(truth.high)) continue
  measured++
  ORDERS.forEach((orders, at) => {
    const found = estimateRadius(norms.subarray(0, orders + 1))
    const count = counts[at]!
    if (found === null) return
    if (truth.estimate < found.low) count.below++
    else if (truth.estimate > found.high) count.above++
    else count.held++
    if (found.high === Infinity) count.open++
    else count.widths.push(found.high / found.low)
  })
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${towers}`)
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? null
ORDERS.forEach((orders, at) => {
  const { held, below, above, open, widths } = counts[at]!
  const row = { towers, seed, measured, orders, held, below, above, open, width: median(widths) }
  process.stdout.write(`${JSON.stringify(row)}\n`)
})
