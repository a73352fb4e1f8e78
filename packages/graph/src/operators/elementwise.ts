import * as t from '@unravel/tensor'
import { type Call, isFlow, type Value } from '../call.js'
import type { ElementType } from '../graph.js'
import { arrayOfType, isFloat, zippedHost } from '../host.js'
import { frozenProduct } from './frozen.js'
import { remainder } from './remainder.js'
import type { Compute, Rows } from './rows.js'

type Unary = (x: t.Tensor) => t.Tensor

/** An operator of one real argument. */
const unary =
  (f: (x: t.Tensor, call: Call) => t.Tensor): Compute =>
  call =>
    call.out(f(call.tensor(0), call))

/** Of one argument, which may be integers. */
const signed =
  (f: Unary, whole: (x: bigint) => bigint): Compute =>
  call =>
    call.inMemory(0) && !isFloat(call.type(0))
      ? zippedHost(call.type(0), [call.host(0)], whole)
      : call.out(f(call.tensor(0)))

/** Integers and booleans, all of them in memory. */
const wholes = (values: readonly Value[]) => values.every(v => !isFlow(v) && !isFloat(v.type))

/** Below version 7 the second operand says at which axis of the first one it begins. */
function operands(call: Call): readonly Value[] {
  const [a, b] = [call.value(0), call.value(1)]
  const axis = call.node.attributes.axis
  if (call.node.version >= 7 || call.attribute('broadcast', 0) === 0 || axis === undefined) return [a, b]
  const rank = call.shape(0).length
  const shape = call.shape(1)
  const after = rank - call.axis(call.attribute('axis'), rank) - shape.length
  if (after < 0) throw new RangeError(`[${shape}] does not fit [${call.shape(0)}] at axis ${axis}`)
  return [a, call.moved([b], x => t.reshape(x, [...shape, ...new Array<number>(after).fill(1)]))]
}

/** A function of two arguments. Its result is of type `type`, or else of theirs: integers wrap as it does. */
const binary =
  (
    f: (a: t.Tensor, b: t.Tensor) => t.Tensor,
    whole: (a: bigint, b: bigint) => bigint | boolean,
    type?: ElementType,
  ): Compute =>
  call => {
    const [a, b] = operands(call) as [Value, Value]
    if (wholes([a, b])) return zippedHost(type ?? a.type, [a, b] as never, whole as never)
    return call.out(f(call.tensorOf(a), call.tensorOf(b)), type ?? a.type)
  }

/** Any number of arguments, two at a time. */
const folded =
  (f: (a: t.Tensor, b: t.Tensor) => t.Tensor, whole: (a: bigint, b: bigint) => bigint): Compute =>
  call =>
    call.values.reduce((a, b) =>
      wholes([a, b])
        ? zippedHost(a.type, [a, b] as never, whole as never)
        : call.out(f(call.tensorOf(a), call.tensorOf(b)), a.type),
    )

function quotientOf(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new RangeError('division by zero of integers')
  return a / b
}

/** The remainder, with the sign of the divisor (Python's %) or of the dividend (C's fmod). */
const modulus: Compute = call => {
  const c = call.attribute('fmod', 0) !== 0
  if (wholes(call.values)) {
    return zippedHost(call.type(0), [call.host(0), call.host(1)], (a, b) => {
      if (b === 0n) throw new RangeError('remainder of a division by zero')
      const r = a! % b!
      return c || r === 0n || r < 0n === b! < 0n ? r : r + b!
    })
  }
  const [a, b] = [call.tensor(0), call.tensor(1)]
  // The numbers of a device stay there: its remainder has the error of the quotient.
  if (call.run.backend.readSync !== undefined) return call.out(remainder(a, b, !c))
  const q = t.div(a, b)
  return call.out(t.sub(a, t.mul(b, c ? truncate(q) : t.floor(q))))
}

export const truncate = (x: t.Tensor): t.Tensor => t.mul(t.sign(x), t.floor(t.abs(x)))

/** Bits that the elements of an integer type wrap to. */
const widthOf = (call: Call): number => 8 * arrayOfType(call.type(0), 0).BYTES_PER_ELEMENT

/** a^b for b ≥ 0 of `bits` bits, by squares, so that no intermediate number is larger than its product. */
function wrappedPower(a: bigint, b: bigint, bits: number): bigint {
  let [result, square] = [1n, BigInt.asUintN(bits, a)]
  for (let rest = b; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = BigInt.asUintN(bits, result * square)
    square = BigInt.asUintN(bits, square * square)
  }
  return result
}

/** Bits moved by b places; beyond the width of the type none is left. */
function shifted(a: bigint, b: bigint, left: boolean, bits: number): bigint {
  if (b < 0n) throw new RangeError(`a shift by ${b} places; expected at least 0`)
  if (b < BigInt(bits)) return left ? a << b : a >> b
  return !left && a < 0n ? -1n : 0n
}

const power: Compute = call => {
  const type = call.type(0)
  if (wholes(call.values)) {
    const bits = widthOf(call)
    return zippedHost(type, [call.host(0), call.host(1)], (a, b) => {
      if (b! >= 0n) return wrappedPower(a!, b!, bits)
      if (a === 0n) throw new RangeError('0 to a negative power')
      return a === 1n || a === -1n ? (b! % 2n === 0n ? 1n : a) : 0n
    })
  }
  const x = call.exact(0)
  const exponent = call.value(1)
  const host = isFlow(exponent) ? exponent.host : exponent
  // One number has a rule of its own.
  if (host?.data.length === 1 && host.shape.length <= x.rank) return call.out(t.pow(x, Number(host.data[0])))
  // f32 would round integers of either operand: a base of integers itself, an odd exponent to an even one.
  const whole = (i: number) => call.inMemory(i) && !isFloat(call.type(i))
  const by = call.exact(1)
  if ((whole(0) || whole(1)) && x.level === 0 && by.level === 0) {
    const y = t.pow(x.to('f64'), by.to('f64'))
    return call.out(isFloat(type) ? y.to(call.run.dtype) : y)
  }
  return call.out(t.pow(call.tensor(0), call.tensor(1)))
}

/** x clamped; in old versions the bounds are attributes. */
const clip: Compute = call => {
  const bound = (i: number) => (call.has(i) ? call.value(i) : undefined)
  const [low, high] = [bound(1), bound(2)]
  const given = [low, high].filter(v => v !== undefined)
  if (wholes([call.value(0), ...given])) {
    const least = low === undefined ? undefined : BigInt((low as { data: ArrayLike<number> }).data[0]!)
    const most = high === undefined ? undefined : BigInt((high as { data: ArrayLike<number> }).data[0]!)
    return zippedHost(call.type(0), [call.host(0)], x => {
      const up = least !== undefined && x! < least ? least : x!
      return most !== undefined && up > most ? most : up
    })
  }
  const number = (v: Value | undefined) => {
    if (v === undefined) return null
    const host = isFlow(v) ? v.host : v
    return host?.data.length === 1 ? Number(host.data[0]) : call.tensorOf(v)
  }
  return call.out(clipped(call.tensor(0), number(low), number(high)))
}

/** ReLU where it is one: it has a kernel. */
function clipped(x: t.Tensor, low: number | t.Tensor | null, high: number | t.Tensor | null): t.Tensor {
  return low === 0 && (high === null || high === Infinity) ? t.relu(x) : t.clip(x, low, high)
}

const bitwise =
  (whole: (...elements: bigint[]) => bigint): Compute =>
  call =>
    zippedHost(call.type(0), call.values.map((_, i) => call.host(i)), whole) // biome-ignore format: short

/** PRelu: where(x > 0, x, slope·x), with a slope that broadcasts to x. */
function prelu(x: t.Tensor, slope: t.Tensor): t.Tensor {
  return t.where(t.step(x), x, t.mul(x, slope))
}

const select: Compute = call => {
  const [condition, a, b] = [call.value(0), call.value(1), call.value(2)]
  if (!isFlow(a) && !isFlow(b)) {
    const chosen = call.host(0)
    const mask = { type: a.type, shape: chosen.shape, data: Int32Array.from(chosen.data as Uint8Array) }
    const places = (m: typeof mask) => t.tensor(m.data, { shape: m.shape, backend: t.js() })
    return call.moved([a, b], (p, q) => t.where(places(mask), p, q))
  }
  return call.out(t.where(call.tensorOf(condition), call.tensorOf(a), call.tensorOf(b)), a.type)
}

const infinite: Compute = call => {
  const x = call.tensor(0)
  const [below, above] = [call.attribute('detect_negative', 1), call.attribute('detect_positive', 1)]
  const negative = t.equal(x, -Infinity)
  const positive = t.equal(x, Infinity)
  return call.out(t.add(t.mul(negative, below ? 1 : 0), t.mul(positive, above ? 1 : 0)), 'bool')
}

const not: Compute = call =>
  call.inMemory(0) ? zippedHost('bool', [call.host(0)], x => x === 0n) : call.out(t.equal(call.tensor(0), 0), 'bool')

const absolute = (x: bigint) => (x < 0n ? -x : x)

/** f, which is log(2x) to every digit where x is large and x² may overflow. */
function logOfTwice(x: t.Tensor, f: (x: t.Tensor) => t.Tensor): t.Tensor {
  const large = t.greater(x, 1e9)
  return t.where(large, t.add(t.log(t.where(large, x, 1)), Math.LN2), f(t.where(large, 1, x)))
}

/** x·σ(αx), gated as SiLU is. Where the sigmoid is 0 so is the product, of −Infinity too. */
export function swish(x: t.Tensor, alpha: number): t.Tensor {
  if (alpha === 1) return t.silu(x)
  const gate = t.sigmoid(t.mul(x, alpha))
  return frozenProduct('mul', t.where(t.equal(gate, 0), 0, x), gate, 1)
}

/** Mean of n values. Where their sum overflows, of values that are scaled by a power of 2. */
const average: Compute = call => {
  const n = call.values.length
  const parts = call.values.map(v => call.tensorOf(v))
  const total = (xs: readonly t.Tensor[]) => xs.reduce((a, b) => t.add(a, b))
  const scale = 2 ** Math.ceil(Math.log2(n))
  const sum = total(parts)
  const scaled = t.mul(total(parts.map(x => t.mul(x, 1 / scale))), scale / n)
  return call.out(t.where(t.equal(t.abs(sum), Infinity), scaled, t.div(sum, n)))
}

/** Casts: between real types nothing is rounded, as the whole network runs in one dtype. */
export function cast(call: Call, type: ElementType): Value {
  const value = call.value(0)
  if (!isFlow(value)) {
    if (isFloat(type)) return { ...call.computed([value], x => x, 'f64'), type } as Value
    if (type === 'bool') return zippedHost('bool', [value], x => x !== 0n)
    return isFloat(value.type) ? call.out(call.tensor(0), type) : zippedHost(type, [value], x => x!)
  }
  const { tensor: x, type: from } = value
  if (type === 'bool') return from === 'bool' ? value : call.out(t.notEqual(x, 0), 'bool')
  if (isFloat(type)) return { ...value, type }
  return call.out(isFloat(from) && x.level > 0 ? truncate(x) : x, type)
}

export const elementwise: Rows = {
  Identity: call => call.value(0),
  Abs: signed(t.abs, absolute),
  Neg: signed(t.neg, x => -x),
  Sign: signed(t.sign, x => (x > 0n ? 1n : x < 0n ? -1n : 0n)),
  Floor: signed(t.floor, x => x),
  Ceil: signed(t.ceil, x => x),
  Round: signed(t.round, x => x),
  Exp: unary(t.exp),
  Log: unary(t.log),
  Sqrt: unary(t.sqrt),
  Reciprocal: unary(t.reciprocal),
  Sin: unary(t.sin),
  Cos: unary(t.cos),
  Tan: unary(t.tan),
  Asin: unary(t.asin),
  Acos: unary(t.acos),
  Atan: unary(t.atan),
  Sinh: unary(t.sinh),
  Cosh: unary(t.cosh),
  Tanh: unary(t.tanh),
  // ±log(|x| + √(x² + 1)), by log1p so that nothing cancels near 0. The sign is ±1 at 0 too, where the derivative is 1.
  Asinh: unary(x => {
    const sign = t.where(t.less(x, 0), -1, 1)
    const of = (a: t.Tensor) => {
      const s = t.square(a)
      return t.log1p(t.add(a, t.div(s, t.add(t.sqrt(t.add(s, 1)), 1))))
    }
    return t.mul(sign, logOfTwice(t.mul(sign, x), of))
  }),
  Acosh: unary(x => logOfTwice(x, a => t.log1p(t.add(t.sub(a, 1), t.sqrt(t.mul(t.sub(a, 1), t.add(a, 1))))))),
  Atanh: unary(x => t.mul(t.sub(t.log1p(x), t.log1p(t.neg(x))), 0.5)),
  Erf: unary(t.erf),
  Sigmoid: unary(t.sigmoid),
  Relu: signed(t.relu, x => (x > 0n ? x : 0n)),
  LeakyRelu: unary((x, call) => t.leakyRelu(x, call.attribute('alpha', 0.01))),
  Elu: unary((x, call) => t.elu(x, call.attribute('alpha', 1))),
  Celu: unary((x, call) => t.celu(x, call.attribute('alpha', 1))),
  Selu: unary((x, call) => {
    const [alpha, gamma] = [call.attribute('alpha', 1.6732632423543772), call.attribute('gamma', 1.0507009873554805)]
    return t.mul(t.elu(x, alpha), gamma)
  }),
  Softplus: unary(t.softplus),
  Softsign: unary(t.softsign),
  Mish: unary(t.mish),
  Gelu: unary((x, call) => {
    const how = call.text('approximate', 'none')
    if (how !== 'none' && how !== 'tanh') throw new RangeError(`approximate is none or tanh, got ${how}`)
    return how === 'tanh' ? t.geluTanh(x) : t.gelu(x)
  }),
  Swish: unary((x, call) => {
    return swish(x, call.attribute('alpha', 1))
  }),
  HardSigmoid: unary((x, call) => {
    const [alpha, beta] = [call.attribute('alpha', 0.2), call.attribute('beta', 0.5)]
    return t.clip(t.affine(x, alpha, beta), 0, 1)
  }),
  HardSwish: unary(t.hardSwish),
  ThresholdedRelu: unary((x, call) => t.where(t.greater(x, call.attribute('alpha', 1)), x, 0)),
  Shrink: unary((x, call) => {
    const [lambda, bias] = [call.attribute('lambd', 0.5), call.attribute('bias', 0)]
    const below = t.where(t.less(x, -lambda), t.add(x, bias), 0)
    return t.where(t.greater(x, lambda), t.sub(x, bias), below)
  }),
  PRelu: {
    1: call => {
      // Below version 7 a slope is one number, or one for every channel.
      const slope = call.tensor(1)
      const channels = slope.rank === 1 && slope.size > 1 && call.shape(0).length > 2
      const across = () => t.reshape(slope, [slope.size, ...new Array<number>(call.shape(0).length - 2).fill(1)])
      return call.out(prelu(call.tensor(0), channels ? across() : slope))
    },
    7: call => call.computed([call.value(0), call.value(1)], (x, slope) => prelu(x!, slope!)),
  },
  Dropout: call => {
    const x = call.value(0)
    if (call.has(2) && call.number(2) !== 0 && (!call.has(1) || call.number(1) !== 0)) {
      throw new RangeError('dropout in training mode draws random numbers; expected a network for inference')
    }
    const shape = call.shape(0)
    const ones = () =>
      zippedHost('bool', [{ type: 'bool', shape, data: new Uint8Array(call.tensor(0).size) }], () => 1n)
    return [x, call.node.outputs[1] ? ones() : undefined]
  },
  Add: binary(t.add, (a, b) => a + b),
  Sub: binary(t.sub, (a, b) => a - b),
  Mul: call => {
    const [a, b] = [call.value(0), call.value(1)]
    // A square has a gate of its own.
    if (a === b && isFlow(a)) return call.out(t.square(call.tensorOf(a)))
    return binary(t.mul, (p, q) => p * q)(call)
  },
  Div: binary(t.div, quotientOf),
  Mod: modulus,
  Pow: power,
  Max: folded(t.maximum, (a, b) => (a > b ? a : b)),
  Min: folded(t.minimum, (a, b) => (a < b ? a : b)),
  Sum: folded(t.add, (a, b) => a + b),
  Mean: average,
  Clip: {
    1: call => {
      const bound = (name: string) => (call.node.attributes[name] === undefined ? null : call.attribute(name))
      return call.out(clipped(call.tensor(0), bound('min'), bound('max')))
    },
    11: clip,
  },
  Where: select,
  Equal: binary(t.equal, (a, b) => a === b, 'bool'),
  Less: binary(t.less, (a, b) => a < b, 'bool'),
  LessOrEqual: binary(t.lessEqual, (a, b) => a <= b, 'bool'),
  Greater: binary(t.greater, (a, b) => a > b, 'bool'),
  GreaterOrEqual: binary(t.greaterEqual, (a, b) => a >= b, 'bool'),
  And: binary(t.mul, (a, b) => a & b, 'bool'),
  Or: binary(t.maximum, (a, b) => a | b, 'bool'),
  Xor: binary(t.notEqual, (a, b) => a ^ b, 'bool'),
  Not: not,
  IsNaN: call => call.out(t.isNaN(call.tensor(0)), 'bool'),
  IsInf: infinite,
  BitShift: call => {
    const left = call.choice('direction', '', { LEFT: true, RIGHT: false })
    const bits = widthOf(call)
    return bitwise((a, b) => shifted(a!, b!, left, bits))(call)
  },
  BitwiseAnd: bitwise((a, b) => a! & b!),
  BitwiseOr: bitwise((a, b) => a! | b!),
  BitwiseXor: bitwise((a, b) => a! ^ b!),
  BitwiseNot: bitwise(a => ~a!),
}
