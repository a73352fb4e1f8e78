import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from './errors.js'
import type { ByteSource } from './source.js'
import { parseTorch } from './torch.js'
import { crc32, zipEntries } from './zip.js'

/** How many mutations of every file; TORCH_MUTATIONS=20000 runs them all. */
const MUTATIONS = Number(process.env.TORCH_MUTATIONS ?? 500)

// Files of torch 1.13 and the numbers in them, written by fixtures/torch/make.py.
const folder = new URL('../../fixtures/torch/', import.meta.url)
const file = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)))
const expected: Record<string, { shape: number[]; data: number[] }> = JSON.parse(
  readFileSync(new URL('expected.json', folder), 'utf8'),
)

describe.each(['state.pth', 'checkpoint.pth', 'legacy.pth'])('torch.save: %s', name => {
  it('gives every tensor of the state dict with its shape and numbers, strides and ties followed', () => {
    const { tensors } = parseTorch(file(name))
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected).sort())
    for (const [key, { shape, data }] of Object.entries(expected)) {
      const dtype = key === 'long' || key === 'bool' || key.endsWith('tracked') ? 'i32' : 'f64'
      const got = tensors.get(key)!.read(dtype)
      expect(got.shape, key).toEqual(shape)
      expect([...got.data], key).toEqual(data)
    }
  })

  it('reads a source piece by piece, nothing outside of it', () => {
    const bytes = file(name)
    let most = 0
    const source: ByteSource = {
      size: bytes.length,
      read(begin, end) {
        expect(begin).toBeGreaterThanOrEqual(0)
        expect(end).toBeLessThanOrEqual(bytes.length)
        most = Math.max(most, end - begin)
        return bytes.slice(begin, end)
      },
    }
    for (const tensor of parseTorch(source).tensors.values()) tensor.read('f64')
    expect(most).toBeGreaterThan(0)
  })

  it('meets any damage with a FormatError of one line or with the numbers, in bounded time', {
    timeout: 3_600_000,
  }, () => {
    const bytes = file(name)
    let refused = 0
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: bytes.length }),
        fc.constantFrom('bytes', 'cut', 'pickle'),
        (changes, length, how) => {
          const damaged = bytes.slice(0, how === 'cut' ? length : bytes.length)
          const [begin, end] = how === 'pickle' ? pickleOf(bytes) : [0, damaged.length]
          for (const [at, value] of changes) if (end > begin) damaged[begin + (at % (end - begin))] = value
          // Damage that no checksum betrays.
          if (how === 'pickle' && isArchive(bytes)) sumsRenewed(damaged)
          const started = cpuSeconds()
          try {
            for (const tensor of parseTorch(damaged).tensors.values()) tensor.read('f64')
          } catch (error) {
            refused++
            expect(error).toBeInstanceOf(FormatError)
            expect((error as Error).message.length).toBeLessThan(2000)
            expect((error as Error).message).not.toContain('\n')
          }
          expect(cpuSeconds() - started).toBeLessThan(5)
        },
      ),
      { numRuns: MUTATIONS },
    )
    expect(refused).toBeGreaterThan(MUTATIONS / 10)
  })
})

/** Seconds of computing, which other programs on the machine do not add to. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const isArchive = (bytes: Uint8Array): boolean => bytes[0] === 0x50

/** Where the pickle of an archive lies; all of a chain of pickles. */
function pickleOf(bytes: Uint8Array): readonly [number, number] {
  if (!isArchive(bytes)) return [0, bytes.length]
  const entry = [...entriesOf(bytes).values()].find(({ name }) => name.endsWith('data.pkl'))!
  return [entry.begin, entry.begin + entry.size]
}

/** Gives every entry of an archive the checksum of its bytes. */
function sumsRenewed(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer)
  const end = bytes.length - 22
  let at = view.getUint32(end + 16, true)
  for (const { begin, size } of entriesOf(bytes).values()) {
    view.setUint32(at + 16, crc32(bytes.subarray(begin, begin + size)), true)
    at += 46 + [28, 30, 32].reduce((sum, field) => sum + view.getUint16(at + field, true), 0)
  }
}

const entriesOf = (bytes: Uint8Array) =>
  zipEntries({ size: bytes.length, read: (from, to) => bytes.slice(from, to) }, message => {
    throw new Error(message)
  })

it.each(['containers-2', 'containers-3', 'containers-4', 'containers-5', 'containers-legacy'])(
  'torch.save: %s.pth, whatever containers and numbers of Python are beside the state dict',
  name => {
    const { tensors } = parseTorch(file(`${name}.pth`))
    expect([...tensors.keys()]).toEqual(['w'])
    expect([...tensors.get('w')!.read('f32').data]).toEqual([0, Math.fround(1 / 7)])
  },
)

describe('torch.save: what is refused', () => {
  it('names the class of an object that is no container of tensors, and runs nothing', () => {
    expect(() => parseTorch(file('module.pth'))).toThrow(
      'torch: it holds a __main__.M; expected only tensors and containers of them',
    )
    expect(() => parseTorch(Uint8Array.from([0x80, 2, ...new TextEncoder().encode('cposix\nsystem\n')]))).toThrow(
      'posix.system',
    )
  })

  it('notices a changed number by the checksum of its storage', () => {
    const bytes = file('state.pth')
    const { tensors } = parseTorch(bytes)
    // Storages are the only runs of 96 bytes: the 24 numbers of "tied".
    const first = Buffer.from(Float32Array.from({ length: 24 }, (_, i) => i / 7).buffer)
    const at = Buffer.from(bytes).indexOf(first)
    expect(at).toBeGreaterThan(0)
    bytes[at + 5]! ^= 1
    expect(() => tensors.get('tied')!.read('f32')).toThrow('checksum')
  })

  it('says what a file is that torch.save did not write', () => {
    expect(() => parseTorch(new Uint8Array(3))).toThrow('3 bytes')
    expect(() => parseTorch(new TextEncoder().encode('{"a": 1}'))).toThrow('neither as an archive nor as a pickle')
  })

  it('refuses a view of stride 0 that claims 2^40 elements of a storage of one', () => {
    const { tensors } = parseTorch(file('huge.pth'))
    expect(() => tensors.get('huge')!.read('f32')).toThrow(
      'tensor "huge" has shape [1048576,1048576] in a storage of 1',
    )
  })
})
