import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { batchOf, type Dataset } from '@unravel/resnet'
import { FileError, mnistFolder, readIdxFolder, writeFileAtomically } from '@unravel/resnet/node'
import { arrayData, type Backend, formatNpy, scope } from '@unravel/tensor'
import { at, type Io } from './io.js'

/** Where Debian's package dataset-fashion-mnist puts its files. */
const FASHION = '/usr/share/datasets/fashion-mnist'

/** The data set of a name, or of the IDX files in a folder. Throws FileError or FormatError. */
export function datasetNamed(name: string, io: Io): { train: Dataset; test: Dataset } {
  if (name === 'fashion' && !existsSync(FASHION)) {
    throw new FileError(
      `Fashion-MNIST is not installed: there is no ${FASHION}; on Debian run \`apt-get install dataset-fashion-mnist\`, ` +
        'elsewhere name the folder of its IDX files',
    )
  }
  const folder =
    name === 'mnist' ? mnistFolder(import.meta.url, join(io.cwd, '/')) : name === 'fashion' ? FASHION : at(io, name)
  const state = stateOf(folder)
  if (last === undefined || last.state !== state) last = { state, data: readIdxFolder(folder) }
  return last.data
}

/** The data set that was read last: jobs of a study, which run one after another in a process, share theirs. */
let last: { readonly state: string; readonly data: { train: Dataset; test: Dataset } } | undefined

/** A folder and the state of its files; of the folder alone where it cannot be read, which reading it tells. */
function stateOf(folder: string): string {
  try {
    const files = readdirSync(folder).map(name => [
      name,
      statSync(join(folder, name)).mtimeMs,
      statSync(join(folder, name)).size,
    ])
    return JSON.stringify([folder, files])
  } catch {
    return folder
  }
}

/** The files that writeSample makes: inputs, and the class numbers of them. */
export const sampleNames = ['sample.npy', 'labels.npy'] as const

/** Examples of a sample. */
const SAMPLE = 16

/** The first examples: inputs, standardised as the model sees them, as a batch `[count, elements]`, and class numbers
 *  `[count]`. */
export const sampleOf = (data: Dataset, backend?: Backend) =>
  batchOf(
    data,
    Array.from({ length: Math.min(SAMPLE, data.size) }, (_, i) => i),
    { backend },
  )

/** Writes the sample of a set into a folder as .npy files. */
export function writeSample(folder: string, data: Dataset): void {
  const files = scope(() => {
    const { x, labels } = sampleOf(data)
    return [x, labels].map(t => formatNpy(arrayData(t)))
  })
  for (const [i, name] of sampleNames.entries()) writeFileAtomically(join(folder, name), files[i]!)
}
