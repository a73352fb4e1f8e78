import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { launch } from './launch.js'
import type { Texels } from './memory.js'
import { define, sums } from './source.js'

// Indices come as f32, exact below 2²⁴.

const gatherSource = define(
  ['index', 'x'],
  ['axis', 'inner', 'count'],
  `const row = quotient(i, inner);
const o = quotient(row, count);
return x[xo + (o * axis + index[indexo + row - o * count]) * inner + i - row * inner];`,
)
/** Every place of the result looks for the indices that name it. */
const scatterAddSource = define(
  ['index', 'y'],
  ['axis', 'inner', 'count'],
  `const row = quotient(i, inner);
const o = quotient(row, axis);
const place = row - o * axis;
${sums(
  'count',
  { sum: 'v' },
  `let v = 0.0;
if (index[indexo + j] === place) { v = y[yo + (o * count + j) * inner + i - row * inner]; }`,
)}
return sum;`,
)

export function gatherKernels(context: Context): Pick<Kernels<Texels>, 'gather' | 'scatterAdd'> {
  return {
    gather(_outer, axis, inner, index, x, out) {
      launch(context, gatherSource, out, [index, x], [axis, inner, index.length])
    },
    scatterAdd(_outer, axis, inner, index, y, out) {
      launch(context, scatterAddSource, out, [index, y], [axis, inner, index.length])
    },
  }
}
