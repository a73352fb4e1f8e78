// A small writer of dlib's serialisation of networks, and dlib's definition of their function in plain loops.

export interface DlibSpec {
  readonly size: readonly [number, number]
  readonly mean: readonly [number, number, number]
  readonly stem: number
  readonly blocks: readonly { readonly width: number; readonly down: boolean }[]
  readonly outputs: number
  /** As dlib 19.24 writes layers: con_5, affine_2, fc_3. Default: con_4, affine_, fc_2. */
  readonly newer?: boolean
  /** Fields by their labels, with other bytes in their place. */
  readonly spoilt?: Readonly<Record<string, readonly number[]>>
}

export interface DlibFile {
  readonly bytes: Uint8Array
  /** Where a field begins. */
  readonly offsets: Readonly<Record<string, number>>
  /** By the names of dlib-resnet, in PyTorch's layouts. */
  readonly tensors: Readonly<Record<string, { readonly shape: number[]; readonly data: Float32Array }>>
}

export function integer(value: number): number[] {
  const bytes: number[] = []
  let rest = Math.abs(value)
  do {
    bytes.push(rest % 256)
    rest = Math.floor(rest / 256)
  } while (rest > 0)
  return [bytes.length + (value < 0 ? 0x80 : 0), ...bytes]
}

export function real(value: number): number[] {
  let exponent = 0
  while (!Number.isInteger(value)) {
    value *= 2
    exponent--
  }
  return [...integer(value), ...integer(exponent)]
}

export const string = (text: string): number[] => [...integer(text.length), ...Buffer.from(text, 'latin1')]
const shape = (...lengths: number[]): number[] => lengths.flatMap(integer)
const alias = (...lengths: number[]): number[] => [...integer(1), ...shape(...lengths)]
const empty = [...integer(2), ...shape(0, 0, 0, 0)]
const stored = (data: Float32Array): number[] => [
  ...integer(2),
  ...shape(data.length, 1, 1, 1),
  ...new Uint8Array(data.buffer),
]
const product = (lengths: readonly number[]): number => lengths.reduce((a, b) => a * b, 1)

/** A network with random weights, as dlib would write it. */
export function dlibFile({ size, mean, stem, blocks, outputs, newer, spoilt = {} }: DlibSpec): DlibFile {
  const bytes: number[] = []
  const offsets: Record<string, number> = {}
  const tensors: Record<string, { shape: number[]; data: Float32Array }> = {}
  const put = (label: string, field: readonly number[]): void => {
    offsets[label] = bytes.length
    for (const byte of spoilt[label] ?? field) bytes.push(byte)
  }
  // Numbers that are exact in f32, within ±1.
  let state = 1
  const random = () => {
    state = (state * 48271) % 2147483647
    return Math.round((state / 2147483647 - 0.5) * 512) / 256
  }
  const drawn = (name: string, lengths: number[], draw = random): Float32Array => {
    const data = Float32Array.from({ length: product(lengths) }, draw)
    tensors[name] = { shape: lengths, data }
    return data
  }
  const multipliers = [1, 1, 1, 0].flatMap(real)
  const flag = (value: boolean): number[] => (newer ? Buffer.from(value ? '1' : '0').toJSON().data : [])
  const states = (label: string): void => put(`${label} states`, [0x31, 0x31, 0x30])
  const leftovers = (label: string): void => {
    states(label)
    put(`${label} leftovers`, [...empty, ...empty, ...empty])
  }
  const convolution = (label: string, from: number, out: number, [kernel, stride, pad]: readonly number[]): void => {
    put(`${label} name`, string(newer ? 'con_5' : 'con_4'))
    const weight = drawn(`${label}.weight`, [out, from, kernel!, kernel!])
    const bias = drawn(`${label}.bias`, [out])
    put(`${label} params`, stored(Float32Array.of(...weight, ...bias)))
    put(`${label} filters`, integer(out))
    put(`${label} window`, shape(kernel!, kernel!, stride!, stride!, pad!, pad!))
    put(`${label} weight`, alias(out, from, kernel!, kernel!))
    put(`${label} bias`, alias(1, out, 1, 1))
    put(`${label} multipliers`, multipliers)
    put(`${label} use`, flag(true))
  }
  const affine = (label: string, width: number): void => {
    put(`${label} name`, string(newer ? 'affine_2' : 'affine_'))
    const weight = drawn(`${label}.weight`, [width])
    put(`${label} params`, stored(Float32Array.of(...weight, ...drawn(`${label}.bias`, [width]))))
    put(`${label} scale`, alias(1, width, 1, 1))
    put(`${label} shift`, alias(1, width, 1, 1))
    put(`${label} mode`, integer(0))
    put(`${label} use`, flag(false))
    leftovers(label)
  }
  const plain = (label: string, kind: string, ...window: number[]): void => {
    put(`${label} name`, string(kind))
    put(`${label} window`, shape(...window))
    leftovers(label)
  }

  put('version', integer(1))
  put('loss', string('loss_metric_2'))
  put('margins', [...real(0.5), ...real(0.75)])
  // The first layer comes last.
  const versions = [3, 2, 2, 2]
  for (const { down } of blocks) versions.push(1, 2, 2, 2, 2, 2, ...(down ? [1, 1, 2] : []), 2, 2)
  versions.push(2, 2)
  put('versions', versions.reverse().flatMap(integer))
  put('input', string('input_rgb_image_sized'))
  put('mean', mean.flatMap(real))
  put('size', shape(...size))
  convolution('conv1', 3, stem, [7, 2, 0])
  leftovers('conv1')
  put('expansion', integer(1))
  affine('affine1', stem)
  plain('relu', 'relu_')
  plain('pool', 'max_pool_2', 3, 3, 2, 2, 0, 0)
  let from = stem
  blocks.forEach(({ width, down }, l) => {
    const label = `blocks.${l}`
    convolution(`${label}.conv1`, from, width, down ? [3, 2, 0] : [3, 1, 1])
    leftovers(`${label}.conv1`)
    affine(`${label}.affine1`, width)
    plain(`${label} inner`, 'relu_')
    convolution(`${label}.conv2`, width, width, [3, 1, 1])
    leftovers(`${label}.conv2`)
    affine(`${label}.affine2`, width)
    if (down) plain(`${label} pool`, 'avg_pool_2', 2, 2, 2, 2, 0, 0)
    plain(`${label} add`, 'add_prev_')
    plain(`${label} relu`, 'relu_')
    from = width
  })
  plain('mean', 'avg_pool_2', 0, 0, 1, 1, 0, 0)
  put('fc name', string(newer ? 'fc_3' : 'fc_2'))
  put('outputs', integer(outputs))
  put('inputs', integer(from))
  const weight = drawn('fc.weight', [outputs, from])
  put('fc params', stored(Float32Array.from(weight, (_, i) => weight[(i % outputs) * from + Math.floor(i / outputs)]!)))
  put('fc weight', alias(from, outputs, 1, 1))
  put('fc bias', alias(0, 0, 0, 0))
  put('fc mode', integer(1))
  put('fc multipliers', multipliers)
  put('fc use', flag(false))
  leftovers('fc')
  offsets.end = bytes.length
  return { bytes: Uint8Array.from(bytes), offsets, tensors }
}

/** [channels][rows][columns] */
type Image = number[][][]

/** The descriptor that dlib computes from one image, as its layers define it. */
export function dlibForward(
  { size, mean, stem, blocks, outputs }: DlibSpec,
  { tensors }: DlibFile,
  x: Image,
): number[] {
  const made = (c: number, h: number, w: number, value: (c: number, i: number, j: number) => number): Image =>
    Array.from({ length: c }, (_, k) =>
      Array.from({ length: h }, (_, i) => Array.from({ length: w }, (_, j) => value(k, i, j))),
    )
  const map = (a: Image, f: (v: number, c: number) => number): Image => a.map((p, c) => p.map(r => r.map(v => f(v, c))))
  const relu = (a: Image): Image => map(a, v => Math.max(0, v))
  const at = (a: Image, c: number, i: number, j: number): number => a[c]?.[i]?.[j] ?? 0
  const extent = (n: number, kernel: number, stride: number, pad: number) =>
    Math.floor((n + 2 * pad - kernel) / stride) + 1
  const windowed = (
    a: Image,
    c: number,
    [kernel, stride, pad]: readonly [number, number, number],
    f: (c: number, i: number, j: number) => number,
  ): Image =>
    made(c, extent(a[0]!.length, kernel, stride, pad), extent(a[0]![0]!.length, kernel, stride, pad), (k, i, j) =>
      f(k, i * stride - pad, j * stride - pad),
    )
  const square = (kernel: number) =>
    Array.from({ length: kernel ** 2 }, (_, n) => [Math.floor(n / kernel), n % kernel] as const)
  const conv = (name: string, a: Image, out: number, window: readonly [number, number, number]): Image => {
    const [w, b] = [tensors[`${name}.weight`]!.data, tensors[`${name}.bias`]!.data]
    const kernel = window[0]
    return windowed(a, out, window, (o, i, j) =>
      a.reduce(
        (sum, _, c) =>
          square(kernel).reduce(
            (s, [p, q]) => s + w[((o * a.length + c) * kernel + p) * kernel + q]! * at(a, c, i + p, j + q),
            sum,
          ),
        b[o]!,
      ),
    )
  }
  const affine = (name: string, a: Image): Image =>
    map(a, (v, c) => v * tensors[`${name}.weight`]!.data[c]! + tensors[`${name}.bias`]!.data[c]!)
  const sum = (a: Image, b: Image): Image =>
    made(
      Math.max(a.length, b.length),
      Math.max(a[0]!.length, b[0]!.length),
      Math.max(a[0]![0]!.length, b[0]![0]!.length),
      (c, i, j) => at(a, c, i, j) + at(b, c, i, j),
    )

  if (x[0]!.length !== size[0] || x[0]![0]!.length !== size[1]) throw new RangeError('another size')
  let h = relu(
    affine(
      'affine1',
      conv(
        'conv1',
        map(x, (v, c) => (v - mean[c]!) / 256),
        stem,
        [7, 2, 0],
      ),
    ),
  )
  h = windowed(h, stem, [3, 2, 0], (c, i, j) => Math.max(...square(3).map(([p, q]) => at(h, c, i + p, j + q))))
  blocks.forEach(({ width, down }, l) => {
    const name = `blocks.${l}`
    const y = relu(affine(`${name}.affine1`, conv(`${name}.conv1`, h, width, down ? [3, 2, 0] : [3, 1, 1])))
    const branch = affine(`${name}.affine2`, conv(`${name}.conv2`, y, width, [3, 1, 1]))
    const pooled = (a: Image) =>
      windowed(a, a.length, [2, 2, 0], (c, i, j) => square(2).reduce((s, [p, q]) => s + at(a, c, i + p, j + q), 0) / 4)
    h = relu(sum(branch, down ? pooled(h) : h))
  })
  const means = h.map(p => p.flat().reduce((a, b) => a + b, 0) / p.flat().length)
  const w = tensors['fc.weight']!.data
  return Array.from({ length: outputs }, (_, o) => means.reduce((s, m, c) => s + m * w[o * means.length + c]!, 0))
}
