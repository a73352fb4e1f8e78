import * as t from '@unravel/tensor'
import { apply, type Binary, like, type Op } from '@unravel/tensor/internals'
import { broadcastShape } from '../host.js'

// a − b·q with q = a/b rounded loses every digit where q is large: JavaScript's % is exact.

interface Part {
  /** The sign of the result: of the divisor (Python's %), else of the dividend (C's fmod). */
  readonly ofDivisor: boolean
  readonly part: 'remainder' | 'quotient'
}

function remainderOf(a: number, b: number, ofDivisor: boolean): number {
  const r = a % b
  if (!ofDivisor || Number.isNaN(r)) return r
  if (r === 0) return b < 0 ? -0 : 0
  return r < 0 === b < 0 ? r : r + b
}

/** The remainder, or the whole quotient, of each pair of numbers: constants to derivatives. */
const partOp: Op<Part, Binary> = {
  name: 'remainder',
  signature: '[...], [...] -> [...]',
  infer: ([a, b]) => ({ shape: broadcastShape([a.shape, b.shape]), dtype: a.dtype }),
  run([a, b], { ofDivisor, part }, { shape }) {
    const [p, q] = [t.broadcastTo(a, shape).dataSync(), t.broadcastTo(b, shape).dataSync()]
    const values = Float64Array.from(p, (v: number, i) => {
      const r = remainderOf(v, q[i]!, ofDivisor)
      return part === 'remainder' ? r : Math.round((v - r) / q[i]!)
    })
    return t.tensor(values, { shape, ...like(a) }) as never
  },
}

/** The remainder of a/b, of which ∂a is 1 and ∂b is −q. */
export function remainder(a: t.Tensor, b: t.Tensor, ofDivisor: boolean): t.Tensor {
  const part = (name: Part['part']) => apply(partOp, [a, b], { ofDivisor, part: name })
  if (a.level === 0 && b.level === 0) return part('remainder')
  // x − x, which is 0 with the derivatives of x; an infinite x would make it NaN.
  const change = (x: t.Tensor) => {
    const finite = t.where(t.equal(t.abs(x), Infinity), 0, x)
    return t.sub(finite, t.stopGradient(finite))
  }
  return t.add(part('remainder'), t.sub(change(a), t.mul(part('quotient'), change(b))))
}
