import { type ByteSource, FormatError, parseSafetensors, parseTorch, type StoredTensor } from '@unravel/tensor'
import { brief, fromJson, shown } from '@unravel/tensor/internals'

/** The files of a model's folder. */
export interface ModelFiles {
  readonly names: readonly string[]
  text(name: string): string
  tensors(name: string): ReadonlyMap<string, StoredTensor>
}

/** The tensors in a file of weights, by the format that its name says. Throws FormatError that names another file than the
 *  usual. */
export function tensorsIn(name: string, source: ByteSource): ReadonlyMap<string, StoredTensor> {
  const parse = () => (name.endsWith('.safetensors') ? parseSafetensors(source) : parseTorch(source)).tensors
  // The usual file goes by its format.
  return name === 'model.safetensors' ? parse() : about(name, parse)
}

function about<T>(name: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${name}: ${error.message}`, { cause: error })
    throw error
  }
}

/** The tensors of a folder's weights: one file, shards with an index, or a state dict of torch.save. Throws FormatError. */
export function storedTensors(files: ModelFiles): ReadonlyMap<string, StoredTensor> {
  const name = weightsFile(files.names)
  return name.endsWith('.index.json') ? sharded(name, files) : files.tensors(name)
}

/** The file of a folder that its weights are read from, or the index of their shards. Throws FormatError. */
export function weightsFile(names: readonly string[]): string {
  const usual = ['model.safetensors', 'pytorch_model.bin'].flatMap(name => [name, `${name}.index.json`])
  const saved = names.filter(name => /\.(pt|pth)$/.test(name))
  const found = usual.find(name => names.includes(name)) ?? (saved.length === 1 ? saved[0] : undefined)
  if (found !== undefined) return found
  const lacking = saved.length === 0 ? 'there is no' : `${brief(saved.join(', '))} are several, and there is no`
  throw new MissingWeights(
    `${lacking} model.safetensors (nor model.safetensors.index.json with its shards, pytorch_model.bin, or one .pt or .pth)`,
  )
}

/** A folder has no weights. */
export class MissingWeights extends FormatError {}

/** The tensors that an index names, each from the shard that it names. */
function sharded(index: string, { text, tensors: tensorsOf }: ModelFiles): ReadonlyMap<string, StoredTensor> {
  const json = text(index)
  return about(index, () => {
    let map: unknown
    try {
      map = (fromJson(json) as { weight_map?: unknown } | null)?.weight_map
    } catch (error) {
      throw new FormatError(`it is not JSON (${(error as Error).message})`)
    }
    const entries = typeof map === 'object' && map !== null ? Object.entries(map) : []
    const shards = new Map<string, ReadonlyMap<string, StoredTensor>>()
    const tensors = new Map<string, StoredTensor>()
    for (const [name, shard] of entries) {
      if (typeof shard !== 'string' || /[/\\]/.test(shard) || shard === '') {
        throw new FormatError(
          `tensor ${shown(name)} is in ${shown(shard)}; expected the name of a file beside the index`,
        )
      }
      if (!shards.has(shard)) shards.set(shard, tensorsOf(shard))
      const tensor = shards.get(shard)!.get(name)
      if (tensor === undefined) throw new FormatError(`${shown(shard)} has no tensor ${shown(name)}`)
      tensors.set(name, tensor)
    }
    if (tensors.size === 0) throw new FormatError('it has no weight_map of names to files')
    return tensors
  })
}
