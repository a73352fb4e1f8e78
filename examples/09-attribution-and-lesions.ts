// Which block matters: attribution of every order to blocks, and what the output loses when a block is removed.
import { damage, gatedAttribution, withoutBlocks } from '@unravel/expansion'
import { run, type Tower } from '@unravel/resnet'
import { linear, mul, Random, tanh } from '@unravel/tensor'

// Block 5 is ten times as strong as the others.
const random = new Random(4)
const weights = Array.from({ length: 8 }, () => random.normal([12, 12], 0, 0.3, { dtype: 'f64' }))
const tower: Tower = {
  encode: h => h,
  blocks: weights.map((w, l) => ({ branch: h => mul(tanh(linear(h, w)), l === 5 ? 1 : 0.1), scale: 0.5 })),
  decode: h => h,
}
const x = random.normal([4, 12], 0, 1, { dtype: 'f64' })

const { blocks, totals } = await gatedAttribution(tower, x, 'all')
const first = Array.from(blocks[1]!, Math.abs)
console.log('order 1 runs most through block', first.indexOf(Math.max(...first)))
//> order 1 runs most through block 5

// A path of length k runs through k blocks: the sum over blocks is k times the order.
const sum = blocks[3]!.reduce((a, b) => a + b)
console.log(Math.abs(sum - 3 * totals[3]!) < 1e-12)
//> true

// Without block 5 the output changes most.
const whole = run(tower, x)
const changes: number[] = []
for (let l = 0; l < 8; l++) changes.push((await damage(withoutBlocks(tower, new Set([l])), x, whole)).change)
console.log('most is lost with block', changes.indexOf(Math.max(...changes)))
//> most is lost with block 5
