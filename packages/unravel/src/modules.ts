import { existsSync } from 'node:fs'
import Module, { register } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { CustomLayer, CustomLayers } from '@unravel/graph'
import { type Architecture, architectures, type Config, registerArchitecture, type Tower } from '@unravel/resnet'
import { readBytes } from '@unravel/resnet/node'
import { type Backend, FormatError, readSafetensors, type Tensor, useBackend } from '@unravel/tensor'
import { messageOf } from '@unravel/tensor/internals'
import { UsageError } from './errors.js'
import { at, type Io } from './io.js'

/**
 * The export of a module that stands for a model, by default or as `tower`: a tower, or a function that makes one of weights.
 *
 * @param weights tensors of `--weights FILE.safetensors` by name, of `where.dtype` and on `where.backend`
 */
export type TowerModule = Tower | ((weights: Readonly<Record<string, Tensor>>, where: Where) => Tower | Promise<Tower>)

interface Where {
  readonly dtype: 'f32' | 'f64'
  readonly backend: Backend
}

/** Whether MODEL is a module and no folder. */
export const isModule = (path: string): boolean => /\.(mjs|js|cjs|mts|ts)$/.test(path)

/**
 * The tower of a module.
 *
 * @throws UsageError naming the module and what is wrong with it
 */
export async function towerFromModule(io: Io, path: string, weights: string | undefined, where: Where): Promise<Tower> {
  // Tensors that the module makes without naming a backend, now or in a branch later, are on this one.
  useBackend(where.backend)
  const exported = await importModule(io, path)
  const given = exported.default ?? exported.tower
  if (typeof given !== 'function') return checkedTower(path, given)
  const tensors = weights === undefined ? {} : readSafetensors(readBytes(at(io, weights)), { ...where })
  const make = given as (weights: Record<string, Tensor>, where: Where) => unknown
  return checkedTower(path, await about(path, () => make(tensors, where)))
}

/** Makes the families that a module exports known to `readModel`. Throws UsageError. */
export async function registerFrom(io: Io, path: string): Promise<void> {
  const before = Object.keys(architectures).length
  const families = Object.values(await importModule(io, path)).filter(isArchitecture)
  for (const family of families) await about(path, () => registerArchitecture(family))
  if (families.length > 0 || Object.keys(architectures).length > before) return
  throw new UsageError(
    `${path}: the module exports no architecture; expected one with name, schema, tensors, depth, input and tower`,
  )
}

/** The layers that a module exports, by itself or in its default export: functions by the names of their classes in a model.json.
 *  Throws UsageError. */
export async function layersFrom(io: Io, path: string): Promise<CustomLayers> {
  const { default: whole, ...named } = await importModule(io, path)
  const exported = Object.entries({ ...named, ...(typeof whole === 'object' && whole) })
  const layers = exported.filter((entry): entry is [string, CustomLayer] => isFunction(entry[1]))
  if (layers.length > 0)
    return Object.fromEntries(layers.map(([kind, layer]) => [kind, checkedLayer(path, kind, layer)]))
  throw new UsageError(
    `${path}: the module exports no layer; expected functions of a layer under the names of their classes, as in export function Shifted(layer) { … }`,
  )
}

/** A layer whose errors are reported as faults of its module. */
const checkedLayer =
  (path: string, kind: string, layer: CustomLayer): CustomLayer =>
  call => {
    const fail = (wrong: string, cause?: unknown): never => {
      throw new UsageError(`${path}: layer ${kind}: ${wrong}`, { cause })
    }
    try {
      const value: unknown = layer(call)
      return isString(value)
        ? value
        : fail(`the function returns ${typeof value}, not the name of a value of layer.node`)
    } catch (error) {
      if (error instanceof FormatError || error instanceof UsageError) throw error
      return fail(messageOf(error), error)
    }
  }

async function importModule(io: Io, path: string): Promise<Record<string, unknown>> {
  const file = at(io, path)
  if (!existsSync(file)) throw new UsageError(`${path}: there is no such module`)
  await shareLibraries()
  return about(path, async () => {
    try {
      return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Record<string, unknown>
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error
      throw new UsageError(
        `Node ${process.versions.node} reads no TypeScript; expected JavaScript (compile the module to .mjs), or Node 22.18 or newer`,
        { cause: error },
      )
    }
  })
}

/** The result of `action`; its errors are reported as faults of the module. */
export async function about<T>(path: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw new UsageError(`${path}: ${messageOf(error)}`, { cause: error })
  }
}

const isFunction = (value: unknown) => typeof value === 'function'

const isString = (value: unknown): value is string => typeof value === 'string'

function checkedTower(path: string, given: unknown): Tower {
  const fail = (wrong: string): never => {
    throw new UsageError(
      `${path}: ${wrong}; expected a tower { encode, blocks: [{ branch, skip?, scale }], decode }, or a function (weights, { dtype, backend }) that makes one, as the default export`,
    )
  }
  if (typeof given !== 'object' || given === null)
    return fail(`the module exports ${given === undefined ? 'no tower' : typeof given}`)
  const { encode, blocks, decode } = given as Partial<Tower>
  if (!isFunction(encode) || !isFunction(decode)) return fail('encode and decode of the tower are not both functions')
  if (!Array.isArray(blocks)) return fail('blocks of the tower is no array')
  for (const [l, { branch, skip, scale }] of (blocks as Partial<Tower['blocks'][number]>[]).entries()) {
    if (!isFunction(branch)) fail(`branch of block ${l} is no function`)
    if (skip !== undefined && !isFunction(skip)) fail(`skip of block ${l} is no function`)
    if (typeof scale !== 'number' || !Number.isFinite(scale)) fail(`scale of block ${l} is ${scale}, no finite number`)
  }
  const { names } = given as Partial<Tower>
  if (names !== undefined && !(Array.isArray(names) && names.length === blocks.length && names.every(isString)))
    fail(`names of the tower is no array of ${blocks.length} strings, one for each block`)
  return given as Tower
}

function isArchitecture(value: unknown): value is Architecture<Config> {
  const { name, schema, tensors, depth, input, tower } = (value ?? {}) as Partial<Architecture>
  return typeof name === 'string' && isFunction(schema?.safeParse) && [tensors, depth, input, tower].every(isFunction)
}

let shared = false

/**
 * From now on `@unravel/…` is, in every module, the copy that this program uses: tensors of another copy are none of its
 * own, and a module need not have the packages installed beside it. So it is with zod where a module has none.
 */
async function shareLibraries(): Promise<void> {
  if (shared) return
  shared = true
  register(`data:text/javascript,${encodeURIComponent(hooks)}`, { data: import.meta.url })
  // The hooks see imports only. CommonJS modules, which .js and .ts without "type": "module" may be, require.
  const libraries: Readonly<Record<string, unknown>> = {
    '@unravel/tensor': await import('@unravel/tensor'),
    '@unravel/resnet': await import('@unravel/resnet'),
    '@unravel/resnet/node': await import('@unravel/resnet/node'),
    '@unravel/graph': await import('@unravel/graph'),
    '@unravel/expansion': await import('@unravel/expansion'),
  }
  const loader = Module as unknown as { _load(request: string, ...rest: unknown[]): unknown }
  const load = loader._load
  loader._load = (request, ...rest) => libraries[request] ?? load.call(loader, request, ...rest)
}

const hooks = `
let program
export function initialize(url) { program = url }
export async function resolve(specifier, context, next) {
  const ours = () => next(specifier, { ...context, parentURL: program })
  if (specifier.startsWith('@unravel/')) return ours()
  if (specifier !== 'zod') return next(specifier, context)
  return next(specifier, context).catch(ours)
}
`
