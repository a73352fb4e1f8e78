import { batchOf, type Dataset } from '@unravel/resnet'
import { mnistFolder, readIdxFolder, writeFileAtomically } from '@unravel/resnet/node'
import { arrayData, formatNpy, scope } from '@unravel/tensor'

/** Where Debian's package dataset-fashion-mnist puts its files. */
const FASHION = '/usr/share/datasets/fashion-mnist'

/** The data set of a name, or of the IDX files in a folder. Throws FileError or FormatError. */
export function datasetNamed(name: string, folder: (path: string) => string): { train: Dataset; test: Dataset } {
  return readIdxFolder(name === 'mnist' ? mnistFolder(import.meta.url) : name === 'fashion' ? FASHION : folder(name))
}

/** Writes the first examples, standardised as the model sees them, as a .npy batch `[count, elements]`. */
export function writeSample(path: string, data: Dataset, count = 16): void {
  const indices = Array.from({ length: Math.min(count, data.size) }, (_, i) => i)
  writeFileAtomically(
    path,
    scope(() => formatNpy(arrayData(batchOf(data, indices).x))),
  )
}
