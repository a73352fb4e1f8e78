/**
 * The table of kernels. Every backend (js, wasm, gpu) implements it with the same names and argument order, so
 * that the three sources read side by side. Kernels work on flat, contiguous, row-major buffers; they know nothing
 * of tensors or derivatives, allocate nothing that outlives the call, and trust their arguments: shapes and
 * indices are checked once, in the layer above.
 *
 * Conventions
 * - `out` (and every argument after it) is written completely; its previous contents do not matter.
 * - `out` may be the same buffer as an input only in `map`, `affine`, `axpy`, `power` and `zip` with equal strides.
 * - shapes and strides are in elements; a stride of 0 broadcasts. Rank 0 is the empty list and means one element.
 * - size 0 in any place is legal and leaves `out` empty (reductions over nothing give the identity of the op).
 * - masks are 0/1 in the dtype of the operands; any non-zero value (NaN included) counts as true.
 * - NaN and ±Inf go through as IEEE 754 says; maximum, minimum, max, min, argmax and pooling propagate NaN.
 */

export type DType = 'f32' | 'f64' | 'i32'
export type Shape = readonly number[]
export type Strides = readonly number[]
/**
 * A Float32Array, a Float64Array or an Int32Array. TypeScript cannot call what differs between the members of a union:
 * `ArrayMethods` states those methods once for all three.
 */
export type TypedArray = ArrayMethods & (Float32Array | Float64Array | Int32Array)

/** The methods that the three arrays have in common and TypeScript types apart. */
export interface ArrayMethods {
  map(f: (value: number, index: number, array: TypedArray) => number): TypedArray
  filter(f: (value: number, index: number, array: TypedArray) => unknown): TypedArray
  slice(start?: number, end?: number): TypedArray
  subarray(begin?: number, end?: number): TypedArray
  reduce(f: (sum: number, value: number, index: number, array: TypedArray) => number, initial?: number): number
  reduce<U>(f: (sum: U, value: number, index: number, array: TypedArray) => U, initial: U): U
  reduceRight(f: (sum: number, value: number, index: number, array: TypedArray) => number, initial?: number): number
  reduceRight<U>(f: (sum: U, value: number, index: number, array: TypedArray) => U, initial: U): U
}

/** A run of `length` numbers that a backend owns. In the js backend it is the typed array itself. */
export interface Buffer {
  readonly length: number
}

/** Elementwise functions of one argument. `normalCdf` is Φ(x) = ½ erfc(−x/√2), accurate in both tails;
 *  `step` is the derivative of relu, 1 where x > 0, else 0; `geluTanh` is the tanh approximation of gelu. */
export const MAP_OPS = [
  'abs',
  'acos',
  'asin',
  'atan',
  'cos',
  'erf',
  'exp',
  'expm1',
  'gelu',
  'geluTanh',
  'log',
  'log1p',
  'neg',
  'normalCdf',
  'reciprocal',
  'relu',
  'rsqrt',
  'sigmoid',
  'sign',
  'silu',
  'sin',
  'softplus',
  'sqrt',
  'square',
  'step',
  'tanh',
] as const
export type MapOp = (typeof MAP_OPS)[number]

/** Functions with a fused derivative: that of exp and relu is a function of their value, y and y > 0; the others are functions
 *  of x, for where y rounds to its limit, y says nothing of them. */
export const MAP_GRAD_OPS = [
  'exp',
  'relu',
  'sigmoid',
  'tanh',
  'gelu',
  'silu',
  'geluTanh',
  'erf',
  'normalCdf',
] as const satisfies readonly MapOp[]
export type MapGradOp = (typeof MAP_GRAD_OPS)[number]

/** Elementwise functions of two arguments. Comparisons give 0/1; `through` is a·b, and 0 where b is 0, for infinite a too. */
export const ZIP_OPS = [
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'maximum',
  'minimum',
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
  'through',
] as const
export type ZipOp = (typeof ZIP_OPS)[number]

/** Reductions. `sumSquares` is Σ x², `meanSquare` that over their number; means are of floats alone. Sums of i32 are modulo
 *  2^32. An overflow on the way to a finite result does no harm, and the mean of equal f32 is exactly they. Over nothing:
 *  0, NaN, 0, NaN, −Inf, +Inf (i32: smallest, largest). */
export const REDUCE_OPS = ['sum', 'mean', 'sumSquares', 'meanSquare', 'max', 'min'] as const
export type ReduceOp = (typeof REDUCE_OPS)[number]

/** Recurrences on power series: y = φ(x) with x = Σ x_k z^k. `normalCdf` is the Φ of gelu. */
export const SERIES_OPS = [
  'exp',
  'log',
  'tanh',
  'sigmoid',
  'softplus',
  'erf',
  'normalCdf',
  'reciprocal',
  'sqrt',
  'rsqrt',
  'expm1',
  'log1p',
  'gelu',
  'silu',
  'geluTanh',
] as const satisfies readonly MapOp[]
export type SeriesOp = (typeof SERIES_OPS)[number]

/** Geometry of a 2-D convolution in NCHW; weights are [outChannels, inChannels / groups, kernelH, kernelW]. */
export interface Conv2dGeometry {
  readonly batch: number
  readonly inChannels: number
  readonly height: number
  readonly width: number
  readonly outChannels: number
  readonly kernelH: number
  readonly kernelW: number
  readonly strideH: number
  readonly strideW: number
  /** Zeros above and left; below and right there are as many as the windows reach over. */
  readonly padH: number
  readonly padW: number
  readonly dilationH: number
  readonly dilationW: number
  readonly groups: number
  /** Number of windows, whatever the padding of the other side would make of it. */
  readonly outH: number
  readonly outW: number
}

/** Geometry of 2-D pooling; `planes` = batch × channels, every plane is height × width. */
export interface Pool2dGeometry {
  readonly planes: number
  readonly height: number
  readonly width: number
  readonly kernelH: number
  readonly kernelW: number
  readonly strideH: number
  readonly strideW: number
  readonly padH: number
  readonly padW: number
  readonly outH: number
  readonly outW: number
}

export interface SgdSettings {
  readonly rate: number
  readonly momentum: number
  readonly nesterov: boolean
  readonly weightDecay: number
}

export interface AdamwSettings {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  /** The learning rate over 1 − β₁^t. */
  readonly rate: number
  /** 1/√(1 − β₂^t) */
  readonly correction: number
  /** 1 − learning rate·weight decay */
  readonly shrink: number
}

/** One row per kernel: how it reads, which dtypes it takes, and what its sums are accumulated in
 *  (`wide`: f64 in js, the buffer's own precision in wasm and gpu; `none`: no sum). */
export interface KernelContract {
  readonly signature: string
  readonly dtypes: readonly DType[]
  readonly accumulates: 'none' | 'wide'
}

const real = ['f32', 'f64'] as const
const all = ['f32', 'f64', 'i32'] as const

export const contract = {
  fill: { signature: 'value -> [n]', dtypes: all, accumulates: 'none' },
  cast: { signature: '[n] -> [n] of another dtype', dtypes: all, accumulates: 'none' },
  copy: { signature: 'strided [shape] -> strided [shape]', dtypes: all, accumulates: 'none' },
  map: { signature: '[n] -> [n]', dtypes: real, accumulates: 'none' },
  affine: { signature: '[n] -> scale·[n] + shift', dtypes: all, accumulates: 'none' },
  mapGrad: { signature: 'v[n], ȳ[lead,n] -> [lead,n]', dtypes: real, accumulates: 'none' },
  sgd: { signature: 'p, ḡ, v -> p, v', dtypes: real, accumulates: 'none' },
  adamw: { signature: 'p, ḡ, m, v -> p, m, v', dtypes: real, accumulates: 'none' },
  power: { signature: '[n] -> [n]^r', dtypes: real, accumulates: 'none' },
  zip: { signature: '[shape], [shape] -> [shape]', dtypes: all, accumulates: 'none' },
  where: { signature: '[shape], [shape], [shape] -> [shape]', dtypes: all, accumulates: 'none' },
  reduce: { signature: '[shape] -> [shape without axes]', dtypes: all, accumulates: 'wide' },
  argmax: { signature: '[outer,n,inner] -> i32[outer,inner]', dtypes: all, accumulates: 'none' },
  argsort: { signature: '[outer,n,inner] -> i32[outer,n,inner]', dtypes: all, accumulates: 'none' },
  matmul: { signature: '[...,m,k], [...,k,n] -> [...,m,n]', dtypes: real, accumulates: 'wide' },
  linear: { signature: '[m,k], [k,n], [n], [m,n] -> [m,n]', dtypes: real, accumulates: 'wide' },
  axpy: { signature: '[n] + scale·[n] -> [n]', dtypes: real, accumulates: 'none' },
  conv2d: { signature: '[b,c,h,w], [o,c/g,p,q] -> [b,o,h′,w′]', dtypes: real, accumulates: 'wide' },
  conv2dInputGrad: { signature: '[b,o,h′,w′], [o,c/g,p,q] -> [b,c,h,w]', dtypes: real, accumulates: 'wide' },
  conv2dWeightGrad: { signature: '[b,c,h,w], [b,o,h′,w′] -> [o,c/g,p,q]', dtypes: real, accumulates: 'wide' },
  maxPool2dIndices: { signature: '[planes,h,w] -> i32[planes,h′,w′]', dtypes: real, accumulates: 'none' },
  avgPool2d: { signature: '[planes,h,w] -> [planes,h′,w′]', dtypes: real, accumulates: 'wide' },
  avgPool2dGrad: { signature: '[planes,h′,w′] -> [planes,h,w]', dtypes: real, accumulates: 'wide' },
  softmax: { signature: '[rows,n] -> [rows,n]', dtypes: real, accumulates: 'wide' },
  logSoftmax: { signature: '[rows,n] -> [rows,n]', dtypes: real, accumulates: 'wide' },
  softmaxGrad: { signature: 'y[rows,n], ȳ[lead,rows,n] -> [lead,rows,n]', dtypes: real, accumulates: 'wide' },
  logSoftmaxGrad: { signature: 'y[rows,n], ȳ[lead,rows,n] -> [lead,rows,n]', dtypes: real, accumulates: 'wide' },
  crossEntropy: { signature: '[rows,n], i32[rows] -> [rows]', dtypes: real, accumulates: 'wide' },
  crossEntropyGrad: {
    signature: '[rows,n], i32[rows], ȳ[lead,rows] -> [lead,rows,n]',
    dtypes: real,
    accumulates: 'wide',
  },
  layerNorm: { signature: '[rows,n], [n], [n] -> [rows,n]', dtypes: real, accumulates: 'wide' },
  layerNormGrad: { signature: '[rows,n], [n], ȳ[rows,n] -> [rows,n], [n], [n]', dtypes: real, accumulates: 'wide' },
  rmsNorm: { signature: '[rows,n], [n] -> [rows,n]', dtypes: real, accumulates: 'wide' },
  rmsNormGrad: { signature: '[rows,n], [n], ȳ[rows,n] -> [rows,n], [n]', dtypes: real, accumulates: 'wide' },
  batchMoments: { signature: '[b,c,n] -> [c], [c]', dtypes: real, accumulates: 'wide' },
  batchNorm: { signature: '[b,c,n], [c], [c], [c], [c], [b,c,n] -> [b,c,n]', dtypes: real, accumulates: 'none' },
  batchNormGrad: {
    signature: 'x[b,c,n], [c], [c], [c], ȳ[b,c,n] -> [b,c,n], [c], [c]',
    dtypes: real,
    accumulates: 'wide',
  },
  gather: { signature: '[outer,axis,inner], i32[count] -> [outer,count,inner]', dtypes: all, accumulates: 'none' },
  scatterAdd: { signature: '[outer,count,inner], i32[count] -> [outer,axis,inner]', dtypes: all, accumulates: 'wide' },
  random: { signature: 'seed, offset -> [n]', dtypes: all, accumulates: 'none' },
  cauchy: { signature: '[p,n], [q,n] -> [orders,n]', dtypes: real, accumulates: 'wide' },
  correlate: { signature: '[p,n], [q,n] -> [orders,n]', dtypes: real, accumulates: 'wide' },
  series: { signature: '[p,n] -> [orders,n]', dtypes: real, accumulates: 'wide' },
  seriesPower: { signature: '[p,n]^r -> [orders,n]', dtypes: real, accumulates: 'wide' },
  seriesSinCos: { signature: '[p,n] -> [orders,n], [orders,n]', dtypes: real, accumulates: 'wide' },
  seriesDiv: { signature: '[p,n] / [q,n] -> [orders,n]', dtypes: real, accumulates: 'wide' },
  seriesSoftmax: { signature: '[p,rows,n] -> [orders,rows,n]', dtypes: real, accumulates: 'wide' },
} as const satisfies Record<string, KernelContract>

export type KernelName = keyof typeof contract

/** The kernels of one backend on its buffers `B`. All float buffers of one call share one dtype. */
export interface Kernels<B extends Buffer> {
  fill(value: number, out: B): void
  /** Converts between dtypes; to i32 truncates toward zero (NaN gives 0), to f32 rounds to nearest even. */
  cast(x: B, out: B): void
  /** out[outOffset + Σ i·outStrides] = x[xOffset + Σ i·xStrides] for every index of `shape`; strides may be negative.
   *  Elements of `out` that are not addressed keep their value. */
  copy(shape: Shape, x: B, xOffset: number, xStrides: Strides, out: B, outOffset: number, outStrides: Strides): void
  map(op: MapOp, x: B, out: B): void
  /** out = scale·x + shift */
  affine(x: B, scale: number, shift: number, out: B): void
  /** gx = ȳ ⊙ φ′, φ′ from v: y = φ(x) for exp and relu, x for the others. */
  mapGrad(op: MapGradOp, v: B, gy: B, gx: B): void
  /** One step of stochastic gradient descent: g = gradient + weightDecay·p, v ← momentum·v + g,
   *  p ← p − rate·(nesterov ? g + momentum·v : v). Outputs are not inputs. */
  sgd(s: SgdSettings, p: B, g: B, v: B, pOut: B, vOut: B): void
  /** One step of AdamW: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← shrink·p − rate·m/(√v·correction + eps). Outputs
   *  are not inputs. */
  adamw(s: AdamwSettings, p: B, g: B, m: B, v: B, pOut: B, mOut: B, vOut: B): void
  /** out = x^r, as Math.pow */
  power(x: B, r: number, out: B): void
  /** out is contiguous [shape]; strides address a and b, 0 broadcasts. */
  zip(op: ZipOp, shape: Shape, a: B, aStrides: Strides, b: B, bStrides: Strides, out: B): void
  /** out = c ≠ 0 ? a : b. `c` has the dtype of `a` and `b`. */
  where(shape: Shape, c: B, cStrides: Strides, a: B, aStrides: Strides, b: B, bStrides: Strides, out: B): void
  /** Reduces the (sorted, non-negative) `axes` of contiguous `x` [shape]; out is the remaining axes, contiguous. */
  reduce(op: ReduceOp, shape: Shape, axes: readonly number[], x: B, out: B): void
  /** Index of the first largest element; the first NaN wins. out is i32. */
  argmax(outer: number, n: number, inner: number, x: B, out: B): void
  /** Places, along n, of the elements in ascending or descending order. Equal ones keep theirs; NaN counts as the largest, −0
   *  as equal to 0. out is i32. */
  argsort(outer: number, n: number, inner: number, descending: boolean, x: B, out: B): void
  /** For every index of `batch`: out = A·B, with A [m,k] (or, transposed in memory, [k,m]) at Σ i·aStrides of `a`,
   *  B [k,n] (or [n,k]) at Σ i·bStrides of `b`; strides of 0 broadcast. out is contiguous [batch...,m,n]. */
  matmul(
    batch: Shape,
    m: number,
    k: number,
    n: number,
    a: B,
    aStrides: Strides,
    transA: boolean,
    b: B,
    bStrides: Strides,
    transB: boolean,
    out: B,
  ): void
  /** out = add + scale·φ(A·B + bias), A and B as in `matmul`, bias [n] one row for all, add [m,n]; null stands for zeros, and
   *  for φ = 1. out is not add. */
  linear(
    m: number,
    k: number,
    n: number,
    a: B,
    transA: boolean,
    b: B,
    transB: boolean,
    bias: B | null,
    phi: MapOp | null,
    scale: number,
    add: B | null,
    out: B,
  ): void
  /** out = x + scale·y */
  axpy(x: B, scale: number, y: B, out: B): void
  /** Sums hold no products with the padding: ±Inf and NaN there, of weights and of cotangents, make nothing of it. */
  conv2d(g: Conv2dGeometry, x: B, w: B, out: B): void
  conv2dInputGrad(g: Conv2dGeometry, gy: B, w: B, gx: B): void
  conv2dWeightGrad(g: Conv2dGeometry, x: B, gy: B, gw: B): void
  /** out (i32) holds, for every window, the index into the whole of `x` of its first largest element; padding never
   *  wins; the first NaN of a window wins. */
  maxPool2dIndices(g: Pool2dGeometry, x: B, out: B): void
  /** Mean over the window, padding counted as zeros (divisor kernelH·kernelW). */
  avgPool2d(g: Pool2dGeometry, x: B, out: B): void
  avgPool2dGrad(g: Pool2dGeometry, gy: B, gx: B): void
  /** exp(x − max) / Σ exp(x − max) over each row */
  softmax(rows: number, n: number, x: B, out: B): void
  /** x − max − log Σ exp(x − max) over each row */
  logSoftmax(rows: number, n: number, x: B, out: B): void
  /** gx = y ⊙ (ȳ − Σ ȳ y), for each of `lead` stacked cotangents; rows of y are a softmax. Where y_m > ½, ȳ is taken relative to
   *  ȳ_m, so that gx_m keeps its accuracy where y_m rounds to 1. */
  softmaxGrad(lead: number, rows: number, n: number, y: B, gy: B, gx: B): void
  /** gx = ȳ − exp(y) Σ ȳ, for each of `lead` stacked cotangents; rows of y are a logSoftmax. Where p_m = exp(y_m) > ½,
   *  gx_m = ȳ_m Σ_{i≠m} p_i − p_m Σ_{i≠m} ȳ_i, so that it keeps its accuracy where p_m rounds to 1. */
  logSoftmaxGrad(lead: number, rows: number, n: number, y: B, gy: B, gx: B): void
  /** log Σ exp(x − max) − (x_label − max) of each row: −log of its softmax at its label; `labels` is i32 with
   *  0 ≤ label < n. A row with NaN or +Inf, or of −Inf alone, gives NaN; another one gives +Inf where x_label is −Inf. */
  crossEntropy(rows: number, n: number, x: B, labels: B, out: B): void
  /** gx_j = ȳ (exp(x_j − max) / Σ exp(x − max) − [j = label]) over each row, for each of `lead` stacked cotangents. NaN
   *  fills the rows that have no softmax. */
  crossEntropyGrad(lead: number, rows: number, n: number, x: B, labels: B, gy: B, gx: B): void
  /** w ⊙ (x − mean)/√(mean((x − mean)²) + eps) + b over each row (two-pass variance) */
  layerNorm(rows: number, n: number, eps: number, x: B, w: B, b: B, out: B): void
  layerNormGrad(rows: number, n: number, eps: number, x: B, w: B, gy: B, gx: B, gw: B, gb: B): void
  /** w ⊙ x/√(mean(x²) + eps) over each row */
  rmsNorm(rows: number, n: number, eps: number, x: B, w: B, out: B): void
  rmsNormGrad(rows: number, n: number, eps: number, x: B, w: B, gy: B, gx: B, gw: B): void
  /** Mean and (biased) variance of every channel of x [b,c,n]. */
  batchMoments(b: number, c: number, n: number, x: B, mean: B, variance: B): void
  /** out = add + scale·φ(w ⊙ (x − mean)/√(variance + eps) + bias), every channel by its own four numbers; null stands for zeros,
   *  and for φ = 1. out is not add. */
  batchNorm(
    b: number,
    c: number,
    n: number,
    eps: number,
    x: B,
    mean: B,
    variance: B,
    w: B,
    bias: B,
    phi: MapOp | null,
    scale: number,
    add: B | null,
    out: B,
  ): void
  /** Gradients of w ⊙ (x − mean)/√(variance + eps) + bias where mean and variance are the moments of x; both are given. */
  batchNormGrad(
    b: number,
    c: number,
    n: number,
    eps: number,
    x: B,
    mean: B,
    variance: B,
    w: B,
    gy: B,
    gx: B,
    gw: B,
    gb: B,
  ): void
  /** out[o,i,·] = x[o, index[i], ·]; `index` is i32 with 0 ≤ index < axis */
  gather(outer: number, axis: number, inner: number, index: B, x: B, out: B): void
  /** out[o, index[i], ·] += y[o,i,·], starting from zeros */
  scatterAdd(outer: number, axis: number, inner: number, index: B, y: B, out: B): void
  /** Numbers `offset`, `offset`+1, … of the stream of `seed` (a safe integer ≥ 0): Philox4x32-10, so that same seed
   *  and offset give the same bits on every backend. `uniform` is in [0,1); `normal` has mean 0, variance 1; `bits`
   *  are raw 32-bit words (i32 buffers only). */
  random(kind: 'uniform' | 'normal' | 'bits', seed: number, offset: number, out: B): void
  // Series. Coefficient k of element i is at [k, i]. An input that stores p < orders coefficients has zeros beyond. Order 0 of
  // a function is what `map` and `power` make of order 0, to the bit. In recurrences (series, seriesPower, seriesSinCos,
  // seriesDiv) later orders that are exactly zero, stored or not, contribute nothing, whatever they meet.
  /** out_k = Σ_j a_j b_{k−j}, k < orders */
  cauchy(orders: number, n: number, a: B, b: B, out: B): void
  /** out_j = Σ_{k ≥ j} c_k b_{k−j}, j < orders: the adjoint of `cauchy` in its other factor */
  correlate(orders: number, n: number, c: B, b: B, out: B): void
  series(op: SeriesOp, orders: number, n: number, x: B, out: B): void
  seriesPower(r: number, orders: number, n: number, x: B, out: B): void
  seriesSinCos(orders: number, n: number, x: B, sin: B, cos: B): void
  /** out = a / b */
  seriesDiv(orders: number, n: number, a: B, b: B, out: B): void
  /** softmax of a series over each row: k·y_{i,k} = Σ_{j=1}^{k} (j x_{i,j} − M_j) y_{i,k−j} */
  seriesSoftmax(orders: number, rows: number, n: number, x: B, out: B): void
}

/** Where a kernel has no native code for its arguments, the js kernel runs and is counted (`fallback`), or it throws. */
export type FallbackPolicy = 'fallback' | 'throw'

export interface MemoryReport {
  /** Bytes in live buffers. */
  readonly bytes: number
  /** Live buffers. */
  readonly buffers: number
  /** Bytes the backend holds in all, free ones included. */
  readonly reserved: number
}

/**
 * A backend: kernels and the buffers they work on. Backends are values that are passed in, never registered by an
 * import. In the js backend a buffer is a typed array and lives as long as it is referenced; elsewhere it is a
 * refcounted region of a memory that the garbage collector does not see.
 */
export interface Backend<B extends Buffer = Buffer> {
  readonly name: 'js' | 'wasm' | 'gpu'
  readonly kernels: Kernels<B>
  /** true, or one sentence that says why this kernel does not run natively on this dtype. */
  supports(kernel: KernelName, dtype: DType): true | string
  /** A new buffer with reference count 1; contents are undefined. Throws RangeError when memory is exhausted. */
  alloc(dtype: DType, length: number): B
  /** One more owner. */
  retain(buffer: B): void
  /** One owner less; the last one frees the memory. Releasing a freed buffer throws. */
  release(buffer: B): void
  /** Asks the garbage collector to release the buffer's one reference if its owner is collected. */
  watch(buffer: B): void
  /** Withdraws `watch`. */
  unwatch(buffer: B): void
  /** `length` elements of `buffer` from `offset`, sharing its memory, without a reference of its own. */
  view(buffer: B, offset: number, length: number): B
  write(buffer: B, data: TypedArray): void
  read(buffer: B): Promise<TypedArray>
  /** A copy of the contents; absent where the backend cannot wait. */
  readSync?(buffer: B): TypedArray
  memory(): MemoryReport
  /** `fallback` at first: a kernel that is not native runs as the js kernel, is counted by `fallbacks`, and the first time
   *  announced on the console. `throw`: it throws `UnsupportedError`. On js every kernel is native. */
  policy: FallbackPolicy
  /** How often a kernel ran on another backend's code because this one does not support it: `matmul f64` → 12. */
  fallbacks(): ReadonlyMap<string, number>
}
