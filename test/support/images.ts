import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** IDX files of 256 and 64 images of 4×4 whose label is the row that is lit: a problem that any network learns at once. */
export function writeImages(folder: string): void {
  mkdirSync(folder)
  for (const [name, count] of [
    ['train', 256],
    ['t10k', 64],
  ] as const) {
    const images = new Uint8Array(count * 16)
    const labels = Uint8Array.from({ length: count }, (_, i) => (i * 7) % 4)
    for (let i = 0; i < images.length; i++) {
      images[i] = (Math.floor(i / 4) % 4 === labels[Math.floor(i / 16)] ? 200 : 0) + ((i * 31) % 17)
    }
    writeFileSync(join(folder, `${name}-images-idx3-ubyte`), idx([count, 4, 4], images))
    writeFileSync(join(folder, `${name}-labels-idx1-ubyte`), idx([count], labels))
  }
}

function idx(shape: number[], data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header.set([0, 0, 8, shape.length])
  for (const [i, extent] of shape.entries()) header.writeUInt32BE(extent, 4 + 4 * i)
  return Buffer.concat([header, data])
}
