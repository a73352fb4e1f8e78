import type { Kernels } from '../contract.js'
import { collapse } from './axes.js'
import type { Context } from './context.js'
import type { Texels } from './memory.js'
import { define, eachAxis, numbered, once } from './source.js'

const fillSource = define([], ['value'], 'return value;')

/** Every element of the result finds its source; elements that the copy does not address keep their values. */
const copySource = once((rank: number) =>
  define(
    ['x', 'old'],
    ['at', 'from', ...numbered('n', rank), ...numbered('s', rank), ...numbered('t', rank)],
    `let r = i - at;
let p = from;
let inside = 1.0;
if (r < 0.0) { inside = 0.0; r = 0.0; }
${numbered('', rank)
  .map(
    d => `const q${d} = quotient(r, s${d});
if (q${d} >= n${d}) { inside = 0.0; }
p = p + q${d} * t${d};
r = r - q${d} * s${d};`,
  )
  .join('\n')}
if (r > 0.5) { inside = 0.0; }
if (inside > 0.5) { return x[xo + p]; }
return old[i];`,
  ),
)

/** The same into a whole buffer, in its order. */
const packSource = once((rank: number) =>
  define(
    ['x'],
    ['from', ...numbered('n', rank), ...numbered('t', rank)],
    `let r = i;
let p = from;
${eachAxis(
  rank,
  d => `const q${d} = quotient(r, n${d});
p = p + (r - q${d} * n${d}) * t${d};
r = q${d};`,
)}
return x[xo + p];`,
  ),
)

interface Walk {
  readonly shape: number[]
  readonly from: number
  readonly xStrides: number[]
  readonly at: number
  readonly outStrides: number[]
}

/** The walk with steps forward through the result, the longest first; null where axes interleave. */
function sorted(
  shape: readonly number[],
  x: readonly number[],
  out: readonly number[],
  from: number,
  at: number,
): Walk | null {
  const axes = shape.map((n, d) => {
    if (out[d]! >= 0) return { n, t: x[d]!, s: out[d]! }
    at += out[d]! * (n - 1)
    from += x[d]! * (n - 1)
    return { n, t: -x[d]!, s: -out[d]! }
  })
  axes.sort((a, b) => b.s - a.s)
  let reach = 0
  for (const { n, s } of [...axes].reverse()) {
    if (s <= reach) return null
    reach += s * (n - 1)
  }
  const { shape: lengths, strides } = collapse(
    axes.map(a => a.n),
    [axes.map(a => a.t), axes.map(a => a.s)],
  )
  return { shape: lengths, from, xStrides: strides[0]!, at, outStrides: strides[1]! }
}

export function copyKernels(context: Context): Pick<Kernels<Texels>, 'fill' | 'copy'> {
  const { device, heap, js } = context
  return {
    fill(value, out) {
      if (out.length > 0) heap.assign(out, device.run(fillSource, out.length, [], [value]))
    },
    copy(shape, x, xOffset, xStrides, out, outOffset, outStrides) {
      const count = shape.reduce((a, b) => a * b, 1)
      if (count === 0) return
      const axes = shape.flatMap((n, d) => (n === 1 ? [] : [d]))
      const pick = (of: readonly number[]) => axes.map(d => of[d]!)
      const walk = x.dtype === 'f32' ? sorted(pick(shape), pick(xStrides), pick(outStrides), xOffset, outOffset) : null
      if (walk === null) return js.copy(shape, x, xOffset, xStrides, out, outOffset, outStrides)
      const rank = walk.shape.length
      if (count === out.length) {
        // All of it is written, and a longest-first walk without gaps is the order of memory.
        const scalars = [x.offset, walk.from, ...walk.shape, ...walk.xStrides]
        return heap.assign(out, device.run(packSource(rank), count, [heap.device(x)], scalars))
      }
      const whole = out.owner
      const inputs = [heap.device(x), heap.device(whole)]
      const scalars = [out.offset + walk.at, walk.from, ...walk.shape, ...walk.outStrides, ...walk.xStrides]
      heap.assign(whole, device.run(copySource(rank), whole.length, inputs, [x.offset, 0, ...scalars]))
    },
  }
}
