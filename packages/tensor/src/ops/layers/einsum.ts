import { ShapeError } from '../../core/errors.js'
import { checkTensors } from '../../core/op.js'
import type { Tensor } from '../../core/tensor.js'
import { matmul } from '../arithmetic/matmul.js'
import { mul } from '../arithmetic/mul.js'
import { reshape } from '../structure/reshape.js'
import { slice } from '../structure/slice.js'
import { broadcastTo, sum } from '../structure/sum.js'
import { transpose } from '../structure/transpose.js'

/** A tensor with a letter for each of its axes. */
interface Lettered {
  readonly t: Tensor
  readonly letters: readonly string[]
}

/**
 * Sums of products named by letters, as NumPy's einsum: `einsum('bik,bkj->bij', a, b)`. A letter that is not in the result is
 * summed over; one that an operand has twice takes its diagonal; `...` stands for any axes, which broadcast. Without `->` the
 * result has the letters that occur once, in the order of the alphabet, after those of `...`. Operands are multiplied from the
 * left, each product as one `matmul`. Throws ShapeError where letters and shapes do not fit.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  checkTensors('einsum', operands)
  const refuse = (detail: string) =>
    new ShapeError(
      { name: `einsum('${equation}')`, signature: 'axes as many and as long as the letters' },
      operands,
      detail,
    )
  const { inputs, output } = parse(equation, operands, refuse)
  const lengths = new Map<string, number>()
  operands.forEach((t, i) => {
    inputs[i]!.forEach((letter, d) => {
      const [n, before] = [t.shape[d]!, lengths.get(letter)]
      if (before !== undefined && before !== n && before !== 1 && n !== 1) {
        throw refuse(`${letter.startsWith('.') ? 'an axis of ...' : letter} is ${before} and ${n}`)
      }
      if (before === undefined || before === 1) lengths.set(letter, n)
    })
  })
  const wanted = (from: number) => new Set([...output, ...inputs.slice(from).flat()])
  let left = prepared(operands[0]!, inputs[0]!, wanted(1), lengths)
  for (let i = 1; i < operands.length; i++) {
    const others = new Set([...wanted(i + 1), ...left.letters])
    const right = prepared(operands[i]!, inputs[i]!, others, lengths)
    left = product(left, right, wanted(i + 1))
  }
  const { t, letters } = left
  return transpose(t, output.map(l => letters.indexOf(l))) // biome-ignore format: short
}

function parse(
  equation: string,
  operands: readonly Tensor[],
  refuse: (detail: string) => Error,
): { inputs: string[][]; output: string[] } {
  const [from, to, ...more] = equation.replace(/\s/g, '').split('->') as [string, string?, ...string[]]
  const terms = from.split(',')
  const well = (term: string) => /^[a-zA-Z]*(\.\.\.[a-zA-Z]*)?$/.test(term)
  if (more.length > 0 || !terms.every(well) || (to !== undefined && !well(to))) {
    throw refuse("expected letters, commas, '...' and one '->'")
  }
  if (terms.length !== operands.length) throw refuse(`${terms.length} operands are named, ${operands.length} given`)
  // The axes of '...' are counted from the last, as they broadcast.
  const dots = (n: number) => Array.from({ length: n }, (_, i) => `.${n - i}`)
  const inputs = terms.map((term, i) => {
    const named = term.replace('...', '').length
    const rank = operands[i]!.rank
    if (term.includes('...') ? rank < named : rank !== named) throw refuse(`'${term}' names an operand of rank ${rank}`)
    const [before, after] = term.split('...') as [string, string?]
    return after === undefined ? [...before] : [...before, ...dots(rank - named), ...after]
  })
  const open = dots(Math.max(0, ...inputs.map(letters => letters.filter(l => l.startsWith('.')).length)))
  const all = inputs.flat()
  const single = [...new Set(all)].filter(l => !l.startsWith('.') && all.indexOf(l) === all.lastIndexOf(l)).sort()
  if (to === undefined) return { inputs, output: [...open, ...single] }
  const [before, after] = to.split('...') as [string, string?]
  const output = after === undefined ? [...before] : [...before, ...open, ...after]
  const wrong = output.find((l, i) => !all.includes(l) || output.indexOf(l) !== i)
  if (wrong !== undefined) throw refuse(`'${wrong}' of the result is in no operand, or named twice`)
  return { inputs, output }
}

/** An operand with one axis a letter, all of full length, summed over letters that nothing else wants. */
function prepared(
  x: Tensor,
  names: readonly string[],
  wanted: ReadonlySet<string>,
  lengths: Map<string, number>,
): Lettered {
  let [t, letters] = [x, [...names]]
  for (let i = 0; i < letters.length; i++) {
    const j = letters.indexOf(letters[i]!, i + 1)
    if (j < 0) continue
    t = diagonal(t, i, j)
    letters = [...letters.filter((_, d) => d !== i && d !== j), letters[i]!]
    i = -1
  }
  // A letter of length 1 here and longer elsewhere broadcasts.
  t = broadcastTo(t, letters.map(l => lengths.get(l)!)) // biome-ignore format: short
  const gone = letters.map((_, d) => d).filter(d => !wanted.has(letters[d]!))
  if (gone.length > 0) t = sum(t, gone)
  return { t, letters: letters.filter(l => wanted.has(l)) }
}

/** Axes i and j as one last axis, along their diagonal. Axes of length 1 broadcast. */
function diagonal(x: Tensor, i: number, j: number): Tensor {
  const n = Math.max(x.shape[i]!, x.shape[j]!)
  const whole = broadcastTo(x, x.shape.map((length, d) => (d === i || d === j ? n : length))) // biome-ignore format: short
  const rest = whole.shape.map((_, d) => d).filter(d => d !== i && d !== j)
  const flat = reshape(transpose(whole, [...rest, i, j]), [...rest.map(d => whole.shape[d]!), n * n])
  if (n === 0) return flat
  const zeros = rest.map(() => 0)
  return slice(flat, [...zeros, 0], [...zeros.map(() => null), null], [...zeros.map(() => 1), n + 1])
}

/** The product of two, summed over the letters that both have and nothing else wants. */
function product(a: Lettered, b: Lettered, wanted: ReadonlySet<string>): Lettered {
  const shared = a.letters.filter(l => b.letters.includes(l))
  const batch = shared.filter(l => wanted.has(l))
  const inner = shared.filter(l => !wanted.has(l))
  const [m, n] = [a.letters.filter(l => !shared.includes(l)), b.letters.filter(l => !shared.includes(l))]
  const letters = [...batch, ...m, ...n]
  const ordered = ({ t, letters }: Lettered, order: readonly string[]) => transpose(t, order.map(l => letters.indexOf(l))) // biome-ignore format: short
  const shape = ({ t, letters }: Lettered, part: readonly string[]) => part.map(l => t.shape[letters.indexOf(l)]!)
  const size = (ls: Lettered, part: readonly string[]) => shape(ls, part).reduce((p, k) => p * k, 1)
  const whole = [...shape(a, batch), ...shape(a, m), ...shape(b, n)]
  if (inner.length === 0 || a.t.dtype === 'i32') {
    const ones = (part: readonly string[]) => part.map(() => 1)
    const left = reshape(ordered(a, [...batch, ...inner, ...m]), [...shape(a, [...batch, ...inner, ...m]), ...ones(n)])
    const right = reshape(ordered(b, [...batch, ...inner, ...n]), [
      ...shape(b, [...batch, ...inner]),
      ...ones(m),
      ...shape(b, n),
    ])
    const every = mul(left, right)
    return { t: inner.length === 0 ? every : sum(every, inner.map((_, i) => batch.length + i)), letters } // biome-ignore format: short
  }
  const left = reshape(ordered(a, [...batch, ...m, ...inner]), [size(a, batch), size(a, m), size(a, inner)])
  const right = reshape(ordered(b, [...batch, ...inner, ...n]), [size(b, batch), size(b, inner), size(b, n)])
  return { t: reshape(matmul(left, right), whole), letters }
}
