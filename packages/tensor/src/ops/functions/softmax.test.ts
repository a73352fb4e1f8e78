import { expect, it } from 'vitest'
import {
  type Backend,
  crossEntropy,
  type DType,
  grad,
  js,
  jvp,
  logSoftmax,
  logsumexp,
  mul,
  reshape,
  scaledDotProductAttention,
  series,
  softmax,
  sum,
  type Tensor,
  tensor,
  wasm,
} from '../../index.js'

// p = softmax(x) at x = (a, 0, −1), whose first probability rounds to 1: 1 − p₀ = p₁ + p₂ is all that its derivatives are made of.
// With c = (¾, −5/4, 2) and v = (½, −¼, 1), by decimal arithmetic of 700 digits: p ⊙ (c − c·p); its derivative along v; orders 1
// and 2 of p along v; c′ − p Σ c′ for c′ = (¾, 0, 0) and (¾, 1, −1); orders 1 and 2 of log p along v.
const TABLE = [
  {
    a: 20,
    softmax: [3.1744871734877676e-9, -4.122307226711537e-9, 9.478200532237695e-10],
    softmaxCurvature: [-3.565640432888744e-9, 3.091730407874671e-9, 4.739100250140732e-10],
    softmaxOrder1: [1.1667371888543029e-9, -1.5458652100656665e-9, 3.7912802121136365e-10],
    softmaxOrder2: [-6.744814564951885e-10, 5.796994514826058e-10, 9.478200501258265e-11],
    logSoftmaxOfFirst: [2.1145572429605083e-9, -1.545865212470491e-9, -5.686920304900172e-10],
    logSoftmaxOfCancelling: [2.1145572429605083e-9, 0.9999999984541348, -1.000000000568692],
    logSoftmaxOrder1: [1.1667371921438128e-9, -0.7499999988332628, 0.5000000011667372],
    logSoftmaxOrder2: [-6.744814590774659e-10, -6.744814590774659e-10, -6.744814590774659e-10],
  },
  {
    a: 60,
    softmax: [1.3486346167902395e-26, -1.751302152539304e-26, 4.026675357490645e-27],
    softmaxCurvature: [-1.5148103822790104e-26, 1.3134766144044781e-26, 2.0133376787453226e-27],
    softmaxOrder1: [4.956712929026132e-27, -6.567383072022391e-27, 1.610670142996258e-27],
    softmaxOrder2: [-2.865436187757461e-27, 2.462768652008396e-27, 4.026675357490645e-28],
    logSoftmaxOfFirst: [8.983388286516777e-27, -6.567383072022391e-27, -2.416005214494387e-27],
    logSoftmaxOfCancelling: [8.983388286516777e-27, 1.0, -1.0],
    logSoftmaxOrder1: [4.956712929026132e-27, -0.75, 0.5],
    logSoftmaxOrder2: [-2.865436187757461e-27, -2.865436187757461e-27, -2.865436187757461e-27],
  },
  {
    a: 40,
    softmax: [6.543105773914442e-18, -8.496708510583178e-18, 1.953602736668736e-18],
    softmaxCurvature: [-7.349332751271752e-18, 6.372531382937383e-18, 9.76801368334368e-19],
    softmaxOrder1: [2.4048245968011973e-18, -3.1862656914686917e-18, 7.814410946674944e-19],
    softmaxOrder2: [-1.390209907967633e-18, 1.1948496343007595e-18, 1.953602736668736e-19],
    logSoftmaxOfFirst: [4.358427333469933e-18, -3.1862656914686917e-18, -1.1721616420012416e-18],
    logSoftmaxOfCancelling: [4.358427333469933e-18, 1.0, -1.0],
    logSoftmaxOrder1: [2.4048245968011973e-18, -0.75, 0.5],
    logSoftmaxOrder2: [-1.390209907967633e-18, -1.390209907967633e-18, -1.390209907967633e-18],
  },
  {
    a: 600,
    softmax: [4.082010102506193e-261, -5.3007931060086215e-261, 1.2187830035024286e-261],
    softmaxCurvature: [-4.58498633125768e-261, 3.9755948295064664e-261, 6.093915017512143e-262],
    softmaxOrder1: [1.5002842133522616e-261, -1.9877974147532332e-261, 4.8751320140097145e-262],
    softmaxOrder2: [-8.673023308827052e-262, 7.454240305324624e-262, 1.2187830035024286e-262],
    logSoftmaxOfFirst: [2.71906721685469e-261, -1.9877974147532332e-261, -7.312698021014571e-262],
    logSoftmaxOfCancelling: [2.71906721685469e-261, 1.0, -1.0],
    logSoftmaxOrder1: [1.5002842133522616e-261, -0.75, 0.5],
    logSoftmaxOrder2: [-8.673023308827052e-262, -8.673023308827052e-262, -8.673023308827052e-262],
  },
]

const places = TABLE.flatMap(row =>
  [js(), wasm()].map(
    backend => [row.a, row.a === 20 || row.a === 60 ? 'f32' : 'f64', backend.name, backend, row] as const,
  ),
)

it.each(places)('a probability that rounds to 1 keeps its derivatives: x₀ = %d, %s, %s', (a, type, _, place, row) => {
  const dtype: DType = type
  const backend: Backend = place
  const make = (values: readonly number[], shape: readonly number[] = [values.length]) =>
    tensor(values, { shape, dtype, backend })
  const close = (found: Tensor, expected: readonly number[], what: string) => {
    const got = found.dataSync()
    expect(got.length).toBe(expected.length)
    const eps = dtype === 'f32' ? 2 ** -24 : 2 ** -53
    // The least numbers of f32 lie 2⁻¹⁴⁹ apart.
    const least = dtype === 'f32' ? 2 ** -148 : 0
    expected.forEach((value, i) => {
      expect(Math.abs(got[i]! - value), `${what} ${i}: ${got[i]}`).toBeLessThanOrEqual(
        32 * eps * Math.abs(value) + least,
      )
    })
  }
  const x = make([a, 0, -1])
  const [v, c] = [make([0.5, -0.25, 1]), make([0.75, -1.25, 2])]
  const weighted = (f: (t: Tensor) => Tensor, w: Tensor) => (t: Tensor) => sum(mul(f(t), w))
  const along = (g: (t: Tensor) => Tensor) => jvp(g, x, v)[1]
  const backAlong = (g: (t: Tensor) => Tensor) => grad((t: Tensor) => sum(mul(g(t), v)))(x)
  const line = make([a, 0, -1, 0.5, -0.25, 1], [2, 3])

  close(grad(weighted(softmax, c))(x), row.softmax, 'softmax, gradient')
  close(along(grad(weighted(softmax, c))), row.softmaxCurvature, 'softmax, forward over reverse')
  close(backAlong(grad(weighted(softmax, c))), row.softmaxCurvature, 'softmax, reverse over reverse')
  close(jvp(t => softmax(t), x, v)[1], row.softmaxOrder1, 'softmax, tangent')
  const orders = [...series(t => softmax(t), line, 2).dataSync()]
  close(make(orders.slice(3)), [...row.softmaxOrder1, ...row.softmaxOrder2], 'softmax, series')

  for (const [w, expected] of [
    [[0.75, 0, 0], row.logSoftmaxOfFirst],
    [[0.75, 1, -1], row.logSoftmaxOfCancelling],
  ] as const) {
    close(grad(weighted(logSoftmax, make(w)))(x), expected, 'logSoftmax, gradient')
  }
  const curvature = row.softmaxOrder1.map(d => -0.75 * d)
  const first = weighted(logSoftmax, make([0.75, 0, 0]))
  close(along(grad(first)), curvature, 'logSoftmax, forward over reverse')
  close(backAlong(grad(first)), curvature, 'logSoftmax, reverse over reverse')
  close(jvp(t => logSoftmax(t), x, v)[1], row.logSoftmaxOrder1, 'logSoftmax, tangent')
  const logs = [...series(t => logSoftmax(t), line, 2).dataSync()]
  close(make(logs.slice(3)), [...row.logSoftmaxOrder1, ...row.logSoftmaxOrder2], 'logSoftmax, series')

  const label = tensor([0], { dtype: 'i32', backend })
  const loss = (t: Tensor) => crossEntropy(reshape(t, [1, 3]), label)
  close(along(grad(loss)), row.softmaxOrder1, 'crossEntropy, forward over reverse')
  close(backAlong(grad(loss)), row.softmaxOrder1, 'crossEntropy, reverse over reverse')
  close(along(grad((t: Tensor) => logsumexp(t))), row.softmaxOrder1, 'logsumexp, forward over reverse')
  close(backAlong(grad((t: Tensor) => logsumexp(t))), row.softmaxOrder1, 'logsumexp, reverse over reverse')
  close(jvp(t => logsumexp(t), x, v)[1], [0.5 - row.logSoftmaxOrder1[0]!], 'logsumexp, tangent')
  const sums = [...series(t => logsumexp(t), line, 2).dataSync()]
  close(make(sums.slice(2)), [-row.logSoftmaxOrder2[0]!], 'logsumexp, order 2')

  // One query that meets three keys: its pattern is p, its values the columns c.
  const attend = (t: Tensor) =>
    sum(scaledDotProductAttention(make([1], [1, 1]), reshape(t, [3, 1]), reshape(c, [3, 1]), { scale: 1 }))
  close(grad(attend)(x), row.softmax, 'attention, gradient')
  close(along(grad(attend)), row.softmaxCurvature, 'attention, forward over reverse')
})
