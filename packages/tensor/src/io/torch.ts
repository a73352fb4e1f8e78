import type { DType } from '@unravel/kernels'
import { shown } from '../core/messages.js'
import { type ArrayData, elements } from './array.js'
import { FormatError } from './errors.js'
import { decodeFrom, itemSize, type StoredType } from './numbers.js'
import { Cursor, Global, type PickleRules, unpickle } from './pickle.js'
import type { StoredTensor } from './safetensors.js'
import { type ByteSource, sourceOf } from './source.js'
import { crc32, type ZipEntry, zipEntries } from './zip.js'

// Formats of torch.save (torch/serialization.py): since 1.6 an archive of stored entries, `NAME/data.pkl` and one
// `NAME/data/KEY` for every storage; before, a chain of pickles (magic number, protocol, sizes of C types, the object, the
// keys of the storages) and the storages, each after its number of elements. Tensors are calls of a rebuilding function
// with a storage, named by a persistent id, an offset, sizes and strides in elements.

/** Names from the file may hold anything, and the message is one line. */
const fail = (message: string): never => {
  throw new FormatError(`torch: ${message.replace(/[\p{Cc}\u2028\u2029]/gu, '\ufffd')}`)
}

/** Classes of storages, and dtypes of untyped ones. */
const storageTypes: Readonly<Record<string, StoredType>> = {
  'torch DoubleStorage': 'f64',
  'torch FloatStorage': 'f32',
  'torch HalfStorage': 'f16',
  'torch BFloat16Storage': 'bf16',
  'torch LongStorage': 'i64',
  'torch IntStorage': 'i32',
  'torch ShortStorage': 'i16',
  'torch CharStorage': 'i8',
  'torch ByteStorage': 'u8',
  'torch BoolStorage': 'bool',
  'torch float64': 'f64',
  'torch float32': 'f32',
  'torch float16': 'f16',
  'torch bfloat16': 'bf16',
  'torch int64': 'i64',
  'torch int32': 'i32',
  'torch int16': 'i16',
  'torch int8': 'i8',
  'torch uint8': 'u8',
  'torch bool': 'bool',
}
const untyped = new Set(['torch.storage UntypedStorage', 'torch UntypedStorage'])

/** Memory that tensors are views into. */
interface Storage {
  readonly key: string
  /** Unknown for untyped storages: their tensors say it. */
  readonly type: StoredType | null
  /** Elements; of an untyped storage, bytes. */
  readonly count: number
}
const isStorage = (x: unknown): x is Storage => typeof x === 'object' && x !== null && 'key' in x && 'count' in x

/** A view into a storage; places and strides in elements. */
class View {
  constructor(
    readonly storage: Storage,
    readonly type: StoredType,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

function rebuilt(args: readonly unknown[], dtype?: unknown): View {
  const [storage, offset, shape, strides] = args
  const list = (x: unknown): x is number[] => Array.isArray(x) && x.every(n => Number.isSafeInteger(n) && n >= 0)
  if (!isStorage(storage) || !Number.isSafeInteger(offset) || (offset as number) < 0 || !list(shape)) {
    return fail('a tensor is described by other than a storage, an offset, sizes and strides')
  }
  if (!list(strides) || strides.length !== shape.length) {
    return fail(`a tensor of shape [${shape.slice(0, 16)}] has no stride of at least 0 for each of its axes`)
  }
  const type = storage.type ?? (dtype instanceof Global ? storageTypes[dtype.name] : undefined)
  if (type === undefined) return fail(`a tensor of shape [${shape.slice(0, 16)}] has no dtype that is known`)
  return new View(storage, type, offset as number, [...shape], [...strides])
}

const calls: Readonly<Record<string, (args: readonly unknown[]) => unknown>> = {
  'torch._utils _rebuild_tensor': args => rebuilt(args),
  'torch._utils _rebuild_tensor_v2': args => rebuilt(args),
  'torch._utils _rebuild_tensor_v3': args => rebuilt(args, args[6]),
  'torch._utils _rebuild_parameter': args => args[0],
  'torch._utils _rebuild_parameter_with_state': args => args[0],
  // A subclass of Tensor: function, class, arguments, attributes.
  'torch._tensor _rebuild_from_type_v2': ([callee, , args]) => call(callee, args),
  'torch Size': args => args[0] ?? [],
  'collections OrderedDict': args => dictionary(args[0] ?? []),
  // The factory of a default dictionary, and what it holds.
  'collections defaultdict': args => dictionary(args[1] ?? []),
  'torch device': args => args[0] ?? null,
  // Protocols before 3 have no bytes: a text of Latin-1 that is encoded.
  '_codecs encode': args => args[0] ?? null,
  ...builtins(['set', 'frozenset', 'bytes', 'bytearray', 'complex'], args => args[0] ?? []),
}
const classes = new Set([
  ...['torch._tensor Tensor', 'torch Tensor', 'torch.nn.parameter Parameter'],
  // Factories of default dictionaries.
  ...Object.keys(builtins(['list', 'dict', 'int', 'float', 'str', 'bool', 'tuple'], () => null)),
])

/** One entry for each name of Python's builtins, whose module was called otherwise in Python 2. */
function builtins<T>(names: readonly string[], value: T): Record<string, T> {
  return Object.fromEntries(
    names.flatMap(name => ['builtins', '__builtin__'].map(module => [`${module} ${name}`, value])),
  )
}

function call(callee: unknown, args: unknown): unknown {
  const made = callee instanceof Global && Object.hasOwn(calls, callee.name) ? calls[callee.name] : undefined
  if (made === undefined || !Array.isArray(args)) return fail('a call of what is no function of tensors')
  return made(args)
}

function dictionary(pairs: unknown): Map<unknown, unknown> {
  if (!Array.isArray(pairs) || pairs.some(p => !Array.isArray(p) || p.length !== 2)) {
    return fail('a dictionary is made of other than pairs')
  }
  return new Map(pairs as [unknown, unknown][])
}

/** Rules of the pickles in both formats; storages that are named are told to `found`. */
const rules = (found: (storage: Storage) => void): PickleRules => ({
  known: name =>
    Object.hasOwn(calls, name) || Object.hasOwn(storageTypes, name) || untyped.has(name) || classes.has(name),
  call: (name, args) => call(new Global(name), args),
  persistent(id) {
    // ('storage', class, key, device, elements, view into another storage or None)
    if (!Array.isArray(id) || id[0] !== 'storage') return fail('a persistent id that names no storage')
    const [, type, key, , count, view] = id as unknown[]
    const known = type instanceof Global && (untyped.has(type.name) || Object.hasOwn(storageTypes, type.name))
    if (!known || !Number.isSafeInteger(count) || (count as number) < 0) {
      return fail('a storage is described by other than a class, a key, a device and its number of elements')
    }
    if (view !== undefined && view !== null) return fail('a storage that is a view into another is not read')
    const storage: Storage = {
      key: String(key),
      type: storageTypes[(type as Global).name] ?? null,
      count: count as number,
    }
    found(storage)
    return storage
  },
  fail,
})

/** Where the bytes of a storage lie; throws where they are not all there. */
type Locate = (storage: Storage) => number

function archive(source: ByteSource): { object: unknown; locate: Locate } {
  const entries = zipEntries(source, fail)
  const pickle = [...entries.keys()].find(name => name === 'data.pkl' || name.endsWith('/data.pkl'))
  if (pickle === undefined) return fail('the archive has no data.pkl; expected a file of torch.save')
  const folder = pickle.slice(0, -'data.pkl'.length)
  const order = entries.get(`${folder}byteorder`)
  if (order !== undefined) {
    const name = new TextDecoder().decode(source.read(order.begin, order.begin + Math.min(order.size, 16)))
    if (name !== 'little') fail(`the byte order is "${name}"; expected little`)
  }
  const { begin, size } = entries.get(pickle)!
  check(source, entries.get(pickle)!)
  const object = unpickle(
    new Cursor(source, begin, begin + size, fail),
    rules(() => {}),
  )
  const whole = new Set<ZipEntry>()
  return {
    object,
    locate({ key, type, count }) {
      const entry = entries.get(`${folder}data/${key}`)
      if (entry === undefined) return fail(`the archive has no entry "data/${key.slice(0, 100)}"`)
      const bytes = count * (type === null ? 1 : itemSize[type])
      if (entry.size !== bytes) fail(`entry "${entry.name}" has ${entry.size} bytes; its storage has ${bytes}`)
      if (!whole.has(entry)) check(source, entry)
      whole.add(entry)
      return entry.begin
    },
  }
}

/** Throws where the bytes of an entry do not have their checksum. */
function check(source: ByteSource, { name, begin, size, crc32: sum }: ZipEntry): void {
  let crc = 0
  for (let at = begin; at < begin + size; at += 1 << 24) {
    crc = crc32(source.read(at, Math.min(at + (1 << 24), begin + size)), crc)
  }
  if (crc !== sum) fail(`the bytes of entry "${name}" do not have their checksum; the file is damaged`)
}

const MAGIC = 0x1950a86a20f9469cfc6cn

function chain(source: ByteSource): { object: unknown; locate: Locate } {
  const storages = new Map<string, Storage>()
  const reading = rules(storage => {
    const before = storages.get(storage.key)
    if (before !== undefined && (before.type !== storage.type || before.count !== storage.count)) {
      fail(`storage "${storage.key.slice(0, 100)}" is described twice, and differently`)
    }
    storages.set(storage.key, storage)
  })
  const cursor = new Cursor(source, 0, source.size, fail)
  const next = () => unpickle(cursor, reading)
  if (next() !== MAGIC) return fail('the file does not begin as torch.save begins')
  const protocol = next()
  if (protocol !== 1001) return fail(`the protocol is ${String(protocol).slice(0, 100)}; expected 1001`)
  const system = next()
  if (system instanceof Map && system.get('little_endian') === false) fail('the byte order is big; expected little')
  const object = next()
  const keys = next()
  if (!Array.isArray(keys)) return fail('the list of storages after the object is missing')
  const places = new Map<string, number>()
  for (const key of keys.map(String)) {
    const storage = storages.get(key)
    if (storage === undefined || storage.type === null) {
      return fail(`storage "${key.slice(0, 100)}" is listed and is none of the object's`)
    }
    const count = Number(cursor.view(8).getBigInt64(0, true))
    const bytes = storage.count * itemSize[storage.type]
    if (count !== storage.count) fail(`storage "${key}" has ${count} elements; its tensors were told ${storage.count}`)
    if (cursor.at + bytes > source.size) {
      fail(`storage "${key}" ends at byte ${cursor.at + bytes}; the file has ${source.size}`)
    }
    places.set(key, cursor.at)
    cursor.at += bytes
  }
  return { object, locate: ({ key }) => places.get(key) ?? fail(`storage "${key.slice(0, 100)}" is not in the file`) }
}

/** Row-major numbers of a view. */
function readView(source: ByteSource, begin: number, view: View, dtype: DType | undefined, what: string): ArrayData {
  const { shape, strides, type } = view
  const count = elements(shape)
  const last = !(count > 0) ? -1 : shape.reduce((sum, n, d) => sum + (n - 1) * strides[d]!, 0)
  const available = view.storage.count / (view.storage.type === null ? itemSize[type] : 1)
  if (view.offset + last >= available) {
    return fail(`${what} reaches element ${view.offset + last} of a storage of ${available}`)
  }
  // By strides of 0 a view of few elements may claim any shape.
  const most = Math.max(available, 2 ** 24)
  if (!(count <= most))
    return fail(`${what} has shape [${shape}] in a storage of ${available}; at most ${most} are read`)
  const from = begin + view.offset * itemSize[type]
  const { data: span, dtype: as } = decodeFrom(source, from, type, last + 1, dtype, `torch: ${what}`)
  let step = 1
  let contiguous = true
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== step) contiguous = false
    step *= shape[d]!
  }
  if (contiguous) return { shape, dtype: as, data: span }
  const data = new (span.constructor as Float64ArrayConstructor)(count)
  const index = new Array<number>(shape.length).fill(0)
  for (let i = 0, at = 0; i < count; i++) {
    data[i] = span[at]!
    for (let d = shape.length - 1; d >= 0; d--) {
      at += strides[d]!
      if (++index[d]! < shape[d]!) break
      at -= shape[d]! * strides[d]!
      index[d] = 0
    }
  }
  return { shape, dtype: as, data }
}

/** Names under which checkpoints keep the state dict, beside the optimiser's and counters. */
const keys = ['state_dict', 'model_state_dict', 'model', 'module', 'params_ema', 'params', 'net', 'weights']

/** The state dict in an object: the object itself, or what one of the usual names holds. */
function stateDict(object: unknown): ReadonlyMap<string, View> {
  for (let depth = 0; depth < 4 && object instanceof Map; depth++) {
    const dict: Map<unknown, unknown> = object
    // Checkpoints may hold tensors beside it, such as the last loss; a state dict holds no dictionaries.
    const inner = keys.find(key => dict.get(key) instanceof Map)
    if (inner === undefined) {
      const views = [...dict].filter((e): e is [string, View] => e[1] instanceof View && typeof e[0] === 'string')
      if (views.length > 0 || dict.size === 0) return new Map(views)
      const names = [...dict.keys()].slice(0, 8).map(k => (typeof k === 'string' ? `"${k.slice(0, 60)}"` : typeof k))
      return fail(
        `the dictionary holds ${names.join(', ')} and no tensors; expected a state dict, or one as "state_dict"`,
      )
    }
    object = dict.get(inner)
  }
  const found = object instanceof View ? 'one tensor' : Array.isArray(object) ? 'a list' : typeof object
  return fail(`the file holds ${found}; expected a state dict`)
}

/**
 * The tensors of a state dict that torch.save wrote (`.pth`, `.pt`, `pytorch_model.bin`), by name: the archive of torch
 * 1.6 and later, or the chain of pickles before it; the dictionary itself or a checkpoint that holds it as `state_dict`,
 * `model` or the like. Of Python's objects only containers, numbers, strings and tensors are read; anything else is refused
 * by name, and nothing is ever executed. Numbers are read when a tensor is, strides followed. Throws FormatError.
 */
export function parseTorch(file: Uint8Array | ByteSource): { readonly tensors: ReadonlyMap<string, StoredTensor> } {
  const source = file instanceof Uint8Array ? sourceOf(file) : file
  const head = source.read(0, Math.min(source.size, 512))
  if (head.length < 4) return fail(`the file has ${source.size} bytes; expected a file of torch.save`)
  const isArchive = head[0] === 0x50 && head[1] === 0x4b
  if (!isArchive && head[0] !== 0x80) {
    const tar = head.length >= 262 && new TextDecoder().decode(head.subarray(257, 262)) === 'ustar'
    return fail(
      tar
        ? 'a tar of a torch before 0.1.10; save it again with a later one'
        : 'the file begins neither as an archive nor as a pickle; expected a file of torch.save',
    )
  }
  const { object, locate } = isArchive ? archive(source) : chain(source)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, view] of stateDict(object)) {
    tensors.set(name, {
      shape: view.shape,
      type: view.type,
      read: dtype => readView(source, locate(view.storage), view, dtype, `tensor ${shown(name)}`),
    })
  }
  return { tensors }
}
