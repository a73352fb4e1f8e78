import type { Graph } from '@unravel/graph'
import { random } from './random.js'

export type Floats = Float32Array | Float64Array
export type Precision = 'f32' | 'f64'

/** op(A)·op(B): A is stored [m,k], or [k,m] when transposed; B [k,n] or [n,k]. */
export interface Matmul {
  readonly kind: 'matmul'
  readonly dtype: Precision
  readonly m: number
  readonly k: number
  readonly n: number
  readonly transA: boolean
  readonly transB: boolean
  readonly a: Floats
  readonly b: Floats
}

/** A function of every element; `gelu` is x·Φ(x). */
export interface MapWork {
  readonly kind: 'map'
  readonly op: 'exp' | 'tanh' | 'gelu'
  readonly dtype: Precision
  readonly x: Floats
}

/** The sum of two vectors: the cost of a call beside its numbers. */
export interface AddWork {
  readonly kind: 'add'
  readonly a: Float32Array
  readonly b: Float32Array
}

/** `softmax` and `layerNorm` (ε = 10⁻⁵, no affine) of every row, the sums of all, of rows (axis 1) and of columns (axis 0). */
export interface RowsWork {
  readonly kind: 'softmax' | 'layerNorm' | 'sum' | 'sumRows' | 'sumColumns'
  readonly rows: number
  readonly n: number
  readonly x: Float32Array
}

/** 3×3 convolution with padding 1 of x [batch,c,size,size] with w [o,c/groups,3,3]; with `backward`, the gradients of
 *  ½ Σ y² with respect to x and w (so that the cotangent is y): the result is both, x first. */
export interface ConvWork {
  readonly kind: 'conv'
  readonly batch: number
  readonly channels: number
  readonly out: number
  readonly size: number
  readonly groups: number
  readonly x: Float32Array
  readonly w: Float32Array
  readonly backward: boolean
}

/** h ← h + scale·tanh(h·W_l)·V_l for l = 1..depth, rows of h [batch,width] being examples, W and V [width,width]. */
export interface Net {
  readonly dtype: Precision
  readonly depth: number
  readonly width: number
  readonly batch: number
  readonly scale: number
  readonly x: Floats
  readonly first: readonly Floats[]
  readonly second: readonly Floats[]
}

export interface TowerWork {
  readonly kind: 'tower'
  readonly net: Net
}

/** One step of gradient descent on mean((tower(x) − target)²). The result is the loss before the step, then the first
 *  W and the last V after it. Further runs go on from there. */
export interface TrainingWork {
  readonly kind: 'training'
  readonly net: Net
  readonly target: Floats
  readonly rate: number
}

/** The coefficients 0..orders in λ of the tower h ← h + λ·scale·tanh(h·W)·V: [orders+1,batch,width]. */
export interface TaylorWork {
  readonly kind: 'taylor'
  readonly net: Net
  readonly orders: number
}

/** One pass of a network that others published, in f32; with `reading`, the reading of its files, too. */
export interface NetworkWork {
  readonly kind: 'network'
  /** Its model.json, as tfjs writes it. */
  readonly path: string
  /** Reads it. */
  readonly graph: () => Graph
  readonly x: Float32Array
  /** Of x. */
  readonly shape: readonly number[]
  readonly reading: boolean
}

/** Training steps of a network on one batch of images, again and again, by cross-entropy. The result is the losses of three steps. */
export interface StepsWork {
  readonly kind: 'steps'
  readonly architecture: 'resnet' | 'vit'
  readonly config: object
  /** Every branch by a learned scalar. */
  readonly skipInit: boolean
  /** Every parameter, in the order of names. */
  readonly weights: Readonly<Record<string, Float32Array>>
  /** The same network in packages/resnet/fixtures/training/record.py. */
  readonly torch: { readonly network: string; readonly arguments: readonly unknown[] }
  readonly optimiser: 'sgd' | 'adamw'
  readonly rate: number
  readonly x: Float32Array
  /** Of x: `[batch, channels, height, width]`. */
  readonly shape: readonly number[]
  readonly labels: Int32Array
}

export type Work =
  | (Matmul | MapWork | AddWork | RowsWork | ConvWork)
  | (TowerWork | TrainingWork | TaylorWork | NetworkWork | StepsWork)

/** The precision a work is in. */
export const precisionOf = (work: Work): Precision =>
  'net' in work ? work.net.dtype : 'dtype' in work ? work.dtype : 'f32'

/** Numbers of standard deviation `deviation`, the same for the same seed. */
export function normal(dtype: Precision, length: number, deviation: number, seed: number): Floats {
  const next = random(seed)
  const out = dtype === 'f64' ? new Float64Array(length) : new Float32Array(length)
  for (let i = 0; i < length; i++) {
    out[i] = deviation * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  }
  return out
}

export function matmulWork(
  dtype: Precision,
  m: number,
  k: number,
  n: number,
  form: 'NN' | 'NT' | 'TN' | 'TT' = 'NN',
): Matmul {
  const [transA, transB] = [form[0] === 'T', form[1] === 'T']
  return {
    kind: 'matmul',
    dtype,
    m,
    k,
    n,
    transA,
    transB,
    a: normal(dtype, m * k, 1, 1),
    b: normal(dtype, k * n, 1, 2),
  }
}

/** A tower with weights of variance 1/width and scale 1/depth. */
export function net(dtype: Precision, depth: number, width: number, batch: number): Net {
  const weights = (seed: number) =>
    Array.from({ length: depth }, (_, l) => normal(dtype, width * width, 1 / Math.sqrt(width), seed + l))
  const x = normal(dtype, batch * width, 1, 3)
  return { dtype, depth, width, batch, scale: 1 / depth, x, first: weights(1_000), second: weights(100_000) }
}

/** The same tower on `rows` of its batch. */
export function rowsOf(of: Net, rows: readonly number[]): Net {
  const x = of.dtype === 'f64' ? new Float64Array(rows.length * of.width) : new Float32Array(rows.length * of.width)
  rows.forEach((r, i) => x.set(of.x.subarray(r * of.width, (r + 1) * of.width), i * of.width))
  return { ...of, batch: rows.length, x }
}

/** Multiply-adds counted twice, of the products alone. */
export const towerFlop = ({ depth, width, batch }: Net): number => 4 * depth * batch * width ** 2
