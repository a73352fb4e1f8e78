import type { Kernels, Strides } from '../contract.js'
import { collapse } from './axes.js'
import type { Context } from './context.js'
import { launch } from './launch.js'
import type { Texels } from './memory.js'
import { define, eachAxis, kernelSource, numbered, once, sums } from './source.js'

/** out = add + scale·(A·B + bias) for every index of `batch`. */
interface Product {
  readonly batch: readonly number[]
  readonly m: number
  readonly k: number
  readonly n: number
  readonly a: Texels
  readonly aStrides: Strides
  readonly transA: boolean
  readonly b: Texels
  readonly bStrides: Strides
  readonly transB: boolean
  readonly bias: Texels | null
  readonly scale: number
  readonly add: Texels | null
}

/** Steps stand for the transposes: element (r, l) of A lies at r·aRow + l·aStep, (l, c) of B at c·bColumn + l·bStep. */
const shapeNames = ['m', 'k', 'n', 'aRow', 'aStep', 'bColumn', 'bStep']
const shapeScalars = ({ m, k, n, transA, transB }: Product) => [
  ...[m, k, n, transA ? 1 : k, transA ? m : 1],
  ...[transB ? k : 1, transB ? 1 : n],
]
const batchNames = (rank: number) => [...numbered('n', rank), ...numbered('a', rank), ...numbered('b', rank)]

/** From the matrix `left` of the batch to where its A and B begin. */
const eachMatrix = (rank: number) =>
  eachAxis(
    rank,
    d => `const q${d} = quotient(left, n${d});
p = p + (left - q${d} * n${d}) * a${d};
q = q + (left - q${d} * n${d}) * b${d};
left = q${d};`,
  )

const extras = ['bias', 'add'] as const
/** `sum` becomes add + scale·(sum + bias), of the extras that are there. */
const finish = (extra: readonly string[]) =>
  `${extra.includes('bias') ? 'sum = sum + bias[biaso + column];\n' : ''}sum = scale * sum;
${extra.includes('add') ? 'sum = sum + add[addo + i];\n' : ''}return sum;`

/** One inner product a thread. The key is the rank of the batch and the extras. */
const productSource = once((key: string) => {
  const [digits, ...extra] = key.split(' ')
  const rank = Number(digits)
  return define(
    ['a', 'b', ...extra],
    [...shapeNames, 'scale', ...batchNames(rank)],
    `const row = quotient(i, n);
const column = i - row * n;
let left = quotient(row, m);
let p = ao + (row - left * m) * aRow;
let q = bo + column * bColumn;
${eachMatrix(rank)}
${sums('k', { sum: 'a[p + j * aStep] * b[q + j * bStep]' })}
${finish(extra)}`,
  )
})

/** Two rows by two columns a thread, so that a number that is read serves two products; beyond an edge the last row or column
 *  stands again. gpu.js tiles no further: a thread has one result, of four numbers at most, and no memory that threads share. */
const tileSource = once((rank: number) =>
  define(
    ['a', 'b'],
    [...shapeNames, 'down', 'across', ...batchNames(rank)],
    `const line = quotient(i, across);
let left = quotient(line, down);
const row = 2.0 * (line - left * down);
const column = 2.0 * (i - line * across);
let p = ao + row * aRow;
let q = bo + column * bColumn;
${eachMatrix(rank)}
const below = p + Math.min(1.0, m - 1.0 - row) * aRow;
const beside = q + Math.min(1.0, n - 1.0 - column) * bColumn;
${sums(
  'k',
  { s0: 'x * u', s1: 'x * v', s2: 'y * u', s3: 'y * v' },
  `const x = a[p + j * aStep];
const y = a[below + j * aStep];
const u = b[q + j * bStep];
const v = b[beside + j * bStep];`,
)}
return [s0, s1, s2, s3];`,
  ),
)
/** Every element out of its tile. */
const fromTiles = once((key: string) => {
  const extra = key.split(' ').filter(Boolean)
  return kernelSource(
    ['t', ...extra],
    [...extra.map(x => `${x}o`), 'm', 'n', 'down', 'across', 'scale'],
    `const i = this.thread.x;
const line = quotient(i, n);
const left = quotient(line, m);
const row = line - left * m;
const column = i - line * n;
const y = Math.floor(row * 0.5);
const x = Math.floor(column * 0.5);
const v = t[(left * down + y) * across + x];
const at = 2.0 * (row - 2.0 * y) + column - 2.0 * x;
let sum = v[0];
if (at > 0.5) { sum = v[1]; }
if (at > 1.5) { sum = v[2]; }
if (at > 2.5) { sum = v[3]; }
${finish(extra)}`,
  )
})

/** Smaller products are not worth the second kernel. */
const worthTiles = ({ m, k, n }: Product) => m > 1 && n > 1 && m * n >= 1024 && k >= 16

export function matmulKernels(context: Context): Pick<Kernels<Texels>, 'matmul' | 'linear'> {
  const { device, heap, native } = context

  function product(p: Product, out: Texels): void {
    if (out.length === 0) return
    const { shape, strides } = collapse(p.batch, [p.aStrides, p.bStrides])
    const extra = extras.filter(name => p[name] !== null)
    const added = extra.map(name => p[name]!)
    const batch = [...shape, ...strides.flat()]
    if (!device.readsTiles || !worthTiles(p)) {
      const source = productSource([shape.length, ...extra].join(' '))
      return launch(context, source, out, [p.a, p.b, ...added], [...shapeScalars(p), p.scale, ...batch])
    }
    const [down, across] = [Math.ceil(p.m / 2), Math.ceil(p.n / 2)]
    const tiles = device.run(
      tileSource(shape.length),
      (out.length / (p.m * p.n)) * down * across,
      [heap.device(p.a), heap.device(p.b)],
      [p.a.offset, p.b.offset, ...shapeScalars(p), down, across, ...batch],
      4,
    )
    const elements = device.run(
      fromTiles(extra.join(' ')),
      out.length,
      [tiles, ...added.map(x => heap.device(x))],
      [...added.map(x => x.offset), p.m, p.n, down, across, p.scale],
    )
    device.free(tiles)
    heap.assign(out, elements)
  }

  return {
    matmul(batch, m, k, n, a, aStrides, transA, b, bStrides, transB, out) {
      product({ batch, m, k, n, a, aStrides, transA, b, bStrides, transB, bias: null, scale: 1, add: null }, out)
    },
    linear(m, k, n, a, transA, b, transB, bias, phi, scale, add, out) {
      const one = { batch: [], aStrides: [], bStrides: [], m, k, n, a, transA, b, transB, bias }
      if (phi === null) return product({ ...one, scale, add }, out)
      product({ ...one, scale: 1, add: null }, out)
      native.map(phi, out, out)
      if (add !== null) native.axpy(add, scale, out, out)
      else if (scale !== 1) native.affine(out, scale, 0, out)
    },
  }
}
