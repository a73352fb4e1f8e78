import {
  arrayData,
  type Backend,
  defaultBackend,
  FormatError,
  formatSafetensors,
  mul,
  parseSafetensors,
  type StoredTensor,
  scope,
  type Tensor,
  tensor,
} from '@unravel/tensor'
import { brief, fromJson, shown } from '@unravel/tensor/internals'
import type { Architecture, Config, Model, Rows, TensorSpec, Tensors, TrainingPass } from './architecture.js'
import { checkedConfig, unknownFields } from './config.js'
import { dlibResnet } from './dlibResnet.js'
import { allFinite, checkFinite } from './finite.js'
import { gpt2 } from './gpt2.js'
import { gptNeox } from './gptNeox.js'
import { llama } from './llama.js'
import { isForm } from './residual.js'
import { residualMlp } from './residualMlp.js'
import { resnet } from './resnet.js'
import { type ScaleRule, scalesOf } from './scale.js'
import type { Block, Tower } from './tower.js'
import { vit } from './vit.js'

// biome-ignore lint/suspicious/noExplicitAny: families differ in their configuration
type AnyArchitecture = Architecture<any>

const families: Record<string, AnyArchitecture> = Object.fromEntries(
  [residualMlp, gpt2, resnet, vit, dlibResnet, llama, gptNeox].map((family: AnyArchitecture) => [family.name, family]),
)

/** The families that config.json may name. */
export const architectures: Readonly<Record<string, AnyArchitecture>> = families

/** Makes a family of one's own known to whatever reads a config.json. Throws RangeError where another has its name. */
export function registerArchitecture(architecture: AnyArchitecture): void {
  const { name } = architecture
  if (Object.hasOwn(families, name) && families[name] !== architecture) {
    throw new RangeError(`registerArchitecture: there is a family "${name}" already; give yours another name`)
  }
  families[name] = architecture
}

export interface ConfigOptions {
  /** Told in a sentence what may make the network another one than was meant, such as fields of config.json that its family
   *  does not know (default: `console.warn`). */
  readonly onWarning?: (message: string) => void
}

/** A configuration of some family, from the text of a config.json. Fields that the family does not know are kept as they
 *  are, and named in a warning. Throws FormatError, one line that names every wrong field with its value. */
export function parseConfig(
  json: string,
  { onWarning = message => console.warn(`warning: ${message}`) }: ConfigOptions = {},
): Pick<Model, 'architecture' | 'config'> {
  let config: unknown
  try {
    config = fromJson(json)
  } catch (error) {
    throw new FormatError(`config.json is not JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`)
  }
  const { architecture, fields } = familyOf(config)
  try {
    const { config: parsed, unknown } = checkedConfig(architecture, { ...fields(), architecture: architecture.name })
    const model = { architecture, config: parsed }
    scalesOfModel(model)
    if (unknown.length > 0) onWarning(unknownFields(architecture, parsed, unknown))
    return model
  } catch (error) {
    throw new FormatError(`config.json: ${(error as Error).message}`)
  }
}

type Fields = Readonly<Record<string, unknown>>

/** The family that a configuration names by our `architecture`, by Hugging Face's `model_type` (or, where there is none, by its class)
 *  or by timm's `architecture`, and its fields as that family has them. */
function familyOf(config: unknown): { readonly architecture: AnyArchitecture; readonly fields: () => Fields } {
  const given = (config ?? {}) as Fields
  const { architecture: name, architectures: classes } = given
  if (typeof name === 'string' && Object.hasOwn(families, name)) {
    return { architecture: families[name]!, fields: () => given }
  }
  const known = Object.values(families)
  const unnamed = name === undefined || name === null
  const types = known.flatMap(({ modelTypes }) => modelTypes ?? [])
  const type = given.model_type ?? typeOfClass(classes, types)
  if (unnamed && typeof type === 'string') {
    const architecture = known.find(({ modelTypes }) => modelTypes?.includes(type))
    if (architecture !== undefined) {
      const typed = { ...given, model_type: type }
      return { architecture, fields: () => architecture.huggingFace?.(typed) ?? typed }
    }
    throw new FormatError(`config.json: model_type is ${shown(type)}; expected one of ${types.join(', ')}`)
  }
  // Names of timm may end in a tag of the weights.
  const bare = typeof name === 'string' ? name.replace(/\..*$/, '') : ''
  for (const architecture of known) {
    const named = architecture.timm?.(bare, object(given.model_args))
    if (named) return { architecture, fields: () => timmFields(architecture, named, given) }
  }
  const found =
    unnamed && classes !== undefined ? `architectures is ${shown(classes)}` : `architecture is ${shown(name)}`
  throw new FormatError(
    `config.json: ${found}; expected one of ${Object.keys(families).join(', ')}, or timm's name of a ResNet or ViT, or in place of it a model_type of Hugging Face: ${types.join(', ')}`,
  )
}

/** The model type of a class of Hugging Face, such as gpt_neox of GPTNeoXForCausalLM. */
function typeOfClass(classes: unknown, types: readonly string[]): string | undefined {
  const [name]: unknown[] = Array.isArray(classes) ? classes : []
  const stem = typeof name === 'string' && name.replace(/(For[A-Z].*|(LMHead)?Model)$/, '').toLowerCase()
  return types.find(type => type.replaceAll('_', '') === stem)
}

const object = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {})

/** The arguments that timm builds a network with: those of its name, of the configuration and of its `model_args`, and where
 *  they say nothing those of `pretrained_cfg`. */
function timmFields({ synonyms = {} }: AnyArchitecture, named: Fields, given: Fields): Fields {
  const renamed = (fields: Fields): Fields =>
    Object.fromEntries(Object.entries(fields).map(([name, value]) => [synonyms[name] ?? name, value]))
  const { model_args: changes, model_type: type, ...own } = given
  const { num_classes: classes, global_pool: pool, input_size: size } = object(given.pretrained_cfg)
  const defaults = {
    num_classes: typeof classes === 'number' && classes >= 0 ? classes : 1000,
    ...(typeof pool === 'string' && { global_pool: pool }),
    ...(Array.isArray(size) && { in_chans: size[0] }),
  }
  const stored = Array.isArray(size) ? sizeFor(named, size) : {}
  return { ...renamed(defaults), ...named, ...stored, ...renamed(own), ...renamed(object(changes)), ...wrapped(type) }
}

/** Hugging Face's name for a network that timm builds says nothing of it. */
const wrapped = (type: unknown): Fields => (type === undefined || type === 'timm_wrapper' ? {} : { model_type: type })

/** The size of images, where a network has one. */
const sizeFor = (named: Fields, [, height, width]: readonly unknown[]): Fields =>
  Object.hasOwn(named, 'img_size') ? { img_size: [height, width] } : {}

export interface LoadOptions extends ConfigOptions {
  /** Default f32. */
  readonly dtype?: 'f32' | 'f64'
  readonly backend?: Backend
  /** The file of the weights, for messages (default: model.safetensors). */
  readonly file?: string
}

/**
 * A model from the two files of its folder, or its stored tensors by name, converted to `dtype` one by one. Every tensor must be there with its shape, and
 * nothing unknown (PyTorch's batch counters are passed over), and every number finite. Throws FormatError naming the tensor;
 * nothing is made then.
 */
export function modelFrom(
  config: string,
  weights: Uint8Array | ReadonlyMap<string, StoredTensor>,
  { dtype = 'f32', backend = defaultBackend(), file, onWarning }: LoadOptions = {},
): Model {
  const { architecture, config: parsed } = parseConfig(config, onWarning && { onWarning })
  const stored = weights instanceof Uint8Array ? parseSafetensors(weights).tensors : weights
  const found = checkedTensors(architecture, parsed, stored, file)
  const tensors = scope(() => {
    const made: Record<string, Tensor> = {}
    for (const name of Object.keys(specsOf(architecture, parsed))) {
      const array = found.get(name)
      if (array === undefined) continue
      const { data, shape } = array.read(dtype)
      // Only what was stored tells an overflow from an infinity.
      if (!allFinite(data)) checkFinite(array.read('f64').data, shape, dtype, 'weights', name)
      made[name] = tensor(data, { shape, dtype, backend })
    }
    return made
  })
  return { architecture, config: parsed, tensors }
}

/** The stored tensors by the names of the model's own. Throws FormatError unless they are those of this configuration. */
function checkedTensors(
  architecture: Architecture,
  config: Config,
  stored: ReadonlyMap<string, StoredTensor>,
  file = 'model.safetensors',
): ReadonlyMap<string, StoredTensor> {
  const fail = (message: string): never => {
    throw new FormatError(`${file}: ${message}`)
  }
  // Every block has a tensor of its own: a depth that the file cannot hold is refused before it is spelt out.
  const depth = architecture.depth(config)
  if (depth > stored.size) fail(`the file has ${stored.size} tensors; config.json wants ${depth} blocks`)
  const specs = specsOf(architecture, config)
  const found = new Map<string, StoredTensor>()
  const wrapper = wrapperOf([...stored.keys()], Object.keys(specs))
  const rows = new Map<string, (StoredTensor | undefined)[]>()
  for (const [as, array] of stored) {
    const bare = as.slice(wrapper.length)
    const own = architecture.standsFor === undefined || Object.hasOwn(specs, bare)
    const stands = own ? bare : architecture.standsFor!(bare, config)
    if (stands === null) continue
    const { name, part, of }: Rows = typeof stands === 'string' ? { name: stands, part: 0, of: 1 } : stands
    if (isBatchCounter(name, specs)) continue
    if (!Object.hasOwn(specs, name)) fail(`tensor ${shown(as)} is not part of this ${architecture.name}`)
    const { shape, type } = array
    const [outputs, ...others] = specs[name]!.shape
    const wanted = of === 1 ? specs[name]!.shape : [outputs! / of, ...others]
    if (String(shape) !== String(wanted)) {
      const fix = layoutFix(shape, wanted)
      fail(`tensor ${shown(as)} is [${brief(String(shape))}]; config.json makes it [${wanted}]${fix}`)
    }
    if (!floats.has(type)) fail(`tensor ${shown(as)} holds ${type}; expected f64, f32, f16 or bf16`)
    if (!rows.has(name)) rows.set(name, new Array(of).fill(undefined))
    const parts = rows.get(name)!
    if (parts.length !== of) fail(`tensor ${shown(as)} and another both stand for ${shown(name)}`)
    const twin = parts[part]
    if (twin === undefined) parts[part] = array
    else if (!equal(twin, array)) fail(`tensor ${shown(as)} differs from another that also stands for ${shown(name)}`)
  }
  for (const [name, { shape, optional }] of Object.entries(specs)) {
    const parts = rows.get(name) ?? []
    if (!parts.includes(undefined)) {
      if (parts.length > 0) found.set(name, stacked(shape, parts as StoredTensor[]))
      else if (!optional) fail(`tensor "${name}" [${shape}] is missing`)
    } else
      fail(
        `tensor "${name}" [${shape}] is there in part: ${parts.indexOf(undefined) + 1} of ${parts.length} is missing`,
      )
  }
  return found
}

/** The prefix that torch's wrappers put before every name: DataParallel `module.`, torch.compile `_orig_mod.`, or several of them; the
 *  empty string where the model's own names begin so. */
function wrapperOf(stored: readonly string[], own: readonly string[]): string {
  let wrapper = ''
  for (;;) {
    const longer = ['module.', '_orig_mod.']
      .map(prefix => wrapper + prefix)
      .find(prefix => stored.length > 0 && stored.every(name => name.startsWith(prefix)))
    if (longer === undefined || own.some(name => name.startsWith(longer))) return wrapper
    wrapper = longer
  }
}

/** The remedy for weights of the right numbers in another layout; empty where the numbers differ. */
function layoutFix(shape: readonly number[], wanted: readonly number[]): string {
  if (wanted.length === 2 && String([...shape].reverse()) === String(wanted)) {
    return ': it is transposed; store its transpose (`w.T.contiguous()` in PyTorch)'
  }
  const [h, w, input, output] = shape
  if (wanted.length === 4 && shape.length === 4 && String([output, input, h, w]) === String(wanted)) {
    return ": it has TensorFlow's layout [h, w, in, out]; store it as PyTorch does (`w.permute(3, 2, 0, 1).contiguous()`)"
  }
  return ''
}

/** Parts one below the other. */
function stacked(shape: readonly number[], parts: readonly StoredTensor[]): StoredTensor {
  const [first] = parts as [StoredTensor]
  if (parts.length === 1) return first
  return {
    shape,
    type: first.type,
    read(dtype = 'f64') {
      const { data, ...rest } = first.read(dtype)
      const whole = new (data.constructor as new (length: number) => typeof data)(data.length * parts.length)
      whole.set(data as never)
      parts.slice(1).forEach((part, i) => whole.set(part.read(dtype).data as never, (i + 1) * data.length))
      return { ...rest, data: whole, shape }
    },
  }
}

function equal(a: StoredTensor, b: StoredTensor): boolean {
  const [x, y] = [a.read().data, b.read().data]
  return x.every((value, i) => Object.is(value, y[i]))
}

const floats: ReadonlySet<StoredTensor['type']> = new Set(['f64', 'f32', 'f16', 'bf16'])

/** PyTorch counts the batches of every batch norm, beside its running statistics. */
const isBatchCounter = (name: string, specs: Readonly<Record<string, unknown>>): boolean =>
  name.endsWith('.num_batches_tracked') && Object.hasOwn(specs, name.replace(/num_batches_tracked$/, 'running_mean'))

const scaleNames = ({ architecture, config }: Pick<Model, 'architecture' | 'config'>): readonly string[] =>
  architecture.scaleNames?.(config) ?? Array.from({ length: architecture.depth(config) }, (_, l) => `blocks.${l}.scale`)

/** Every tensor that a model of this configuration may have. */
export function specsOf<C extends Config>(architecture: Architecture<C>, config: C): Record<string, TensorSpec> {
  const diagonal = config.scale?.rule === 'layer-scale' ? architecture.channels?.(config) : undefined
  const scales = scaleNames({ architecture, config } as unknown as Model).map((name, l): [string, TensorSpec] => [
    name,
    diagonal === undefined
      ? { shape: [], kind: 'parameter', start: 'scale', optional: true }
      : { shape: diagonal[l]!, kind: 'parameter', start: 'scale' },
  ])
  return { ...architecture.tensors(config), ...Object.fromEntries(scales) }
}

/** The two files of a model's folder; weights in the model's own dtype. */
export function modelFiles({ config, tensors }: Model): { config: string; weights: Uint8Array } {
  const arrays = Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, arrayData(t)]))
  return { config: `${JSON.stringify(config, null, 2)}\n`, weights: formatSafetensors(arrays, { format: 'pt' }) }
}

export interface TowerOptions {
  /** In place of λ by the configuration's scale, whose form of the blocks stays: a rule without one. */
  readonly scale?: ScaleRule
  /** Other values of the model's tensors, such as those a gradient is taken with respect to. */
  readonly tensors?: Tensors
  readonly training?: TrainingPass
}

/** λ_1..λ_n of a model: its configuration's rule (default: constant 1), or another. Throws RangeError for a rule in its place
 *  that would change more than λ. */
export function scalesOfModel(
  { architecture, config }: Pick<Model, 'architecture' | 'config'>,
  scale?: ScaleRule,
): number[] {
  if (scale !== undefined && (isForm(scale.rule) || scale.rule === 'layer-scale')) {
    throw new RangeError(
      `scale ${scale.rule} is the form of a fresh network; in place of a scale expected λ or a rule of it`,
    )
  }
  const rule = scale ?? config.scale ?? architecture.scale?.(config) ?? { rule: 'constant', value: 1 }
  return scalesOf(rule, architecture.depth(config))
}

/** The tower of a model, learned scales included. */
export function towerOf(model: Model, { scale, tensors = model.tensors, training }: TowerOptions = {}): Tower {
  const tower = model.architecture.tower(model.config, tensors, scalesOfModel(model, scale), training)
  const names = scaleNames(model)
  const blocks = tower.blocks.map((block, l): Block => {
    const learned = tensors[names[l]!]
    if (learned === undefined) return block
    const times = (f: (h: Tensor) => Tensor) => (h: Tensor) => mul(f(h), learned)
    const { branch, heads } = block
    if (heads === undefined) return { ...block, branch: times(branch) }
    const { write, rest } = heads
    return {
      ...block,
      branch: times(branch),
      heads: { ...heads, write: times(write), ...(rest && { rest: times(rest) }) },
    }
  })
  return {
    encode: x => tower.encode(x),
    blocks,
    decode: h => tower.decode(h),
    names: tower.names ?? names.map(name => name.replace(/\.scale$/, '')),
  }
}

/** The tensors that an optimiser moves. */
export function parametersOf({ architecture, config, tensors }: Model): Record<string, Tensor> {
  const specs = specsOf(architecture, config)
  return Object.fromEntries(Object.entries(tensors).filter(([name]) => specs[name]!.kind === 'parameter'))
}

/** Names of the parameters that weight decay usually leaves alone: biases, norms, gains and learned scales, and the tokens and
 *  positions of a vit; whatever no initialiser draws, and what is drawn and marked `undecayed`. */
export function undecayed({ architecture, config, tensors }: Model): ReadonlySet<string> {
  const specs = specsOf(architecture, config)
  const decays = ({ start, undecayed = false }: TensorSpec) =>
    !undecayed && ['weight', 'branch', 'branch-end', 'classifier'].includes(String(start))
  return new Set(Object.keys(tensors).filter(name => specs[name]!.kind === 'parameter' && !decays(specs[name]!)))
}
