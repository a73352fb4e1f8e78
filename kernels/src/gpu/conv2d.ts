import type { Conv2dGeometry, Kernels, Pool2dGeometry } from '../contract.js'
import type { Context } from './context.js'
import { launch } from './launch.js'
import type { Texels } from './memory.js'
import { define, sums } from './source.js'

const convNames = [
  ...['inside', 'height', 'width', 'outside', 'kernelH', 'kernelW', 'strideH', 'strideW', 'padH', 'padW'],
  ...['dilationH', 'dilationW', 'groups', 'outH', 'outW', 'batch'],
]
/** `inside` and `outside` are the channels of one group. */
const convScalars = (g: Conv2dGeometry) => [
  ...[g.inChannels / g.groups, g.height, g.width, g.outChannels / g.groups],
  ...[g.kernelH, g.kernelW, g.strideH, g.strideW, g.padH, g.padW],
  ...[g.dilationH, g.dilationW, g.groups, g.outH, g.outW, g.batch],
]

/** i = ((b·channels + c)·rows + y)·columns + x */
const pixel = (rows: string, columns: string, channels: string) =>
  `const line = quotient(i, ${columns});
const px = i - line * ${columns};
const plane = quotient(line, ${rows});
const py = line - plane * ${rows};
const image = quotient(plane, ${channels});
const channel = plane - image * ${channels};`

const convSource = define(
  ['x', 'w'],
  convNames,
  `${pixel('outH', 'outW', 'outside * groups')}
const group = quotient(channel, outside);
${sums(
  'inside',
  { sum: 'window' },
  `const from = xo + ((image * groups + group) * inside + j) * height * width;
const weights = wo + (channel * inside + j) * kernelH * kernelW;
let window = 0.0;
for (let p = 0; p < kernelH; p++) {
  const y = py * strideH - padH + p * dilationH;
  if (y >= 0.0 && y < height) {
    let row = 0.0;
    for (let q = 0; q < kernelW; q++) {
      const z = px * strideW - padW + q * dilationW;
      if (z >= 0.0 && z < width) {
        row = row + x[from + y * width + z] * w[weights + p * kernelW + q];
      }
    }
    window = window + row;
  }
}`,
)}
return sum;`,
)

/** A pixel meets window u where u·stride = y + pad − p·dilation. */
const inputGradSource = define(
  ['gy', 'w'],
  convNames,
  `${pixel('height', 'width', 'inside * groups')}
const group = quotient(channel, inside);
const c = channel - group * inside;
let sum = 0.0;
for (let p = 0; p < kernelH; p++) {
  const y = py + padH - p * dilationH;
  const u = quotient(y, strideH);
  if (y >= 0.0 && u * strideH === y && u < outH) {
    for (let q = 0; q < kernelW; q++) {
      const z = px + padW - q * dilationW;
      const v = quotient(z, strideW);
      if (z >= 0.0 && v * strideW === z && v < outW) {
        ${sums(
          'outside',
          {
            place:
              'gy[gyo + ((image * groups * outside + out) * outH + u) * outW + v] * w[wo + ((out * inside + c) * kernelH + p) * kernelW + q]',
          },
          'const out = group * outside + j;',
        )}
        sum = sum + place;
      }
    }
  }
}
return sum;`,
)

const weightGradSource = define(
  ['x', 'gy'],
  convNames,
  `${pixel('kernelH', 'kernelW', 'inside')}
const group = quotient(image, outside);
${sums(
  'batch',
  { sum: 'whole' },
  `const from = xo + ((b * groups + group) * inside + channel) * height * width;
const to = gyo + (b * groups * outside + image) * outH * outW;
${sums(
  'outH',
  { whole: 'row' },
  `const y = u * strideH - padH + py * dilationH;
let row = 0.0;
if (y >= 0.0 && y < height) {
  ${sums(
    'outW',
    { places: 'product' },
    `const z = v * strideW - padW + px * dilationW;
let product = 0.0;
if (z >= 0.0 && z < width) { product = x[from + y * width + z] * gy[to + u * outW + v]; }`,
    'v',
  )}
  row = places;
}`,
  'u',
)}`,
  'b',
)}
return sum;`,
)

const poolNames = ['height', 'width', 'kernelH', 'kernelW', 'strideH', 'strideW', 'padH', 'padW', 'outH', 'outW']
const poolScalars = (g: Pool2dGeometry) => [
  ...[g.height, g.width, g.kernelH, g.kernelW, g.strideH, g.strideW, g.padH, g.padW, g.outH, g.outW],
]
const place = (rows: string, columns: string) =>
  `const line = quotient(i, ${columns});
const px = i - line * ${columns};
const plane = quotient(line, ${rows});
const py = line - plane * ${rows};`

/** Runs `statements` for every pixel `at` of the window, others before and after every row of it. */
const eachPixel = (statements: string, before = '', after = '') =>
  `for (let p = 0; p < kernelH; p++) {
  const y = py * strideH - padH + p;
  if (y >= 0.0 && y < height) {
    ${before}
    for (let q = 0; q < kernelW; q++) {
      const z = px * strideW - padW + q;
      if (z >= 0.0 && z < width) {
        const at = (plane * height + y) * width + z;
        ${statements}
      }
    }
    ${after}
  }
}`

const maxIndicesSource = define(
  ['x'],
  poolNames,
  `${place('outH', 'outW')}
let found = -1.0;
let best = 0.0;
${eachPixel(`const v = x[xo + at];
        if (found < 0.0 || v > best || (isNan(v) > 0.5 && isNan(best) < 0.5)) {
          best = v;
          found = at;
        }`)}
return found;`,
)
const avgSource = define(
  ['x'],
  poolNames,
  `${place('outH', 'outW')}
let sum = 0.0;
${eachPixel('row = row + x[xo + at];', 'let row = 0.0;', 'sum = sum + row;')}
return sum / (kernelH * kernelW);`,
)
const avgGradSource = define(
  ['gy'],
  poolNames,
  `${place('height', 'width')}
let sum = 0.0;
for (let p = 0; p < kernelH; p++) {
  const y = py + padH - p;
  const u = quotient(y, strideH);
  if (y >= 0.0 && u * strideH === y && u < outH) {
    let row = 0.0;
    for (let q = 0; q < kernelW; q++) {
      const z = px + padW - q;
      const v = quotient(z, strideW);
      if (z >= 0.0 && v * strideW === z && v < outW) {
        row = row + gy[gyo + (plane * outH + u) * outW + v];
      }
    }
    sum = sum + row;
  }
}
return sum / (kernelH * kernelW);`,
)

type Names = 'conv2d' | 'conv2dInputGrad' | 'conv2dWeightGrad' | 'maxPool2dIndices' | 'avgPool2d' | 'avgPool2dGrad'

export function conv2dKernels(context: Context): Pick<Kernels<Texels>, Names> {
  return {
    conv2d(g, x, w, out) {
      launch(context, convSource, out, [x, w], convScalars(g))
    },
    conv2dInputGrad(g, gy, w, gx) {
      launch(context, inputGradSource, gx, [gy, w], convScalars(g))
    },
    conv2dWeightGrad(g, x, gy, gw) {
      launch(context, weightGradSource, gw, [x, gy], convScalars(g))
    },
    maxPool2dIndices(g, x, out) {
      launch(context, maxIndicesSource, out, [x], poolScalars(g))
    },
    avgPool2d(g, x, out) {
      launch(context, avgSource, out, [x], poolScalars(g))
    },
    avgPool2dGrad(g, gy, gx) {
      launch(context, avgGradSource, gx, [gy], poolScalars(g))
    },
  }
}
