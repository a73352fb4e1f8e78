import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Backend, readNpy, type Tensor } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import type { Model } from '../architecture.js'
import { modelFrom } from '../models.js'

const fixtures = resolve(import.meta.dirname, '../../fixtures')

/** A model, an input and the outputs that PyTorch gave for it: see fixtures/record.py. */
export interface Recorded {
  readonly config: string
  readonly weights: Uint8Array
  readonly model: Model
  readonly x: Dense
  readonly output: Tensor
  /** With the statistics of the batch in every batch norm. */
  readonly training: Tensor | null
}

export function recorded(name: string, backend: Backend): Recorded {
  const path = (file: string) => join(fixtures, name, file)
  const array = (file: string, dtype?: 'f64') => readNpy(readFileSync(path(file)), { ...(dtype && { dtype }), backend })
  const config = readFileSync(path('config.json'), 'utf8')
  const weights = readFileSync(path('model.safetensors'))
  return {
    config,
    weights,
    model: modelFrom(config, weights, { dtype: 'f64', backend }),
    x: array('input.npy'),
    output: array('output.npy', 'f64'),
    training: existsSync(path('output_training.npy')) ? array('output_training.npy', 'f64') : null,
  }
}

/** Relative Euclidean distance; Infinity where the shapes differ. */
export function distance(got: Tensor, want: Tensor): number {
  if (String(got.shape) !== String(want.shape)) return Number.POSITIVE_INFINITY
  const [g, w] = [got, want].map(t => Float64Array.from(t.dense()[0]!.dataSync()))
  return Math.hypot(...g!.map((y, i) => y - w![i]!)) / Math.hypot(...w!)
}
