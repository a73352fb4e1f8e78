import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pictures, png, writeCifarBinary, writeCifarImages } from '../../../test/support/pictures.js'
import { cifarFrom, parseCifar } from './index.js'
import { readCifarFolder, readText } from './node.js'
import { parsePng } from './png.js'

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'cifar-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('CIFAR-10', () => {
  it('comes from a folder, binary or as images, standardised by each channel of the training set', () => {
    const [binary, images] = ['binary', 'images'].map(name => join(root, name)) as [string, string]
    writeCifarBinary(binary, 12)
    writeCifarImages(images, 12)
    const { train, test } = readCifarFolder(binary)
    expect(readCifarFolder(images)).toEqual({ train, test })
    const [one, two, held] = [1, 2, 3].map(seed => pictures(12, seed))
    expect([train.size, train.shape, train.classes, test.size]).toEqual([24, [3, 32, 32], 10, 12])
    expect([...train.labels]).toEqual([...one!.labels, ...two!.labels])
    expect(train.inputs).toEqual(Uint8Array.from([...one!.images, ...two!.images]))
    expect(test.inputs).toEqual(held!.images)
    for (const c of [0, 1, 2]) {
      const values = Array.from(train.inputs).filter((_, at) => Math.floor(at / 1024) % 3 === c)
      const mean = values.reduce((a, b) => a + b) / values.length
      const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
      expect((train.mean as number[])[c]).toBeCloseTo(mean, 9)
      expect((train.deviation as number[])[c]).toBeCloseTo(deviation, 9)
    }
    expect([test.mean, test.deviation]).toEqual([train.mean, train.deviation])
  })

  it('that is broken is told with the file and the reason', () => {
    const folder = join(root, 'broken')
    writeCifarBinary(folder, 3)
    truncateSync(join(folder, 'data_batch_2.bin'), 5000)
    expect(() => readCifarFolder(folder)).toThrow(/data_batch_2\.bin: cifar: the file has 5000 bytes.*records of 3073/)
    rmSync(join(folder, 'data_batch_2.bin'))
    rmSync(join(folder, 'test_batch.bin'))
    expect(() => readCifarFolder(folder)).toThrow(/cannot read .*test_batch\.bin: there is no such file/)
    expect(() => readCifarFolder(root)).toThrow(/has no data_batch_1\.bin \(nor data_batch_1\.png\)/)
    expect(() => parseCifar(new Uint8Array(0))).toThrow(/0 bytes/)
    const images = join(root, 'few-labels')
    writeCifarImages(images, 3)
    writeFileSync(join(images, 'train_lables.json'), '[1,2]')
    expect(() => readCifarFolder(images)).toThrow(/6 images and 2 labels/)
    writeFileSync(join(images, 'train_lables.json'), '{}')
    expect(() => readCifarFolder(images)).toThrow(/train_lables\.json: it is not a list of class numbers/)
    writeFileSync(join(images, 'train_lables.json'), '[1,2,10,0,0,0]')
    expect(() => readCifarFolder(images)).toThrow(/label 10 of image 2 is not in 0\.\.9/)
  })

  it('a batch that is missing between others is named: labels would go to other images', () => {
    const [binary, images, first] = ['gap-binary', 'gap-images', 'no-first'].map(name => join(root, name)) as string[]
    writeCifarBinary(binary!, 3)
    writeCifarImages(images!, 3)
    writeCifarBinary(first!, 3)
    renameSync(join(binary!, 'data_batch_2.bin'), join(binary!, 'data_batch_3.bin'))
    renameSync(join(images!, 'data_batch_2.png'), join(images!, 'data_batch_4.png'))
    rmSync(join(first!, 'data_batch_1.bin'))
    expect(() => readCifarFolder(binary!)).toThrow(/gap-binary has data_batch_3\.bin and no data_batch_2\.bin/)
    expect(() => readCifarFolder(images!)).toThrow(/gap-images has data_batch_4\.png and no data_batch_2\.png/)
    expect(() => readCifarFolder(first!)).toThrow(/no-first has data_batch_2\.bin and no data_batch_1\.bin/)
  })

  it('as many labels as images are taken, more or fewer are refused', () => {
    const folder = join(root, 'part')
    writeCifarImages(folder, 3)
    rmSync(join(folder, 'data_batch_2.png'))
    expect(() => readCifarFolder(folder)).toThrow(
      /train_lables\.json and data_batch_1\.png do not belong together: 3 images and 6 labels/,
    )
    writeFileSync(join(folder, 'train_lables.json'), '[1,2,3]')
    expect([...readCifarFolder(folder).train.labels]).toEqual([1, 2, 3])
    const images = new Uint8Array(2 * 3072)
    // Parts whose numbers of labels are wrong, and right together.
    const parts = [[0], [1, 2, 3]].map(labels => ({ images, labels }))
    expect(() => cifarFrom(parts)).toThrow('cifar: 2 images and 1 labels; expected one label an image')
  })

  it.each([1.5, -0.5, 9.5])('label %d is no integer', label => {
    const folder = join(root, `fraction ${label}`)
    writeCifarImages(folder, 1)
    writeFileSync(join(folder, 'train_lables.json'), `[3,${label}]`)
    expect(() => readCifarFolder(folder)).toThrow(`label ${label} of image 1 is no integer`)
  })
})

describe('PNG files', () => {
  const rgb = Uint8Array.from({ length: 3 * 7 * 11 }, (_, i) => (i * i * 37 + 11 * i) & 255)
  it('images are unpacked, whichever filters their rows have', () => {
    expect(parsePng(png(7, 11, rgb))).toEqual({ width: 7, height: 11, channels: 3, data: rgb })
  })
  it('of other kinds, or cut short, are refused', () => {
    const whole = png(7, 11, rgb)
    expect(() => parsePng(png(7, 11, rgb, { interlace: 1 }))).toThrow(/interlace 1; expected 8 bits/)
    expect(() => parsePng(png(7, 11, rgb, { depth: 16 }))).toThrow(/16 bits a channel/)
    const taller = Buffer.from(whole)
    taller.writeUInt32BE(12, 20)
    expect(() => parsePng(taller)).toThrow(/png: the pixels unpack to 242 bytes; 7×12 of them need 264/)
    expect(() => parsePng(whole.subarray(1))).toThrow(/does not begin as a PNG/)
    for (let size = 40; size < whole.length - 12; size += 13) {
      expect(() => parsePng(whole.subarray(0, size)), `${size} bytes`).toThrow(/^png: /)
    }
  })
})

it('a text in UTF-8 is read by its characters; other bytes are refused', () => {
  const path = join(root, 'text.txt')
  writeFileSync(path, '日本𝄞 '.repeat(30))
  const { vocabulary, train, test } = readText(path, 4)
  expect(vocabulary).toEqual([' ', '日', '本', '𝄞'])
  expect(train.size * 4 + test.size * 4).toBeLessThan(120)
  writeFileSync(path, Buffer.from([0xff, 0xfe, 0x41]))
  expect(() => readText(path, 4)).toThrow(/text\.txt: it is no text in UTF-8/)
  expect(() => readText(join(root, 'none.txt'), 4)).toThrow(/cannot read .*none\.txt/)
})
