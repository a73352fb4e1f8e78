import type { Kernels } from '../contract.js'
import type { Context } from './context.js'
import { launch } from './launch.js'
import type { Texels } from './memory.js'
import { define } from './source.js'

// A kernel of gpu.js has one result: each output is a kernel, and the parameter's comes last.

const velocity = define(
  ['p', 'g', 'v'],
  ['momentum', 'decay'],
  'return momentum * v[vo + i] + (g[go + i] + decay * p[po + i]);',
)
const descend = define(['p', 'v'], ['rate'], 'return p[po + i] - rate * v[vo + i];')
const nesterovDescend = define(
  ['p', 'g', 'v'],
  ['rate', 'momentum', 'decay'],
  'return p[po + i] - rate * (g[go + i] + decay * p[po + i] + momentum * v[vo + i]);',
)
const mean = define(['m', 'g'], ['beta', 'rest'], 'return beta * m[mo + i] + rest * g[go + i];')
const square = define(['v', 'g'], ['beta', 'rest'], 'const w = g[go + i];\nreturn beta * v[vo + i] + rest * w * w;')
const adamwDescend = define(
  ['p', 'm', 'v'],
  ['eps', 'rate', 'correction', 'shrink'],
  'return shrink * p[po + i] - (rate * m[mo + i]) / (Math.sqrt(v[vo + i]) * correction + eps);',
)

export function optimiseKernels(context: Context): Pick<Kernels<Texels>, 'sgd' | 'adamw'> {
  return {
    sgd(s, p, g, v, pOut, vOut) {
      launch(context, velocity, vOut, [p, g, v], [s.momentum, s.weightDecay])
      if (s.nesterov) launch(context, nesterovDescend, pOut, [p, g, vOut], [s.rate, s.momentum, s.weightDecay])
      else launch(context, descend, pOut, [p, vOut], [s.rate])
    },
    adamw(s, p, g, m, v, pOut, mOut, vOut) {
      launch(context, mean, mOut, [m, g], [s.beta1, 1 - s.beta1])
      launch(context, square, vOut, [v, g], [s.beta2, 1 - s.beta2])
      launch(context, adamwDescend, pOut, [p, mOut, vOut], [s.eps, s.rate, s.correction, s.shrink])
    },
  }
}
