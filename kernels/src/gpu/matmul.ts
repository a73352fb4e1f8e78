import type { Kernels } from '../contract.js'
import { collapse } from './axes.js'
import type { Texels } from './memory.js'
import { type Context, define, eachAxis, launch, numbered, once } from './source.js'

/** One inner product a thread; steps stand for the transposes. */
const matmulSource = once((rank: number) =>
  define(
    ['a', 'b'],
    [
      ...['m', 'k', 'n', 'aRow', 'aStep', 'bColumn', 'bStep'],
      ...numbered('n', rank),
      ...numbered('a', rank),
      ...numbered('b', rank),
    ],
    `const row = quotient(i, n);
let left = quotient(row, m);
let p = ao + (row - left * m) * aRow;
let q = bo + (i - row * n) * bColumn;
${eachAxis(
  rank,
  d => `const q${d} = quotient(left, n${d});
p = p + (left - q${d} * n${d}) * a${d};
q = q + (left - q${d} * n${d}) * b${d};
left = q${d};`,
)}
let sum = 0.0;
for (let l = 0; l < k; l++) {
  sum = sum + a[p + l * aStep] * b[q + l * bStep];
}
return sum;`,
  ),
)

const linearSource = once((extra: string) => {
  const [bias, add] = [extra.includes('bias'), extra.includes('add')]
  return define(
    ['a', 'b', ...(bias ? ['bias'] : []), ...(add ? ['add'] : [])],
    ['k', 'n', 'aRow', 'aStep', 'bColumn', 'bStep', 'scale'],
    `const row = quotient(i, n);
const column = i - row * n;
const p = ao + row * aRow;
const q = bo + column * bColumn;
let sum = 0.0;
for (let l = 0; l < k; l++) {
  sum = sum + a[p + l * aStep] * b[q + l * bStep];
}
${bias ? 'sum = sum + bias[biaso + column];' : ''}
sum = scale * sum;
${add ? 'sum = sum + add[addo + i];' : ''}
return sum;`,
  )
})

const stepsOf = (m: number, k: number, n: number, transA: boolean, transB: boolean) => [
  transA ? 1 : k,
  transA ? m : 1,
  transB ? k : 1,
  transB ? 1 : n,
]

export function matmulKernels(context: Context): Pick<Kernels<Texels>, 'matmul' | 'linear'> {
  const { js } = context
  return {
    matmul(batch, m, k, n, a, aStrides, transA, b, bStrides, transB, out) {
      if (out.dtype !== 'f32') return js.matmul(batch, m, k, n, a, aStrides, transA, b, bStrides, transB, out)
      const { shape, strides } = collapse(batch, [aStrides, bStrides])
      const scalars = [m, k, n, ...stepsOf(m, k, n, transA, transB), ...shape, ...strides.flat()]
      launch(context, matmulSource(shape.length), out, [a, b], scalars)
    },
    linear(m, k, n, a, transA, b, transB, bias, scale, add, out) {
      if (out.dtype !== 'f32') return js.linear(m, k, n, a, transA, b, transB, bias, scale, add, out)
      const inputs = [a, b, bias, add].filter(x => x !== null)
      const extra = `${bias === null ? '' : 'bias '}${add === null ? '' : 'add'}`
      launch(context, linearSource(extra), out, inputs, [k, n, ...stepsOf(m, k, n, transA, transB), scale])
    },
  }
}
