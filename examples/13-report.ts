// One page with everything: the report of any tower.

import { reportOf } from '@unravel/report'
import type { Tower } from '@unravel/resnet'
import { linear, Random, silu } from '@unravel/tensor'

const random = new Random(6)
const weights = Array.from({ length: 12 }, () => random.normal([8, 8], 0, 0.4, { dtype: 'f64' }))
const tower: Tower = {
  encode: h => h,
  blocks: weights.map(w => ({ branch: h => silu(linear(h, w)), scale: 1 / 12 })),
  decode: h => h,
}
const html = await reportOf(tower, random.normal([4, 8], 0, 1, { dtype: 'f64' }), { name: 'twelve blocks' })
console.log(html.startsWith('<!doctype html>'), html.includes('twelve blocks'))
//> true true
