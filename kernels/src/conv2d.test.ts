import { expect, it } from 'vitest'
import type { Backend, Buffer, Conv2dGeometry } from './contract.js'
import { js } from './js/index.js'
import { definitions } from './oracles/definitions.js'
import { createBackend } from './wasm/backend.js'
import { load } from './wasm/load.js'

// Convolutions larger than the blocks of the WebAssembly kernels, against js.

const builds = ['plain', 'relaxed'] as const

const geometry = (g: Partial<Conv2dGeometry>): Conv2dGeometry => {
  const whole = {
    ...{ batch: 2, inChannels: 4, height: 12, width: 12, outChannels: 4, kernelH: 3, kernelW: 3, groups: 1 },
    ...{ strideH: 1, strideW: 1, padH: 1, padW: 1, dilationH: 1, dilationW: 1 },
    ...g,
  }
  const out = (n: number, pad: number, dilation: number, kernel: number, stride: number) =>
    Math.floor((n + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1
  return {
    ...whole,
    outH: out(whole.height, whole.padH, whole.dilationH, whole.kernelH, whole.strideH),
    outW: out(whole.width, whole.padW, whole.dilationW, whole.kernelW, whole.strideW),
  }
}

const cases: [string, Conv2dGeometry][] = [
  ['more taps than a block', geometry({ inChannels: 33, outChannels: 35 })],
  ['more batch than is held at once', geometry({ batch: 40, height: 5, width: 7 })],
  ['an image larger than is held at once', geometry({ height: 40, width: 41, outChannels: 5, inChannels: 2 })],
  ['one tap, no padding', geometry({ kernelH: 1, kernelW: 1, padH: 0, padW: 0, height: 40, width: 41 })],
  ['one tap, stride 2', geometry({ kernelH: 1, kernelW: 1, padH: 0, padW: 0, strideH: 2, strideW: 2 })],
  ['stride 3, kernel 2', geometry({ kernelH: 2, kernelW: 2, padH: 0, padW: 0, strideH: 3, strideW: 3 })],
  ['stride 2, kernel 7', geometry({ kernelH: 7, kernelW: 7, padH: 3, padW: 3, strideH: 2, strideW: 2, width: 33 })],
  ['one channel a group', geometry({ inChannels: 8, outChannels: 8, groups: 8, width: 30 })],
  ['two channels a group', geometry({ inChannels: 6, outChannels: 6, groups: 3, width: 31 })],
  ['one channel, two filters', geometry({ inChannels: 3, outChannels: 6, groups: 3, height: 3, width: 57 })],
  ['one channel, three filters', geometry({ inChannels: 2, outChannels: 6, groups: 2, width: 9 })],
  [
    'more groups than are held at once',
    geometry({ batch: 1, inChannels: 12, outChannels: 12, groups: 12, height: 50, width: 60 }),
  ],
  ['one channel a group, no padding', geometry({ inChannels: 8, outChannels: 8, groups: 8, padH: 0, padW: 0 })],
  ['one filter of more taps than a block', geometry({ inChannels: 30, outChannels: 1, height: 3, width: 11 })],
  ['rows beside panels of filters', geometry({ inChannels: 3, outChannels: 6, height: 5, width: 19 })],
  ['one tap, groups', geometry({ kernelH: 1, kernelW: 1, padH: 0, padW: 0, groups: 2, outChannels: 6 })],
  ['a window of the whole image', geometry({ kernelH: 5, kernelW: 6, padH: 0, padW: 0, height: 5, width: 6 })],
  ...[1, 2, 3, 4, 5, 6, 7].map((width): [string, Conv2dGeometry] => [
    `lines of ${width}, one channel a group`,
    geometry({ batch: 1, inChannels: 5, outChannels: 5, groups: 5, height: 4, width }),
  ]),
  ...[8, 9, 10, 11, 12, 13, 14, 15, 16].flatMap(width =>
    [0, 1, 2].map((padW): [string, Conv2dGeometry] => [
      `stride 2 over lines of ${width}, padding ${padW}`,
      geometry({ batch: 1, inChannels: 2, outChannels: 5, strideH: 2, strideW: 2, padW, width }),
    ]),
  ),
  ['zeros below and right only', { ...geometry({ padH: 0, padW: 0 }), outH: 11, outW: 11 }],
  ['zeros below only', { ...geometry({ padH: 0, padW: 0 }), outH: 11 }],
  [
    'stride 2, zeros below and right only',
    { ...geometry({ strideH: 2, strideW: 2, padH: 0, padW: 0 }), outH: 6, outW: 6 },
  ],
  ['one tap, zeros right', { ...geometry({ kernelH: 1, kernelW: 1, padH: 0, padW: 0 }), outW: 14 }],
  ['one tap, not all of the image', { ...geometry({ kernelH: 1, kernelW: 1, padH: 0, padW: 0 }), outH: 10, outW: 9 }],
  ['dilation, stride and groups', geometry({ groups: 2, dilationH: 2, dilationW: 3, strideH: 2, strideW: 2, padW: 4 })],
]

/** Numbers that f32 adds without rounding, so that all sums are equal. */
function run(backend: Backend, g: Conv2dGeometry, dtype: 'f32' | 'f64'): number[][] {
  const sizes = {
    x: g.batch * g.inChannels * g.height * g.width,
    w: (g.outChannels * g.inChannels * g.kernelH * g.kernelW) / g.groups,
    y: g.batch * g.outChannels * g.outH * g.outW,
  }
  const owned: Buffer[] = []
  const buffer = (n: number, step: number) => {
    const b = backend.alloc(dtype, n)
    owned.push(b)
    const data = Array.from({ length: n }, (_, i) => ((i * step) % 17) - 8)
    backend.write(b, dtype === 'f32' ? Float32Array.from(data) : Float64Array.from(data))
    return b
  }
  const [x, w, gy] = [buffer(sizes.x, 5), buffer(sizes.w, 7), buffer(sizes.y, 3)]
  const [y, gx, gw] = [buffer(sizes.y, 1), buffer(sizes.x, 1), buffer(sizes.w, 1)]
  backend.kernels.conv2d(g, x, w, y)
  backend.kernels.conv2dInputGrad(g, gy, w, gx)
  backend.kernels.conv2dWeightGrad(g, x, gy, gw)
  const results = [y, gx, gw].map(b => [...backend.readSync!(b)])
  for (const b of owned) backend.release(b)
  return results
}

it.each(cases)('%s: wasm has the bits of js', (_, g) => {
  for (const build of builds) {
    const wasm = createBackend(load(build))
    for (const dtype of ['f32', 'f64'] as const) expect(run(wasm, g, dtype)).toEqual(run(js(), g, dtype))
    expect(wasm.memory().buffers).toBe(0)
    expect([...wasm.fallbacks()]).toEqual([])
  }
})

const padded: [string, Conv2dGeometry][] = [
  ['padding 1', geometry({ inChannels: 3, outChannels: 5, height: 5, width: 7 })],
  ['padding 0 and 2', geometry({ height: 5, width: 6, kernelH: 2, padH: 0, padW: 2 })],
  ['no padding', geometry({ height: 5, width: 6, padH: 0, padW: 0 })],
  ['stride 2', geometry({ height: 7, width: 6, strideH: 2, strideW: 2 })],
  [
    'stride 3 and dilation 2',
    geometry({ height: 9, width: 8, strideW: 3, dilationH: 2, dilationW: 2, padH: 3, padW: 2 }),
  ],
  ['groups', geometry({ height: 5, width: 5, groups: 2, outChannels: 6 })],
  ['one channel a group', geometry({ height: 4, width: 9, groups: 4 })],
  ['zeros below and right only', { ...geometry({ height: 5, width: 6, padH: 0, padW: 0 }), outH: 5, outW: 6 }],
  ['one line', geometry({ height: 1, kernelH: 1, padH: 0, width: 11, kernelW: 5, padW: 2 })],
]

it.each(padded)('%s: NaN and ±Inf meet no zeros of the padding', (_, g) => {
  const sizes = [
    g.batch * g.inChannels * g.height * g.width,
    (g.outChannels * g.inChannels * g.kernelH * g.kernelW) / g.groups,
    g.batch * g.outChannels * g.outH * g.outW,
  ] as const
  const kernels = [
    ['conv2d', 0, 1, 2],
    ['conv2dInputGrad', 2, 1, 0],
    ['conv2dWeightGrad', 0, 2, 1],
  ] as const
  const backends: Backend[] = [js(), ...builds.map(build => createBackend(load(build)))]
  for (const [kernel, first, second, result] of kernels) {
    for (const operand of [0, 1]) {
      for (const strange of [Infinity, -Infinity, Number.NaN]) {
        const inputs = [first, second].map((i, o) => {
          const data = Float64Array.from({ length: sizes[i] }, (_, j) => ((j * 5) % 17) - 8)
          // A corner, which meets the padding most often; all channels but one are finite.
          if (o === operand) data[i === 2 ? g.outH * g.outW - 1 : 0] = strange
          return data
        })
        const expected = new Float64Array(sizes[result])
        definitions[kernel](g, inputs[0]!, inputs[1]!, expected)
        for (const backend of backends) {
          for (const dtype of ['f32', 'f64'] as const) {
            const buffers = [...inputs, new Float64Array(sizes[result]).fill(7)].map(data => {
              const b = backend.alloc(dtype, data.length)
              backend.write(b, dtype === 'f32' ? Float32Array.from(data) : data)
              return b
            })
            backend.kernels[kernel](g, buffers[0]!, buffers[1]!, buffers[2]!)
            expect([...backend.readSync!(buffers[2]!)]).toEqual([...expected])
            for (const b of buffers) backend.release(b)
          }
        }
      }
    }
  }
})
