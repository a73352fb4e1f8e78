import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { batchOf, type Dataset } from '@unravel/resnet'
import { FileError, mnistFolder, readIdxFolder, writeFileAtomically } from '@unravel/resnet/node'
import { arrayData, formatNpy, scope } from '@unravel/tensor'
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
  return readIdxFolder(
    name === 'mnist' ? mnistFolder(import.meta.url, join(io.cwd, '/')) : name === 'fashion' ? FASHION : at(io, name),
  )
}

/** The files that writeSample makes: inputs, and the class numbers of them. */
export const sampleNames = ['sample.npy', 'labels.npy'] as const

/** Writes the first examples into a folder: inputs, standardised as the model sees them, as a .npy batch
 *  `[count, elements]`, and their class numbers `[count]`. */
export function writeSample(folder: string, data: Dataset, count = 16): void {
  const indices = Array.from({ length: Math.min(count, data.size) }, (_, i) => i)
  const files = scope(() => {
    const { x, labels } = batchOf(data, indices)
    return [x, labels].map(t => formatNpy(arrayData(t)))
  })
  for (const [i, name] of sampleNames.entries()) writeFileAtomically(join(folder, name), files[i]!)
}
