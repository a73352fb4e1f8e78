import { type DType, defaultBackend, FormatError, scope, type Tensor, tensor } from '@unravel/tensor'
import type { Model } from './architecture.js'
import { type DlibResnetConfig, dlibResnet, dlibWindows, MOST_STAGES, type Window } from './dlibResnet.js'
import type { LoadOptions } from './models.js'

// dlib's own serialisation. An integer: a byte with how many bytes follow (1 to 8; bit 7 for negative), then those,
// little-endian. A real number: an integer mantissa m and an integer exponent e for m·2^e, e from 32000 on for what is
// not finite. A string: its length and its bytes. A truth value: '0' or '1'. A tensor: the version 2, four lengths, and
// IEEE f32 little-endian; an alias (a window on another tensor): the version 1 and four lengths.
//
// A network nests from the loss inwards. The loss layer: version 1, its name and fields, the layers. A layer: version 2,
// all the layers below it, its own name and fields, three truth values, and three tensors that training left. So a file
// begins with the versions of all layers, from the last to the first, and goes on with their fields, from the first to the
// last. Tag and skip layers are their version, 1, and nothing else. The first layer has version 3, before its fields those
// of the input, and after its tensors one more integer.
// Facts from dlib's serialize.h, float_details.h, dnn/core.h, dnn/layers.h, dnn/input.h (https://github.com/davisking/dlib).

const LAYER = 2
const TAG = 1
const FIRST = 3
/** The most layers that are read. */
const MOST_LAYERS = 1 << 16
/** The most channels of a layer, and rows or columns of an image. */
const MOST_CHANNELS = 1 << 24
/** Exponents from here on stand for what is not finite. */
const NOT_FINITE = 32000

/** Whether a file begins as dlib writes a network with its loss: version 1, then a name that starts with loss_. */
export const isDlibNetwork = (bytes: Uint8Array): boolean =>
  bytes.length >= 9 &&
  [1, 1, 1].every((b, i) => bytes[i] === b) &&
  new TextDecoder('latin1').decode(bytes.subarray(4, 9)) === 'loss_'

/**
 * Reads the face recognition network of dlib (anet_type of dnn_face_recognition_ex: any number of stages, blocks and
 * channels) from what dlib's serialize wrote, weights converted to `dtype` (default f32, as stored). Layers must be those
 * of a `dlib-resnet` in order, and their sizes fit each other. Sizes are checked before memory is allocated, against the
 * length of the file. Throws FormatError naming the byte and what was expected there; no tensor is made then.
 */
export function modelFromDlib(
  bytes: Uint8Array,
  { dtype = 'f32', backend = defaultBackend() }: LoadOptions = {},
): Model<DlibResnetConfig> {
  const { config, stored } = new NetworkReader(bytes).network()
  const tensors = scope(() => {
    const made: Record<string, Tensor> = {}
    for (const [name, { shape, read }] of stored) made[name] = tensor(read(dtype), { shape, dtype, backend })
    return made
  })
  return { architecture: dlibResnet, config, tensors }
}

type Shape4 = readonly [number, number, number, number]
type Bounds = readonly [least: number, most: number]

/** Where the numbers of a tensor are. */
interface Span {
  readonly at: number
  readonly shape: Shape4
  readonly size: number
}

interface Stored {
  readonly shape: readonly number[]
  read(dtype: DType): Float32Array | Float64Array
}

/** Values of dlib's serialisation, one after the other. */
class Reader {
  at = 0
  readonly #view: DataView

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  fail(at: number, message: string): never {
    throw new FormatError(`dlib: byte ${at}: ${message}`)
  }

  /** The place of the next `count` bytes. */
  take(count: number, what: string): number {
    const at = this.at
    if (count > this.bytes.length - at) {
      this.fail(at, `the file ends at byte ${this.bytes.length}; expected ${count} bytes of ${what}`)
    }
    this.at += count
    return at
  }

  integer(what: string): number {
    const at = this.take(1, what)
    const head = this.bytes[at]!
    const size = head & 0x7f
    if (size < 1 || size > 8) this.fail(at, `${what} begins with ${head}; expected an integer of 1 to 8 bytes`)
    const start = this.take(size, what)
    let value = 0n
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[start + i]!)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(at, `${what} is ${value}; expected at most 2^53 − 1`)
    return head & 0x80 ? -Number(value) : Number(value)
  }

  /** An integer that must be one of a few. */
  exactly(what: string, ...wanted: readonly number[]): number {
    const at = this.at
    const value = this.integer(what)
    return wanted.includes(value) ? value : this.fail(at, `${what} is ${value}; expected ${wanted.join(' or ')}`)
  }

  count(what: string, least: number, most: number): number {
    const at = this.at
    const value = this.integer(what)
    return value >= least && value <= most
      ? value
      : this.fail(at, `${what} is ${value}; expected ${least === most ? least : `an integer from ${least} to ${most}`}`)
  }

  real(what: string): number {
    const at = this.at
    const mantissa = this.integer(what)
    const exponent = this.integer(`the exponent of ${what}`)
    const value = mantissa * 2 ** exponent
    return exponent < NOT_FINITE && Number.isFinite(value)
      ? value
      : this.fail(at, `${what} is not finite; expected a number`)
  }

  truth(what: string): boolean {
    const at = this.take(1, what)
    const byte = this.bytes[at]
    return byte === 0x31 || byte === 0x30
      ? byte === 0x31
      : this.fail(at, `${what} is byte ${byte}; expected '0' or '1'`)
  }

  /** The name of what follows, which must be one of a few. */
  name(what: string, ...wanted: readonly string[]): string {
    const at = this.at
    const expected = `expected ${wanted.map(w => `"${w}"`).join(' or ')}`
    const length = this.integer(`the length of the name of ${what}`)
    if (length < 1 || length > 64) this.fail(at, `the name of ${what} has ${length} bytes; ${expected}`)
    const start = this.take(length, `the name of ${what}`)
    const text = new TextDecoder('latin1').decode(this.bytes.subarray(start, this.at))
    return wanted.includes(text) ? text : this.fail(at, `${what} is called ${JSON.stringify(text)}; ${expected}`)
  }

  shape(what: string): Shape4 {
    const axis = (name: string) => this.count(`the ${name} of ${what}`, 0, 2 ** 31 - 1)
    return [axis('first length'), axis('second length'), axis('third length'), axis('fourth length')]
  }

  alias(what: string): Shape4 {
    this.exactly(`the version of ${what}`, 1)
    return this.shape(what)
  }

  tensor(what: string): Span {
    const at = this.at
    this.exactly(`the version of ${what}`, 2)
    const shape = this.shape(what)
    const size = sizeOf(shape)
    const room = Math.floor((this.bytes.length - this.at) / 4)
    if (!(size <= room)) {
      this.fail(at, `${what} claims [${shape}] numbers; expected at most the ${room} that fit the rest of the file`)
    }
    return { at: this.take(4 * size, what), shape, size }
  }

  /** The numbers of a tensor from element `begin` on, all finite. */
  numbers<T extends Float32Array | Float64Array>({ at }: Span, begin: number, out: T): T {
    for (let i = 0; i < out.length; i++) {
      const x = this.#view.getFloat32(at + 4 * (begin + i), true)
      if (!Number.isFinite(x)) this.fail(at + 4 * (begin + i), `a weight is ${x}; expected a finite number`)
      out[i] = x
    }
    return out
  }
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
const same = (a: readonly number[], b: readonly number[]): boolean => a.every((n, i) => n === b[i])

/** The grammar of the network, on top of its values. */
class NetworkReader extends Reader {
  /** Versions of the layers and where they stand, the first layer at the end. */
  readonly #layers: { readonly version: number; readonly at: number }[] = []
  readonly #stored = new Map<string, Stored>()

  network(): { config: DlibResnetConfig; stored: ReadonlyMap<string, Stored> } {
    this.exactly('the version of the loss layer', 1)
    this.name('the loss layer', 'loss_metric_2')
    this.real('the margin of the loss layer')
    this.real('the distance of the loss layer')
    this.#versions()

    this.#layer(FIRST, 'the first layer')
    const inputAt = this.at
    const input = this.#input()
    const width = this.#convolution('conv1', 3, [1, MOST_CHANNELS], dlibWindows.stem)
    this.#leftovers('conv1')
    this.count('the expansion of samples', 0, Number.MAX_SAFE_INTEGER)
    this.#affine('affine1', width)
    this.#relu('the ReLU of the stem')
    this.#pool('the pooling of the stem', 'max_pool_2', dlibWindows.stemPool)

    const layers = [0]
    const widths = [width]
    for (let l = 0; this.#layers.at(-1)?.version === TAG; l++) {
      const { at } = this.#layers.at(-1)!
      const { width, down } = this.#block(l, widths.at(-1)!)
      if (!down) {
        layers[layers.length - 1]!++
        continue
      }
      if (layers.length === MOST_STAGES) this.fail(at, `block ${l} begins a stage; expected at most ${MOST_STAGES}`)
      layers.push(1)
      widths.push(width)
    }
    const outputs = this.#ending(widths.at(-1)!)
    const config = { architecture: 'dlib-resnet' as const, ...input, layers, widths, outputs }
    const checked = dlibResnet.schema.safeParse(config)
    if (checked.success) return { config: checked.data, stored: this.#stored }
    return this.fail(inputAt, `the input is [3,${input.size}]; ${checked.error.issues[0]!.message}`)
  }

  #versions(): void {
    do {
      const at = this.at
      const version = this.exactly('the version of a layer', TAG, LAYER, FIRST)
      if (this.#layers.length === MOST_LAYERS) this.fail(at, `one layer more; expected at most ${MOST_LAYERS}`)
      this.#layers.push({ version, at })
    } while (this.#layers.at(-1)!.version !== FIRST)
  }

  /** The next layer, which must be of this version. */
  #layer(version: number, what: string): void {
    const layer = this.#layers.pop()
    if (layer === undefined) return this.fail(this.at, `the network has no more layers; expected ${what}`)
    if (layer.version === version) return
    this.fail(layer.at, `a layer of version ${layer.version}; expected ${version} for ${what}`)
  }

  /** Numbers that training left in a layer. */
  #leftovers(what: string): void {
    for (const state of ['first', 'second', 'third']) this.truth(`the ${state} state of ${what}`)
    for (const rest of ['first', 'second', 'third']) this.tensor(`the ${rest} tensor of training of ${what}`)
  }

  #input(): Pick<DlibResnetConfig, 'size' | 'mean'> {
    this.name('the input', 'input_rgb_image_sized')
    const mean = ['red', 'green', 'blue'].map(colour => this.real(`the average ${colour}`))
    const size = ['rows', 'columns'].map(axis => this.count(`the number of ${axis} of the input`, 1, MOST_CHANNELS))
    return { size: size as [number, number], mean }
  }

  /** A convolution of `from` channels, all but what training left; returns how many it makes, within bounds. */
  #convolution(name: string, from: number, [least, most]: Bounds, { kernel, stride, padding }: Window): number {
    const kind = this.name(name, 'con_4', 'con_5')
    const at = this.at
    const params = this.tensor(`the parameters of ${name}`)
    const filters = this.count(`the number of filters of ${name}`, least, most)
    this.#geometry(name, [kernel, kernel, stride, stride, padding, padding])
    this.#aliased(`the weight of ${name}`, [filters, from, kernel, kernel])
    const begin = this.at
    const biases = this.alias(`the biases of ${name}`)
    const has = sizeOf(biases) > 0
    if (has && !same(biases, [1, filters, 1, 1])) {
      this.fail(begin, `the biases of ${name} have the shape [${biases}]; expected [1,${filters},1,1]`)
    }
    this.#multipliers(name)
    const used = kind === 'con_4' || this.truth(`whether ${name} has biases`)
    if (used && !has) this.fail(begin, `${name} has no biases; expected [1,${filters},1,1]`)
    const size = filters * from * kernel * kernel
    this.#holds(name, at, params, size + (has ? filters : 0))
    this.#store(`${name}.weight`, [filters, from, kernel, kernel], params, 0)
    if (used) this.#store(`${name}.bias`, [filters], params, size)
    return filters
  }

  #affine(name: string, width: number): void {
    this.#layer(LAYER, name)
    const kind = this.name(name, 'affine_', 'affine_2')
    const at = this.at
    const params = this.tensor(`the parameters of ${name}`)
    this.#aliased(`the scale of ${name}`, [1, width, 1, 1])
    this.#aliased(`the shift of ${name}`, [1, width, 1, 1])
    this.exactly(`the mode of ${name}`, 0)
    const ahead = this.at
    if (kind === 'affine_2' && this.truth(`whether ${name} is disabled`)) {
      this.fail(ahead, `${name} is disabled; expected one that is in use`)
    }
    this.#holds(name, at, params, 2 * width)
    this.#store(`${name}.weight`, [width], params, 0)
    this.#store(`${name}.bias`, [width], params, width)
    this.#leftovers(name)
  }

  #relu(what: string): void {
    this.#plain(what, 'relu_')
    this.#leftovers(what)
  }

  #pool(what: string, kind: string, { kernel, stride, padding }: Window): void {
    this.#plain(what, kind)
    this.#geometry(what, [kernel, kernel, stride, stride, padding, padding])
    this.#leftovers(what)
  }

  #block(l: number, from: number): { width: number; down: boolean } {
    const block = `block ${l}`
    const name = `blocks.${l}.`
    this.#layer(TAG, `the start of ${block}`)
    // Whether a block halves shows in what follows the five layers of its branch: a tag, for the pooling of its input.
    const down = this.#layers.at(-6)?.version === TAG
    this.#layer(LAYER, `${name}conv1`)
    const bounds: Bounds = down ? [from, MOST_CHANNELS] : [from, from]
    const width = this.#convolution(`${name}conv1`, from, bounds, down ? dlibWindows.downConv : dlibWindows.conv)
    this.#leftovers(`${name}conv1`)
    this.#affine(`${name}affine1`, width)
    this.#relu(`the inner ReLU of ${block}`)
    this.#layer(LAYER, `${name}conv2`)
    this.#convolution(`${name}conv2`, width, [width, width], dlibWindows.conv)
    this.#leftovers(`${name}conv2`)
    this.#affine(`${name}affine2`, width)
    if (down) {
      this.#layer(TAG, `the end of the branch of ${block}`)
      this.#layer(TAG, `the way back to the start of ${block}`)
      this.#pool(`the pooling of ${block}`, 'avg_pool_2', dlibWindows.downPool)
    }
    this.#plain(`the addition of ${block}`, 'add_prev_')
    this.#leftovers(`the addition of ${block}`)
    this.#relu(`the ReLU after ${block}`)
    return { width, down }
  }

  /** The mean over the image and the last linear map, and the end of the file; returns the number of outputs. */
  #ending(width: number): number {
    this.#plain('the pooling over the image', 'avg_pool_2')
    this.#geometry('the pooling over the image', [0, 0, 1, 1, 0, 0])
    this.#leftovers('the pooling over the image')
    this.#layer(LAYER, 'fc')
    const kind = this.name('fc', 'fc_2', 'fc_3')
    const outputs = this.count('the number of outputs of fc', 1, MOST_CHANNELS)
    this.exactly('the number of inputs of fc', width)
    const at = this.at
    const params = this.tensor('the parameters of fc')
    this.#aliased('the weight of fc', [width, outputs, 1, 1])
    this.alias('the biases of fc')
    this.exactly('the bias mode of fc', 1)
    this.#multipliers('fc')
    if (kind === 'fc_3') this.truth('whether fc has biases')
    this.#holds('fc', at, params, width * outputs)
    // Inputs first.
    const read = (dtype: DType) => {
      const rows = this.numbers(params, 0, floats(dtype, params.size))
      return rows.map((_, i) => rows[(i % width) * outputs + Math.floor(i / width)]!)
    }
    this.#stored.set('fc.weight', { shape: [outputs, width], read })
    this.#leftovers('fc')
    const over = this.#layers.pop()
    if (over !== undefined) this.fail(over.at, `a layer after fc, of version ${over.version}; expected none`)
    const rest = this.bytes.length - this.at
    if (rest > 0) this.fail(this.at, `${rest} bytes after the network; expected the end of the file`)
    return outputs
  }

  /** A layer of this name. */
  #plain(what: string, kind: string): void {
    this.#layer(LAYER, what)
    this.name(what, kind)
  }

  /** Rows and columns of the window, its two strides, and its two paddings. */
  #geometry(what: string, wanted: readonly number[]): void {
    const names = ['rows', 'columns', 'vertical stride', 'horizontal stride', 'vertical padding', 'horizontal padding']
    wanted.forEach((n, i) => void this.exactly(`the ${names[i]} of ${what}`, n))
  }

  #aliased(what: string, wanted: Shape4): void {
    const at = this.at
    const shape = this.alias(what)
    if (!same(shape, wanted)) this.fail(at, `${what} has the shape [${shape}]; expected [${wanted}]`)
  }

  /** Multipliers of learning rates and of weight decay. */
  #multipliers(what: string): void {
    for (let i = 1; i <= 4; i++) this.real(`the multiplier ${i} of ${what}`)
  }

  #holds(what: string, at: number, { size }: Span, wanted: number): void {
    if (size !== wanted) this.fail(at, `${what} has ${size} parameters; expected ${wanted}`)
  }

  #store(name: string, shape: readonly number[], span: Span, begin: number): void {
    const read = (dtype: DType) => this.numbers(span, begin, floats(dtype, sizeOf(shape)))
    this.#stored.set(name, { shape, read })
  }
}

const floats = (dtype: DType, size: number): Float32Array | Float64Array =>
  dtype === 'f64' ? new Float64Array(size) : new Float32Array(size)
