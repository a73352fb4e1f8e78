import { createHash } from 'node:crypto'
import { brief, shown } from '@unravel/tensor/internals'
import { type Command, CommanderError } from 'commander'
import { z } from 'zod'
import { UsageError } from '../errors.js'

/** A value that an option of `unravel train` takes; `true` for an option without one. */
export type Setting = string | number | boolean
/** Options of `unravel train` by their long names. */
export type Settings = Readonly<Record<string, Setting>>

/** How trained networks are taken apart. */
export interface ExpandSettings {
  /** Largest order of the taylor series. */
  readonly orders: number
  /** Steps between two order spectra during training; absent: only the trained network is expanded. */
  readonly every?: number
}

/** One training run and the expansion of its network. */
export interface Job {
  /** SHA-256 of the canonical configuration, in hexadecimal digits. */
  readonly id: string
  /** Options of `unravel train`, as the study writes them, sorted by name. */
  readonly train: Settings
  readonly expand: ExpandSettings
}

export interface Study {
  readonly name: string
  /** Distinct jobs, in the order of the grid: the last key varies fastest. */
  readonly jobs: readonly Job[]
  /** The settings that differ between jobs: the keys of the grid and of the list. */
  readonly varied: readonly string[]
}

/** Options of `unravel train` that a study sets itself. */
const RESERVED = ['out', 'checkpoint', 'checkpoint-every', 'resume', 'any-backend', 'metrics', 'expand-every', 'json']

/** Most points of a grid: a study of more is a slip. */
const MOST_JOBS = 100_000

const setting = z.union([z.string(), z.number(), z.boolean()], { error: 'expected a text, a number, true or false' })
const schema = z.strictObject({
  name: z.string().min(1),
  train: z.record(z.string(), setting).default({}),
  grid: z.record(z.string(), z.array(setting).min(1)).default({}),
  list: z.array(z.record(z.string(), setting)).min(1).optional(),
  expand: z
    .strictObject({ orders: z.int().min(0).max(1000).default(8), every: z.int().min(1).optional() })
    .default({ orders: 8 }),
})

/**
 * The jobs of a study file: the options of `train`, combined with every entry of `list` and every point of `grid`. Jobs that
 * come to the same configuration are one job.
 *
 * @param text the JSON of the file
 * @param where what the file is called in errors
 * @param command makes `unravel train`, whose options are those of a job
 * @throws UsageError that names the field which is no option, or whose value the option does not take
 */
export function parseStudy(text: string, where: string, command: () => Command): Study {
  const json = jsonOf(text, where)
  const found = schema.safeParse(json)
  if (!found.success) {
    const { path, message } = found.error.issues[0]!
    const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json)
    const field = path.length > 0 ? `${brief(path.join('.'))}: ` : ''
    const got = path.length > 0 && value !== undefined ? `; got ${shown(value)}` : ''
    throw new UsageError(`${where}: ${field}${brief(message, 200)}${got}`)
  }
  const { name, train, grid, list, expand } = found.data
  const options = optionsOf(command())
  checkNames(train, `${where}: train`, options)
  checkNames(grid, `${where}: grid`, options)
  for (const [i, entry] of (list ?? []).entries()) checkNames(entry, `${where}: list.${i}`, options)

  const count = Object.values(grid).reduce((product, { length }) => product * length, list?.length ?? 1)
  if (count > MOST_JOBS) throw new UsageError(`${where}: grid: it has ${count} points; expected at most ${MOST_JOBS}`)

  const jobs = new Map<string, Job>()
  for (const entry of list ?? [{}]) {
    for (const point of pointsOf(Object.entries(grid))) {
      const settings = sorted({ ...train, ...entry, ...point })
      const place = (name: string): string => {
        if (Object.hasOwn(point, name)) return 'grid'
        return Object.hasOwn(entry, name) ? `list.${list!.indexOf(entry)}` : 'train'
      }
      const job = jobOf(settings, withoutAbsent(expand), command, where, place)
      if (!jobs.has(job.id)) jobs.set(job.id, job)
    }
  }
  const varied = new Set([...(list ?? []).flatMap(entry => Object.keys(entry)), ...Object.keys(grid)])
  return { name, jobs: [...jobs.values()], varied: [...varied] }
}

/** The arguments of `unravel train` for settings. A setting `false` leaves its option out. */
export const argumentsOf = (settings: Settings): string[] =>
  Object.entries(settings).flatMap(([name, value]) =>
    value === false ? [] : value === true ? [`--${name}`] : [`--${name}=${value}`],
  )

function jsonOf(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${where}: it is no JSON: ${(error as Error).message}`)
  }
}

const optionsOf = (command: Command): string[] =>
  command.options
    .flatMap(({ long }) => (long ? [long.replace(/^--/, '')] : []))
    .filter(name => !RESERVED.includes(name))

function checkNames(settings: object, where: string, options: readonly string[]): void {
  const name = Object.keys(settings).find(key => !options.includes(key))
  if (name === undefined) return
  const why = RESERVED.includes(name) ? 'the study sets it itself' : 'it is no option of unravel train'
  throw new UsageError(`${where}.${brief(name)}: ${why}; expected ${options.join(', ')}`)
}

/** Every combination of the values of a grid, the last key fastest. */
function pointsOf(axes: readonly (readonly [string, readonly Setting[]])[]): Settings[] {
  return axes.reduce<Settings[]>(
    (points, [name, values]) => points.flatMap(point => values.map(value => ({ ...point, [name]: value }))),
    [{}],
  )
}

const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))

const withoutAbsent = ({ orders, every }: { orders: number; every?: number | undefined }): ExpandSettings =>
  every === undefined ? { orders } : { orders, every }

/** A job under the name of what its options mean, defaults included: `scale: 1` and `scale: "constant:1"` are equal. */
function jobOf(
  train: Settings,
  expand: ExpandSettings,
  command: () => Command,
  where: string,
  place: (name: string) => string,
): Job {
  const parsed = command().action(() => {})
  const out = '.' // required by the command, and replaced by the pool that runs the job
  try {
    parsed.exitOverride().parse([...argumentsOf(train), '--out', out], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const named = (_: string, name: string) => `'${place(name)}.${name}'`
    throw new UsageError(`${where}: ${error.message.replace(/^error: /, '').replace(/'--([a-z-]+)[^']*'/, named)}`)
  }
  const meaning = parsed.opts() as Record<string, unknown>
  for (const name of RESERVED) delete meaning[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
  const id = createHash('sha256')
    .update(canonical({ train: meaning, expand }))
    .digest('hex')
  return { id, train, expand }
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === 'object' && !Array.isArray(part) ? sorted(part) : part,
  )
}
