import type { GpuMode } from '@unravel/kernels/gpu'
import { wasm } from '@unravel/tensor'
import { against, againstRows, productCheck } from '../check.js'
import { device, modes, noDevice, rendererOf } from '../gpu/devices.js'
import { type GpuWork, onBackend } from '../gpu/works.js'
import { wasmBuild } from '../peers/unravel.js'
import { taylorArrays, trainingStep } from '../reference.js'
import type { Case, Contender, Suite } from '../types.js'
import {
  type ConvWork,
  matmulWork,
  net,
  normal,
  rowsOf,
  type TaylorWork,
  type TrainingWork,
  towerFlop,
} from '../works.js'
import { convReference } from './conv.js'

async function onWasm(work: GpuWork): Promise<Contender> {
  return { name: 'ours', backend: 'wasm', variant: await wasmBuild(), ...onBackend(work, wasm()) }
}

/** The row of a mode names what ran; modes that this machine has not are left out. */
async function onGpu(work: GpuWork, mode: GpuMode): Promise<Contender | undefined> {
  const backend = await device(mode).catch(() => undefined)
  if (backend === undefined) return undefined
  const { kernelClass } = backend.info()
  const renderer = await rendererOf(backend)
  const name = `ours ${mode}`
  return { name, backend: 'gpu', variant: kernelClass, device: { kernelClass, renderer }, ...onBackend(work, backend) }
}

const contenders = (work: GpuWork): Case['own'] => [() => onWasm(work), ...modes.map(mode => () => onGpu(work, mode))]

function product(n: number): Case {
  const work = matmulWork('f32', n, n, n)
  return {
    name: `gpu-matmul-${n}`,
    what: `f32 product of size ${n}`,
    own: contenders(work),
    check: productCheck(work),
    amount: { count: 2 * n ** 3, unit: 'flop' },
  }
}

function convolution(batch: number, channels: number, size: number): Case {
  const work: ConvWork = {
    ...{ kind: 'conv', batch, channels, out: channels, size, groups: 1, backward: false },
    x: normal('f32', batch * channels * size ** 2, 1, 8) as Float32Array,
    w: normal('f32', channels ** 2 * 9, 1 / Math.sqrt(9 * channels), 9) as Float32Array,
  }
  return {
    name: `gpu-conv-${channels}`,
    what: `3×3 convolution of f32 [${batch},${channels},${size},${size}] to ${channels} channels`,
    own: contenders(work),
    check: against(() => convReference(work), 1e-4),
    amount: { count: 18 * batch * channels ** 2 * size ** 2, unit: 'flop' },
  }
}

function step(width: number, depth: number, batch: number): Case {
  const of = net('f32', depth, width, batch)
  const work: TrainingWork = { kind: 'training', net: of, target: normal('f32', batch * width, 1, 14), rate: 0.1 }
  return {
    name: `gpu-training-${width}`,
    what: `training step of ${depth} blocks h + λ·V·tanh(W·h), width ${width}, batch ${batch}, f32`,
    own: contenders(work),
    check: against(() => trainingStep(of, work.target, work.rate), 1e-4),
    amount: { count: 3 * towerFlop(of), unit: 'flop' },
  }
}

function pass(width: number, depth: number, batch: number, orders: number): Case {
  const of = net('f32', depth, width, batch)
  const work: TaylorWork = { kind: 'taylor', net: of, orders }
  const rows = [0, batch - 1]
  return {
    name: `gpu-taylor-${width}`,
    what: `taylor to order ${orders}: ${depth} blocks, width ${width}, batch ${batch}, f32; with its forward pass`,
    own: contenders(work),
    check: againstRows(() => taylorArrays(rowsOf(of, rows), orders), 1e-4, rows, batch, width),
    amount: { count: 4 * depth * batch * width ** 2 * orders, unit: 'flop' },
  }
}

export const gpu: Suite = {
  name: 'gpu',
  what: 'the graphics processor beside wasm; a call is one of eight that are waited for together',
  unavailable: noDevice,
  cases: ({ quick }) =>
    quick
      ? [() => product(64), () => convolution(2, 8, 16), () => step(32, 4, 16), () => pass(32, 4, 8, 4)]
      : [
          ...[256, 512, 1024, 2048].map(n => () => product(n)),
          () => convolution(32, 16, 32),
          () => convolution(8, 64, 16),
          () => step(64, 100, 64),
          () => step(256, 100, 64),
          () => pass(64, 100, 32, 16),
          () => pass(256, 100, 32, 16),
        ],
}
