import type { ByteSource } from './source.js'

// Python's pickle is a program for a stack machine. This is the part of it that containers, numbers and strings need; a
// class or function is a name that the caller knows, or the file is refused. Nothing is imported and nothing is run.
// Opcodes: CPython's Lib/pickletools.py.

/** The name of a Python class or function, such as `collections OrderedDict`. */
export class Global {
  constructor(readonly name: string) {}
}

export interface PickleRules {
  /** Whether a class or function may be named at all. */
  known(name: string): boolean
  /** The result of a call of a known one. */
  call(name: string, args: readonly unknown[]): unknown
  /** The object of a persistent id. */
  persistent(id: unknown): unknown
  fail(message: string): never
}

const MARK = Symbol('mark')

/** Reads bytes of a source one after the other. */
export class Cursor {
  #chunk: Uint8Array = new Uint8Array(0)
  /** Place of the chunk's first byte. */
  #start = 0

  constructor(
    readonly source: ByteSource,
    public at: number,
    readonly end: number,
    readonly fail: (message: string) => never,
  ) {}

  take(count: number): Uint8Array {
    if (this.at + count > this.end) this.fail(`the file ends at byte ${this.end}, inside of an object`)
    if (this.at < this.#start || this.at + count > this.#start + this.#chunk.length) {
      this.#start = this.at
      this.#chunk = this.source.read(this.at, Math.min(this.end, this.at + Math.max(count, 1 << 16)))
    }
    const from = this.at - this.#start
    this.at += count
    return this.#chunk.subarray(from, from + count)
  }
  view(count: number): DataView {
    const bytes = this.take(count)
    return new DataView(bytes.buffer, bytes.byteOffset, count)
  }
  /** A line of text, without its end. */
  line(): string {
    const begin = this.at
    while (this.take(1)[0] !== 0x0a) if (this.at - begin > 1024) this.fail(`the name at byte ${begin} does not end`)
    const length = this.at - begin
    this.at = begin
    return text(this.take(length).subarray(0, -1))
  }
}

const decoder = new TextDecoder()
const text = (bytes: Uint8Array): string => decoder.decode(bytes)

/** A little-endian two's complement integer; a number where it is exact. */
function long(bytes: Uint8Array): number | bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  value = BigInt.asIntN(8 * bytes.length, value)
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

const isContainer = (x: unknown): x is Map<unknown, unknown> | unknown[] => x instanceof Map || Array.isArray(x)

/** The object that the pickle at the cursor describes; dictionaries are Maps, lists, tuples and sets arrays. */
export function unpickle(cursor: Cursor, rules: PickleRules): unknown {
  const { fail } = rules
  const stack: unknown[] = []
  const memo = new Map<number, unknown>()
  const here = () => `byte ${cursor.at - 1}`
  const pop = (): unknown => {
    if (stack.length === 0 || stack[stack.length - 1] === MARK) fail(`nothing is on the stack at ${here()}`)
    return stack.pop()
  }
  const top = (): unknown => {
    const value = pop()
    stack.push(value)
    return value
  }
  /** The objects pushed since the last mark. */
  const popMark = (): unknown[] => {
    const at = stack.lastIndexOf(MARK)
    if (at < 0) fail(`the stack has no mark at ${here()}`)
    const items = stack.splice(at)
    items.shift()
    return items
  }
  const setItems = (items: readonly unknown[]) => {
    const dict = top()
    if (!(dict instanceof Map) || items.length % 2 !== 0) return fail(`entries of no dictionary at ${here()}`)
    for (let i = 0; i < items.length; i += 2) {
      if (isContainer(items[i]) && !Array.isArray(items[i])) fail(`a key that is a dictionary at ${here()}`)
      dict.set(items[i], items[i + 1])
    }
  }
  const append = (items: readonly unknown[]) => {
    const list = top()
    if (!Array.isArray(list)) return fail(`entries of no list at ${here()}`)
    for (const item of items) list.push(item)
  }
  const global = (name: string) => {
    if (!rules.known(name)) fail(`it holds a ${name.replace(' ', '.')}; expected only tensors and containers of them`)
    stack.push(new Global(name))
  }
  const bytesOf = (length: number) => cursor.take(length)
  const length64 = () => {
    const n = Number(cursor.view(8).getBigUint64(0, true))
    return n
  }
  for (;;) {
    const opcode = cursor.take(1)[0]!
    switch (opcode) {
      case 0x80: // PROTO
        if (cursor.take(1)[0]! > 5) fail(`the pickle at ${here()} is of a protocol above 5`)
        break
      case 0x95: // FRAME
        cursor.take(8)
        break
      case 0x2e: // STOP
        return pop()
      case 0x28: // MARK
        stack.push(MARK)
        break
      case 0x30: // POP
        if (stack[stack.length - 1] === MARK) stack.pop()
        else pop()
        break
      case 0x31: // POP_MARK
        popMark()
        break
      case 0x32: // DUP
        stack.push(top())
        break
      case 0x4e: // NONE
        stack.push(null)
        break
      case 0x88: // NEWTRUE
        stack.push(true)
        break
      case 0x89: // NEWFALSE
        stack.push(false)
        break
      case 0x4a: // BININT
        stack.push(cursor.view(4).getInt32(0, true))
        break
      case 0x4b: // BININT1
        stack.push(cursor.take(1)[0]!)
        break
      case 0x4d: // BININT2
        stack.push(cursor.view(2).getUint16(0, true))
        break
      case 0x8a: // LONG1
        stack.push(long(bytesOf(cursor.take(1)[0]!)))
        break
      case 0x8b: {
        // LONG4
        const n = cursor.view(4).getInt32(0, true)
        if (n < 0 || n > 1024) fail(`an integer of ${n} bytes at ${here()}`)
        stack.push(long(bytesOf(n)))
        break
      }
      case 0x47: // BINFLOAT
        stack.push(cursor.view(8).getFloat64(0, false))
        break
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        stack.push(text(bytesOf(cursor.view(4).getUint32(0, true))))
        break
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(text(bytesOf(cursor.take(1)[0]!)))
        break
      case 0x8d: // BINUNICODE8
        stack.push(text(bytesOf(length64())))
        break
      case 0x42: // BINBYTES
        stack.push(bytesOf(cursor.view(4).getUint32(0, true)).slice())
        break
      case 0x43: // SHORT_BINBYTES
        stack.push(bytesOf(cursor.take(1)[0]!).slice())
        break
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(bytesOf(length64()).slice())
        break
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        stack.push([])
        break
      case 0x7d: // EMPTY_DICT
        stack.push(new Map())
        break
      case 0x74: // TUPLE
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        stack.push(popMark())
        break
      case 0x85: // TUPLE1
        stack.push([pop()])
        break
      case 0x86: {
        // TUPLE2
        const b = pop()
        stack.push([pop(), b])
        break
      }
      case 0x87: {
        // TUPLE3
        const c = pop()
        const b = pop()
        stack.push([pop(), b, c])
        break
      }
      case 0x64: {
        // DICT
        const items = popMark()
        stack.push(new Map())
        setItems(items)
        break
      }
      case 0x61: // APPEND
        append([pop()])
        break
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        append(popMark())
        break
      case 0x73: {
        // SETITEM
        const value = pop()
        setItems([pop(), value])
        break
      }
      case 0x75: // SETITEMS
        setItems(popMark())
        break
      case 0x71: // BINPUT
        memo.set(cursor.take(1)[0]!, top())
        break
      case 0x72: // LONG_BINPUT
        memo.set(cursor.view(4).getUint32(0, true), top())
        break
      case 0x94: // MEMOIZE
        memo.set(memo.size, top())
        break
      case 0x68: // BINGET
      case 0x6a: {
        // LONG_BINGET
        const i = opcode === 0x68 ? cursor.take(1)[0]! : cursor.view(4).getUint32(0, true)
        if (!memo.has(i)) fail(`object ${i} is used at ${here()} and was never made`)
        stack.push(memo.get(i))
        break
      }
      case 0x63: // GLOBAL
        global(`${cursor.line()} ${cursor.line()}`)
        break
      case 0x93: {
        // STACK_GLOBAL
        const name = pop()
        const module = pop()
        if (typeof name !== 'string' || typeof module !== 'string') fail(`a class without a name at ${here()}`)
        global(`${module} ${name}`)
        break
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = pop()
        const callee = pop()
        if (!(callee instanceof Global) || !Array.isArray(args)) return fail(`a call of nothing at ${here()}`)
        stack.push(rules.call(callee.name, args))
        break
      }
      case 0x62: // BUILD: attributes of an object; containers have none that matter here.
        pop()
        if (!isContainer(top())) fail(`attributes of no container at ${here()}`)
        break
      case 0x51: // BINPERSID
        stack.push(rules.persistent(pop()))
        break
      default:
        fail(`opcode 0x${opcode.toString(16)} at ${here()} is not one that containers of tensors need`)
    }
  }
}
