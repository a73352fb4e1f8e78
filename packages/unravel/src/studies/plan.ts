import { createHash } from 'node:crypto'
import { brief, fromJson, shown } from '@unravel/tensor/internals'
import { type Command, CommanderError, type Option } from 'commander'
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
const settings = z.record(z.string(), setting, { error: 'expected an object of options of unravel train' })
const values = z.array(setting, { error: 'expected a list of values' }).min(1, { error: 'expected at least one value' })
const integer = (from: number, to = Number.MAX_SAFE_INTEGER) => {
  const error = `expected an integer ${to === Number.MAX_SAFE_INTEGER ? `of at least ${from}` : `from ${from} to ${to}`}`
  return z.int({ error }).min(from, { error }).max(to, { error })
}
const expandFields = { orders: integer(0, 1000).default(8), every: integer(1).optional() }
const fields = {
  name: z.string({ error: 'expected a text' }).min(1, { error: 'expected a text that is not empty' }),
  train: settings.default({}),
  grid: z.record(z.string(), values, { error: 'expected an object of lists of values' }).default({}),
  list: z
    .array(settings, { error: 'expected a list of objects' })
    .min(1, { error: 'expected at least one object' })
    .optional(),
  expand: z.strictObject(expandFields, { error: unknownOr('expected an object') }).default({ orders: 8 }),
}
const schema = z.strictObject(fields, { error: unknownOr('expected an object with the fields of a study') })

/** The complaint about an object: nothing where it has fields that are not known, which are named one by one. */
function unknownOr(expected: string): z.core.$ZodErrorMap {
  return issue => (issue.code === 'unrecognized_keys' ? undefined : expected)
}

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
  if (!found.success) throw new UsageError(`${where}: ${complaint(found.error.issues[0]!, json)}`)
  const { name, train, grid, list, expand } = found.data
  const trained = parserOf(command())
  const options = optionsOf(trained)
  // Names are those of the file: a record of zod lacks `__proto__`.
  const given = json as z.input<typeof schema>
  checkNames(given.train ?? {}, `${where}: train`, options)
  checkNames(given.grid ?? {}, `${where}: grid`, options)
  for (const [i, entry] of (given.list ?? []).entries()) checkNames(entry, `${where}: list.${i}`, options)

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
      const job = jobOf(settings, withoutAbsent(expand), trained, where, place)
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
    return fromJson(text)
  } catch (error) {
    throw new UsageError(`${where}: it is no JSON: ${(error as Error).message}`)
  }
}

const optionsOf = (command: Command): string[] => command.options.map(nameOf).filter(name => !RESERVED.includes(name))

function checkNames(settings: object, where: string, options: readonly string[]): void {
  const name = Object.keys(settings).find(key => !options.includes(key))
  if (name === undefined) return
  const why = RESERVED.includes(name) ? 'the study sets it itself' : 'it is no option of unravel train'
  throw new UsageError(`${where}.${brief(name)}: ${why}; ${expectedOf(options, name)}`)
}

/** What is wrong with a study file, by the first issue that its schema finds: the field, what was expected, the value. */
function complaint(issue: z.core.$ZodIssue, json: unknown): string {
  const path = brief(issue.path.join('.'))
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0]!
    const known = Object.keys(path === '' ? fields : expandFields)
    return `${path && `${path}.`}${brief(name)}: a study has no such field; ${expectedOf(known, name)}`
  }
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json)
  const got = value === undefined ? 'it is missing' : `got ${shown(value)}`
  return `${path && `${path}: `}${issue.message}; ${got}`
}

/** The names that could have been meant, and the nearest to what was written. */
function expectedOf(names: readonly string[], written: string): string {
  const word = written.slice(0, 100).toLowerCase()
  const [nearest] = names.map(name => ({ name, apart: edits(name, word) })).sort((a, b) => a.apart - b.apart)
  const meant = nearest !== undefined && nearest.apart <= word.length / 3 ? `; did you mean ${nearest.name}?` : ''
  return `expected ${names.join(', ')}${meant}`
}

/** Letters that are inserted, removed or replaced between two words: the distance of Levenshtein. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
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

/** The command as a parser that says nothing and does nothing. */
const parserOf = (command: Command): Command =>
  command
    .action(() => {})
    .exitOverride()
    .configureOutput({ writeErr: () => {} })

const nameOf = ({ long }: Option): string => (long ?? '').replace(/^--/, '')

/** A job under the name of what its options mean, defaults included: `scale: 1` and `scale: "constant:1"` are equal. */
function jobOf(
  train: Settings,
  expand: ExpandSettings,
  parser: Command,
  where: string,
  place: (name: string) => string,
): Job {
  const fail = (name: string, wrong: string): never => {
    throw new UsageError(`${where}: ${place(name)}.${name}: ${wrong}`)
  }
  for (const option of parser.options) {
    const value = train[nameOf(option)] ?? false
    const expected = value === false ? undefined : expectedBy(option, value)
    if (expected !== undefined) fail(nameOf(option), `${expected}; got ${shown(value)}`)
  }
  const out = '.' // required by the command, and replaced by the pool that runs the job
  try {
    parser.parse([...argumentsOf(train), '--out', out], { from: 'user' })
  } catch (error) {
    const { message } = error as Error
    const [text, name = ''] = /--([a-z-]+)/.exec(message) ?? []
    if (error instanceof UsageError) fail(name, message.replace(`${text}: `, ''))
    if (!(error instanceof CommanderError)) throw error
    const option = parser.options.find(option => nameOf(option) === name)!
    if (error.code === 'commander.missingMandatoryOptionValue') {
      fail(name, `it is missing; expected ${option.description}`)
    }
    const named = (_: string, name: string) => `${place(name)}.${name}`
    throw new UsageError(`${where}: ${message.replace(/^error: /, '').replace(/option '--([a-z-]+)[^']*'/g, named)}`)
  }
  const meaning: Record<string, unknown> = { ...parser.opts() }
  for (const name of RESERVED) delete meaning[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())]
  const id = createHash('sha256')
    .update(canonical({ train: meaning, expand }))
    .digest('hex')
  return { id, train, expand }
}

/** The kind of value that an option takes, in words, where it does not take this one. */
function expectedBy(option: Option, value: Setting): string | undefined {
  if (option.isBoolean()) return value === true ? undefined : 'expected true or false'
  try {
    option.parseArg?.(String(value), undefined)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const sentence = error.message.replace(/^It must be/, 'expected').replace(/^Allowed choices are/, 'expected one of')
    return sentence.replace(/\.$/, '')
  }
  return value === true ? 'expected a text or a number' : undefined
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === 'object' && !Array.isArray(part) ? sorted(part) : part,
  )
}
