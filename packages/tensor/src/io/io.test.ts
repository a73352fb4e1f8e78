import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { readNpz } from '../files.js'
import {
  type ArrayData,
  FormatError,
  formatNpy,
  formatNpz,
  formatSafetensors,
  parseNpy,
  parseNpz,
  parseSafetensors,
} from './index.js'
import { fromBfloat, fromHalf } from './numbers.js'
import type { ByteSource } from './source.js'

const ascii = (s: string) => Uint8Array.from(s, c => c.charCodeAt(0))
const join = (...parts: (Uint8Array | number[])[]) => Uint8Array.from(parts.flatMap(p => [...p]))
const doubles = (...x: number[]) => new Uint8Array(Float64Array.from(x).buffer)

const arrays: fc.Arbitrary<ArrayData> = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), fc.constantFrom('f32', 'f64', 'i32' as const))
  .chain(([shape, dtype]) => {
    const n = shape.reduce((a, b) => a * b, 1)
    const size = { minLength: n, maxLength: n }
    const data = dtype === 'i32' ? fc.int32Array(size) : dtype === 'f32' ? fc.float32Array(size) : fc.float64Array(size)
    return data.map(values => ({ shape, dtype, data: values as ArrayData['data'] }))
  })

/** A valid file with any change is read as a whole or refused as a FormatError. */
function survives(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    parse(bytes)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    expect(error.message).not.toContain('\n')
  }
}

const header = (dict: string, version = 1, minor = 0) => {
  const text = `${dict}\n`
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0]
  return join([0x93], ascii('NUMPY'), [version, minor], length, ascii(text))
}

const npyOf = (descr: string, shape: string, data: Uint8Array | number[], [version, minor] = [1, 0]) =>
  join(header(`{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`, version, minor), data)
const integers = (values: BigInt64Array | BigUint64Array | Uint32Array) => new Uint8Array(values.buffer)

describe('npy', () => {
  it('arrays that were written are read back', () => {
    fc.assert(
      fc.property(arrays, a => {
        const bytes = formatNpy(a)
        const b = parseNpy(bytes)
        expect([b.shape, b.dtype]).toEqual([a.shape, a.dtype])
        expect(b.data).toEqual(a.data)
        expect((bytes.length - a.data.byteLength) % 64).toBe(0)
      }),
    )
  })

  it('reads and writes the very bytes that the format prescribes', () => {
    const dict = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"
    const golden = join([0x93], ascii('NUMPY'), [1, 0, 118, 0], ascii(dict.padEnd(117)), [10], doubles(1.5, -2))
    expect(formatNpy({ shape: [2], dtype: 'f64', data: Float64Array.of(1.5, -2) })).toEqual(golden)
    expect([...parseNpy(golden).data]).toEqual([1.5, -2])
  })

  it('reads other versions, orders and types', () => {
    const fortran = "{'shape': (2, 2), 'fortran_order': True, 'descr': '<f8'}"
    for (const version of [1, 2, 3]) {
      expect([...parseNpy(join(header(fortran, version), doubles(1, 2, 3, 4))).data]).toEqual([1, 3, 2, 4])
    }
    const of = (descr: string, shape = '(2,)') =>
      header(`{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`)
    expect([...parseNpy(join(of('<i8'), [1, 0, 0, 0, 0, 0, 0, 0], new Array(8).fill(255))).data]).toEqual([1, -1])
    expect([...parseNpy(join(of('|b1'), [1, 0])).data]).toEqual([1, 0])
    expect([...parseNpy(join(of('<f2'), [0, 0x3c, 0, 0xc0])).data]).toEqual([1, -2])
    expect(parseNpy(join(of('<f8', '()'), doubles(7))).shape).toEqual([])
    expect(parseNpy(join(of('<f8'), doubles(1, 2)), 'f32').dtype).toBe('f32')
    // numpy.load reads every word that numpy.dtype knows.
    for (const name of ['float64', 'd'])
      expect(parseNpy(join(of(name), doubles(1, 2))).data).toEqual(Float64Array.of(1, 2))
    expect(parseNpy(join(of('bool'), [1, 0])).type).toBe('bool')
    expect(() => parseNpy(join(of('<float64'), doubles(1, 2)))).toThrow("dtype '<float64' is not supported")
  })

  it.each([
    ['text', ascii('not an array at all'), 'numpy.save'],
    ['an unknown version', join([0x93], ascii('NUMPY'), [9, 0, 0, 0]), 'version 9.0'],
    ['a header beyond the end', join([0x93], ascii('NUMPY'), [1, 0, 255, 255], ascii('{')), 'claims 65535 bytes'],
    [
      'a huge shape',
      join(header("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999, 999999999999), }")),
      'too many elements',
    ],
    [
      'a shape beyond the file',
      join(header("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"), doubles(1)),
      'needs 24 bytes',
    ],
    [
      'bytes too many',
      join(header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"), doubles(1, 2)),
      'has 16',
    ],
    [
      'complex numbers',
      join(header("{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }"), doubles(1, 2)),
      "astype('<f8')",
    ],
    ['version 1.1', npyOf('<f8', '(1,)', doubles(1), [1, 1]), 'version 1.1 is unknown; expected 1.0, 2.0 or 3.0'],
    ['version 1.255', npyOf('<f8', '(1,)', doubles(1), [1, 255]), 'version 1.255'],
    ['version 2.1', npyOf('<f8', '(1,)', doubles(1), [2, 1]), 'version 2.1'],
    ['long integers of Python 2 in version 3', npyOf('<f8', '(1L,)', doubles(1), [3, 0]), 'expected integers'],
    ['code for a header', join(header("{'descr': __import__('os'), 'shape': (1,)}")), 'cannot be read'],
    [
      'an integer of 64 bits that f64 does not hold',
      npyOf('<i8', '(2,)', integers(BigInt64Array.of(4n, 2n ** 53n + 1n))),
      'element 1 is 9007199254740993; expected integers that f64 holds',
    ],
    [
      'an unsigned integer of 64 bits that f64 does not hold',
      npyOf('<u8', '(1,)', integers(BigUint64Array.of(2n ** 64n - 1n))),
      'element 0 is 18446744073709551615',
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes)).toThrow(FormatError)
    expect(() => parseNpy(bytes)).toThrow(message)
  })

  it('refuses a header longer than NumPy reads', () => {
    const axes = `{'descr': '<f8', 'fortran_order': True, 'shape': (${'1,'.repeat(20_000)}), }`
    expect(() => parseNpy(join(header(axes), doubles(1)))).toThrow('10000 are the most')
  })

  // The bytes are those of numpy.save in NumPy 1.24, the numbers those of numpy.load.
  it.each<[descr: string, hex: string, dtype: ArrayData['dtype'], ...numbers: number[]]>([
    ['>f8', '3ff8000000000000c000000000000000', 'f64', 1.5, -2],
    ['>f4', '3fc00000c0000000', 'f32', 1.5, -2],
    ['>f2', '3e00c000', 'f32', 1.5, -2],
    ['=f8', '000000000000f83f', 'f64', 1.5],
    ['|f4', '0000c03f', 'f32', 1.5],
    ['f8', '000000000000f83f', 'f64', 1.5],
    ['d', '000000000000f83f', 'f64', 1.5],
    ['<u1', '01ff', 'i32', 1, 255],
    ['>u1', '01ff', 'i32', 1, 255],
    ['|i1', '01ff', 'i32', 1, -1],
    ['?', '0001', 'i32', 0, 1],
    ['|?', '0001', 'i32', 0, 1],
    // Any other byte is true.
    ['|b1', '0002', 'i32', 0, 1],
    ['>i2', '0102fffe', 'i32', 258, -2],
    ['<u2', '0201feff', 'i32', 258, 65534],
    ['>u2', '0102fffe', 'i32', 258, 65534],
    ['>i4', '01020304fffffffe', 'i32', 16909060, -2],
    ['<u4', '04030201ffffff7f', 'i32', 16909060, 2147483647],
    ['<u4', '04030201ffffffff', 'f64', 16909060, 4294967295],
    ['>u4', '01020304fffffffe', 'f64', 16909060, 4294967294],
    ['<i8', '0000000001000000ffffffffffffffff', 'f64', 4294967296, -1],
    ['>i8', '0000000000000007fffffffffffffffe', 'i32', 7, -2],
    ['<u8', '07000000000000000000000000000080', 'f64', 7, 2 ** 63],
    ['>u8', '00000000000000070000000000000008', 'i32', 7, 8],
  ])('reads numbers of dtype %s from %s', (descr, hex, dtype, ...numbers) => {
    const read = parseNpy(npyOf(descr, `(${numbers.length},)`, Uint8Array.from(Buffer.from(hex, 'hex'))))
    expect([read.dtype, ...read.data]).toEqual([dtype, ...numbers])
  })

  it('converts wide integers to the dtype that is asked for, if it holds them', () => {
    const bytes = npyOf('<u4', '(2,)', integers(Uint32Array.of(7, 4294967295)))
    expect(parseNpy(bytes, 'f64').data).toEqual(Float64Array.of(7, 4294967295))
    expect(parseNpy(bytes, 'f32').data).toEqual(Float32Array.of(7, 4294967296))
    expect(() => parseNpy(bytes, 'i32')).toThrow('element 1 is 4294967295; expected integers of at most 32 bits')
    expect(parseNpy(bytes).type).toBe('u32')
  })

  it('reads the headers of Python 2, in versions 1 and 2', () => {
    for (const version of [1, 2]) {
      const long = join(
        header("{'descr': '<f8', 'fortran_order': True, 'shape': (2L, 2L), }", version),
        doubles(1, 2, 3, 4),
      )
      expect(parseNpy(long)).toMatchObject({ shape: [2, 2], data: Float64Array.of(1, 3, 2, 4) })
    }
    expect(parseNpy(npyOf('<f8', '(2L,)', doubles(1, 2))).shape).toEqual([2])
  })

  it.each(['(1,,2)', '(,)', '(1 2)', '(2)', '(02,)', '(2LL,)', '(L,)'])('refuses the shape %s', shape => {
    const dict = `{'descr': '<f8', 'fortran_order': False, 'shape': ${shape}, }`
    expect(() => parseNpy(join(header(dict), doubles(1, 2)))).toThrow('expected integers')
  })

  it('survives every truncation and every changed byte of the header', () => {
    const bytes = formatNpy({ shape: [2, 2], dtype: 'f64', data: Float64Array.of(1, 2, 3, 4) })
    for (let n = 0; n < bytes.length; n++) {
      expect(() => parseNpy(bytes.subarray(0, n))).toThrow(FormatError)
      if (n >= 128) continue
      for (const value of [0, 32, 40, 49, 57, 255])
        survives(
          parseNpy,
          bytes.map((b, i) => (i === n ? value : b)),
        )
    }
  })
})

describe('npz', () => {
  it('arrays that were written are read back', () => {
    fc.assert(
      fc.property(arrays, arrays, (a, b) => {
        const read = parseNpz(formatNpz({ a, b }))
        expect([...read.keys()]).toEqual(['a', 'b'])
        expect(read.get('b')!.data).toEqual(b.data)
      }),
      { numRuns: 20 },
    )
  })

  it('names the entry that cannot be read, which does not spoil those that are asked for by name', () => {
    const good = formatNpy({ shape: [1], dtype: 'f64', data: Float64Array.of(5) })
    const objects = npyOf('|O', '(1,)', [])
    const bytes = zipSync({ 'a.npy': good, 'b.npy': objects, 'c.npy': good, 'notes.txt': ascii('x') }, { level: 0 })
    expect(() => parseNpz(bytes)).toThrow('npz: entry "b.npy": npy: dtype \'|O\' is not supported')
    const read = parseNpz(bytes, undefined, ['c', 'a'])
    expect([...read.keys()].sort()).toEqual(['a', 'c'])
    expect(read.get('c')).toEqual({ shape: [1], dtype: 'f64', data: Float64Array.of(5) })
    expect(() => parseNpz(bytes, undefined, ['a', 'b'])).toThrow('entry "b.npy"')
    expect(() => parseNpz(bytes, undefined, ['d'])).toThrow(
      'there is no array "d"; there are a.npy, b.npy, c.npy, notes.txt',
    )
    expect(Object.keys(readNpz(bytes, { names: ['a'] }))).toEqual(['a'])
  })

  it('names the entry whose compressed bytes are damaged, and reads the others', () => {
    const noise = Float64Array.from({ length: 500 }, (_, i) => Math.sin(i * i))
    const array = formatNpy({ shape: [500], dtype: 'f64', data: noise })
    const bytes = zipSync({ 'a.npy': array, 'b.npy': array }, { level: 6 })
    const second = bytes.findIndex((_, i) => i > 0 && [80, 75, 3, 4].every((b, j) => bytes[i + j] === b))
    bytes.fill(255, second + 60, second + 300)
    expect(() => parseNpz(bytes)).toThrow(/entry "b\.npy"|bytes of "b\.npy"/)
    expect(parseNpz(bytes, undefined, ['a']).get('a')!.data).toEqual(noise)
  })

  it('refuses what is no archive of arrays, and archives that inflate too far', () => {
    expect(() => parseNpz(ascii('PK nothing'))).toThrow(FormatError)
    expect(() => parseNpz(zipSync({ 'readme.txt': ascii('x') }))).toThrow('readme.txt')
    expect(() => parseNpz(zipSync({ 'a.npy': new Uint8Array(100_000) }), 1000)).toThrow('more than 1000 bytes')
    const bytes = formatNpz({ a: { shape: [1], dtype: 'f64', data: Float64Array.of(1) } })
    for (let n = 0; n < bytes.length; n++) survives(parseNpz, bytes.subarray(0, n))
  })

  it.each([0, 6] as const)('refuses numbers that were damaged on the way, at level %i', level => {
    const array = formatNpy({ shape: [2], dtype: 'f64', data: Float64Array.of(5, Math.PI) })
    const bytes = zipSync({ 'a.npy': array, 'b.npy': array }, { level })
    expect(parseNpz(bytes).get('b')!.data).toEqual(Float64Array.of(5, Math.PI))
    // The last number of b, which ends where the central directory begins; and each checksum there.
    const directory = bytes.findIndex((_, i) => i > 0 && [80, 75, 1, 2].every((b, j) => bytes[i + j] === b))
    const second = bytes.findIndex((_, i) => i > directory && [80, 75, 1, 2].every((b, j) => bytes[i + j] === b))
    for (const at of level === 0 ? [directory - 2, directory + 16, second + 16] : [directory + 16, second + 16]) {
      const damaged = bytes.map((b, i) => (i === at ? b ^ 1 : b))
      expect(() => parseNpz(damaged)).toThrow('do not have their checksum')
    }
  })
})

describe('safetensors', () => {
  const file = (json: string, data: Uint8Array | number[] = []) =>
    join([json.length & 255, json.length >> 8, 0, 0, 0, 0, 0, 0], ascii(json), data)
  const utf8File = (json: string) => {
    const text = new TextEncoder().encode(json)
    const bytes = new Uint8Array(8 + text.length)
    new DataView(bytes.buffer).setUint32(0, text.length, true)
    bytes.set(text, 8)
    return bytes
  }
  const one = (fields: string, data: Uint8Array | number[] = doubles(1)) => file(`{"t":{${fields}}}`, data)

  it('arrays that were written are read back', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), arrays), fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
        fc.pre(!('__metadata__' in tensors))
        const read = parseSafetensors(formatSafetensors(tensors, metadata))
        expect(read.metadata).toEqual(metadata)
        expect(read.tensors.size).toBe(Object.keys(tensors).length)
        for (const [name, { shape, dtype, data }] of Object.entries(tensors)) {
          expect(read.tensors.get(name)!.read()).toEqual({ shape, dtype, data })
        }
      }),
    )
  })

  it('writes the very bytes that the format prescribes', () => {
    const json = '{"t":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}'
    const written = formatSafetensors({ t: { shape: [1], dtype: 'f64', data: Float64Array.of(2.5) } })
    expect(written).toEqual(file(json.padEnd(56), doubles(2.5)))
  })

  it('reads half, bfloat and 64-bit integers, from any byte on', () => {
    const json =
      '{"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]},' +
      '"i":{"dtype":"I64","shape":[1],"data_offsets":[4,12]},"d":{"dtype":"F64","shape":[],"data_offsets":[12,20]}}'
    const { tensors } = parseSafetensors(
      file(json, join([0, 0x3e, 0x80, 0xbf], [254, ...new Array(7).fill(255)], doubles(0.1))),
    )
    expect([...tensors.values()].map(t => t.read().data[0])).toEqual([1.5, -1, -2, 0.1])
    expect(tensors.get('d')!.read('f32').data).toEqual(Float32Array.of(0.1))
    expect(() => tensors.get('d')!.read('i32')).toThrow('tensor "d" holds f64')
  })

  it.each([
    ['no header', new Uint8Array(4), '4 bytes'],
    [
      'a header longer than the file',
      join([255, 255, 255, 255, 255, 255, 255, 127]),
      'claims 9223372036854775807 bytes',
    ],
    ['a header that is not JSON', file('{"t":'), 'not JSON'],
    ['a header that is no object', file('[1]'), 'does not begin with {'],
    ['a header after a space', file(' {}'), 'does not begin with {'],
    ['a header after a byte order mark', file('\xef\xbb\xbf{}'), 'does not begin with {'],
    [
      'a field twice',
      one('"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,8]'),
      'the header names "dtype" twice',
    ],
    [
      'a name twice',
      file(
        '{"t":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},"t":{"dtype":"F64","shape":[0],"data_offsets":[0,0]}}',
      ),
      '"t" twice',
    ],
    ['an unknown dtype', one('"dtype":"F128","shape":[1],"data_offsets":[0,8]'), 'tensor "t" has dtype "F128"'],
    ['a dtype of Object.prototype', one('"dtype":"constructor","shape":[1],"data_offsets":[0,8]'), 'has dtype'],
    ['a negative shape', one('"dtype":"F64","shape":[-1],"data_offsets":[0,8]'), 'shape [-1]'],
    ['a shape that overflows', one('"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,8]'), 'shape'],
    ['a shape of another size', one('"dtype":"F64","shape":[2],"data_offsets":[0,8]'), 'has 8 bytes; expected 16'],
    ['offsets beyond the end', one('"dtype":"F64","shape":[2],"data_offsets":[0,16]'), 'the data are 8 bytes'],
    ['offsets in reverse', one('"dtype":"F64","shape":[1],"data_offsets":[8,0]'), '[8, 0]'],
    [
      'bytes that no tensor has',
      one('"dtype":"F64","shape":[1],"data_offsets":[0,8]', doubles(1, 2)),
      'the file has 16',
    ],
    ['a hole', one('"dtype":"F64","shape":[1],"data_offsets":[8,16]', doubles(1, 2)), 'leaves a hole'],
    [
      'an overlap',
      file(
        '{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F64","shape":[1],"data_offsets":[4,12]}}',
        doubles(1, 2),
      ),
      'tensor "b" begins at byte 4 of the data and overlaps',
    ],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), '__metadata__'],
    ['a tensor that is no object', file('{"t":3}'), 'tensor "t"'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseSafetensors(bytes)).toThrow(FormatError)
    expect(() => parseSafetensors(bytes)).toThrow(message)
  })

  it('survives every truncation and every changed byte of the header', () => {
    const bytes = formatSafetensors({ t: { shape: [1, 2], dtype: 'f64', data: Float64Array.of(1, 2) } }, { k: 'v' })
    for (let n = 0; n < bytes.length; n++) {
      expect(() => parseSafetensors(bytes.subarray(0, n))).toThrow(FormatError)
      for (const value of [0, 32, 34, 44, 57, 91, 125, 255])
        survives(
          parseSafetensors,
          bytes.map((b, i) => (i === n ? value : b)),
        )
    }
  })

  it('reads back metadata of 8 MiB, quotes and backslashes included', () => {
    const metadata = { long: 'x'.repeat(2 ** 23), quoted: '\\"'.repeat(2 ** 21) }
    const read = parseSafetensors(formatSafetensors({}, metadata)).metadata
    expect(read.long === metadata.long && read.quoted === metadata.quoted).toBe(true)
  })

  it('metadata that are null are none', () => {
    expect(parseSafetensors(file('{"__metadata__":null}')).metadata).toEqual({})
  })

  it('reads a tensor of any dtype in pieces of at most 4 MiB, as the same numbers', () => {
    const count = 3 * 2 ** 20 + 5
    const bits = Uint16Array.from({ length: count }, (_, i) => (i * 40503) & 0x3fff)
    for (const [dtype, bytes, number] of [
      ['F16', new Uint8Array(bits.buffer), (i: number) => fromHalf(bits[i]!)],
      ['F32', new Uint8Array(Float32Array.from(bits).buffer), (i: number) => bits[i]!],
    ] as const) {
      const head = ascii(JSON.stringify({ x: { dtype, shape: [count], data_offsets: [0, bytes.length] } }))
      const file = new Uint8Array(8 + head.length + bytes.length)
      file[0] = head.length
      file.set(head, 8)
      file.set(bytes, 8 + head.length)
      let most = 0
      const source: ByteSource = {
        size: file.length,
        read(begin, end) {
          most = Math.max(most, end - begin)
          return file.subarray(begin, end)
        },
      }
      for (const to of ['f32', 'f64'] as const) {
        const { data } = parseSafetensors(source).tensors.get('x')!.read(to)
        expect(data.length).toBe(count)
        expect(data.findIndex((value, i) => value !== number(i))).toBe(-1)
      }
      expect(most).toBe(2 ** 22)
    }
  })

  it('finds a name twice, however it is written, among names that contain colons and braces', () => {
    const empty = '{"dtype":"F64","shape":[0],"data_offsets":[0,0]}'
    const odd = ['a:b', '{', '}', '"', '\\', 'é', '[:', '\\":"'].map(name => `${JSON.stringify(name)} : ${empty}`)
    expect(parseSafetensors(utf8File(`{${odd.join(' ,\n')}}`)).tensors.size).toBe(odd.length)
    for (const again of ['"a\\u003ab"', '"\\u007b"', '"\\u00e9"']) {
      expect(() => parseSafetensors(utf8File(`{${[...odd, `${again}:${empty}`].join()}}`))).toThrow('twice')
    }
  })

  it('refuses 100,000 names of one place, and finds the one that is there twice', () => {
    const entries = Array.from({ length: 100_000 }, (_, i) => `"${i}x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}`)
    const bytes = join(utf8File(`{${entries.join()}}`), [0, 0, 0, 0])
    expect(() => parseSafetensors(bytes)).toThrow('tensor "1x" begins at byte 0 of the data and overlaps')
    expect(() => parseSafetensors(utf8File(`{${[...entries, '"7x":1'].join()}}`))).toThrow('"7x" twice')
  })

  it('survives values that are nested a million deep', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `{"t":${open.repeat(1e6)}1${close.repeat(1e6)}}`
      expect(() => parseSafetensors(utf8File(deep))).toThrow(FormatError)
    }
  })

  it('reads unsigned integers of 32 and 64 bits where a dtype holds them', () => {
    const json =
      '{"a":{"dtype":"U32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U64","shape":[1],"data_offsets":[8,16]}}'
    const { tensors } = parseSafetensors(
      file(json, join(integers(Uint32Array.of(1, 2)), integers(BigUint64Array.of(2n ** 40n)))),
    )
    expect(tensors.get('a')!.read()).toEqual({ shape: [2], dtype: 'i32', data: Int32Array.of(1, 2) })
    expect(tensors.get('b')!.read()).toEqual({ shape: [1], dtype: 'f64', data: Float64Array.of(2 ** 40) })
  })

  it('a tensor called __proto__ is read and written like any other', () => {
    const bytes = file('{"__proto__":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}', doubles(3))
    expect(parseSafetensors(bytes).tensors.get('__proto__')!.read().data[0]).toBe(3)
  })
})

describe('small floats', () => {
  it('halves and bfloats are those of IEEE 754 and bfloat16, at every kind of value', () => {
    expect([0x0000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00].map(fromHalf)).toEqual([
      0,
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      65504,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ])
    expect(Object.is(fromHalf(0x8000), -0)).toBe(true)
    expect(fromHalf(0x7e00)).toBeNaN()
    expect([0x3f80, 0xc000, 0x0001, 0x7f80].map(fromBfloat)).toEqual([1, -2, 2 ** -133, Number.POSITIVE_INFINITY])
  })
})

describe('messages', () => {
  const long = 'n'.repeat(50_000)
  const zero = '{"dtype":"F64","shape":[0],"data_offsets":[0,0]}'
  const hostile = (json: string) =>
    parseSafetensors(join([json.length & 255, (json.length >> 8) & 255, json.length >> 16, 0, 0, 0, 0, 0], ascii(json)))
  it.each<[string, () => unknown, string]>([
    ['safetensors: a name', () => hostile(`{"${long}":3}`), 'expected dtype, shape and data_offsets'],
    ['safetensors: a name twice', () => hostile(`{"${long}":${zero},"${long}":${zero}}`), 'twice'],
    ['safetensors: a dtype', () => hostile(`{"t":{"dtype":"${long}"}}`), 'expected one of F64'],
    ['safetensors: an entry', () => hostile(`{"t":"${long}"}`), 'is described by'],
    ['safetensors: a shape', () => hostile(`{"t":{"dtype":"F64","shape":[${'9,'.repeat(9999)}9]}}`), 'shape'],
    [
      'safetensors: a shape of ones',
      () => hostile(`{"t":{"dtype":"F64","shape":[${'1,'.repeat(9999)}1],"data_offsets":[0,0]}}`),
      'expected 8 for F64 [1,1',
    ],
    [
      'safetensors: offsets',
      () => hostile(`{"t":{"dtype":"F64","shape":[1],"data_offsets":[${'9,'.repeat(9999)}9]}}`),
      'expected [begin, end]',
    ],
    ['npy: a dtype', () => parseNpy(npyOf('n'.repeat(9000), '(1,)', [])), 'is not supported'],
    ['npy: a shape', () => parseNpy(npyOf('<f8', `(${'1,'.repeat(4000)})`, [])), 'needs 8 bytes'],
    ['npy: a huge shape', () => parseNpy(npyOf('<f8', `(${'9,'.repeat(4000)})`, [])), 'too many elements'],
    ['npy: a broken shape', () => parseNpy(npyOf('<f8', `(${'1 1 '.repeat(2000)})`, [])), 'expected integers'],
    ['npz: a name', () => parseNpz(zipSync({ [`${long}.npy`]: ascii('x') })), 'numpy.save'],
    ['npz: a name of no array', () => parseNpz(zipSync({ [long]: ascii('x') })), 'is no .npy array'],
    [
      'npz: names that are there',
      () => parseNpz(zipSync({ [`${long}.npy`]: ascii('x') }), undefined, [long.slice(1)]),
      'there are n',
    ],
  ])('are bounded, and still say what was expected: %s', (_, read, expected) => {
    let message = ''
    try {
      read()
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError)
      message = (error as Error).message
    }
    expect(message).toContain(expected)
    expect(message.length).toBeLessThan(1000)
  })

  it('name a long name by its ends and its length', () => {
    expect(() => hostile(`{"begin${long}end":3}`)).toThrow(/tensor "beginn+…\(50008 characters\)…n+end" is/)
  })

  it('of any length keep their ends and lose their middle', () => {
    const { message } = new FormatError(`begin ${long} end`)
    expect(message.length).toBeLessThan(2000)
    expect(message).toMatch(/^begin n+…\(50010 characters\)…n+ end$/)
  })
})

describe('what is written', () => {
  it('must have the numbers that its dtype and shape say', () => {
    const data = Float32Array.of(1, 2) as ArrayData['data']
    expect(() => formatNpy({ shape: [2], dtype: 'f64', data })).toThrow('f64[2] cannot be a Float32Array of length 2')
    expect(() => formatNpz({ a: { shape: [3], dtype: 'f32', data } })).toThrow('f32[3] cannot be')
    const bytes = { shape: [2], dtype: 'i32', data: Uint8Array.of(1, 2) as unknown as ArrayData['data'] } as const
    expect(() => formatSafetensors({ t: bytes })).toThrow('tensor "t": the numbers of i32[2] cannot be a Uint8Array')
  })
})
