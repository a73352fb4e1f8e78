import { type Target, targets } from '@unravel/expansion'
import { run } from '@unravel/resnet'
import { js, scope, tensor } from '@unravel/tensor'
import { brief } from '@unravel/tensor/internals'
import { InvalidArgumentError, Option } from 'commander'
import { UsageError } from './errors.js'
import { readArray } from './input.js'
import type { Io } from './io.js'
import type { Study } from './study.js'

/** An output element by its number, or the text of a token. */
type Term = number | string

/** The value of --target: one element, or the difference of two. */
export type TargetTerms = readonly [Term] | readonly [Term, Term]

export interface TargetOptions {
  readonly target?: TargetTerms
  readonly direction?: string
}

/** The options that say what of the output is looked at. */
export const targetOptions = (of: string, otherwise = '0'): readonly Option[] => [
  new Option(
    '--target <I>',
    `${of}: an output element, a token in quotes ('" Paris"'), or a difference a-b of two (default: ${otherwise})`,
  ).argParser(targetTerms),
  new Option(
    '--direction <d.npy>',
    'linear functional of the output in place of --target: its coefficients, of the shape of the output',
  ).conflicts('target'),
]

/** Reads `12`, `" Paris"` (with JSON's escapes; single quotes will do) or a difference of two of these. */
export function targetTerms(text: string): TargetTerms {
  const term = /\s*(\d+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*/sy
  const read = (from: number): { readonly term: Term; readonly end: number } => {
    term.lastIndex = from
    const found = term.exec(text)
    if (found === null) throw new InvalidArgumentError(EXPECTED)
    return { term: termOf(found[1]!), end: term.lastIndex }
  }
  const first = read(0)
  if (first.end === text.length) return [first.term]
  if (text[first.end] !== '-') throw new InvalidArgumentError(EXPECTED)
  const second = read(first.end + 1)
  if (second.end !== text.length) throw new InvalidArgumentError(EXPECTED)
  return [first.term, second.term]
}

const EXPECTED = `It must be an integer of at least 0, a token in quotes ('" Paris"'), or a difference a-b of two of these.`

function termOf(written: string): Term {
  if (/^\d/.test(written)) {
    if (Number.isSafeInteger(Number(written))) return Number(written)
    throw new InvalidArgumentError(EXPECTED)
  }
  const inner = written.slice(1, -1)
  // As JSON, which has double quotes and no raw control characters.
  const json = inner.replace(/\\'/g, "'").replace(/(\\.)|"/gs, (quote, escaped) => escaped ?? `\\${quote}`)
  const raw = json.replace(/\p{Cc}/gu, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    throw new InvalidArgumentError(`${EXPECTED} A backslash in a token is written \\\\.`)
  }
}

/** A target in an output, and its name. */
export interface NamedTarget {
  readonly target: Target
  /** Absent for an output element that has no token. */
  readonly targetName?: string
  /** Whether an option asked for it. */
  readonly given: boolean
}

/** The target that the options name. Throws FileError, or UsageError where the network has no such output. */
export function readTarget({ target, direction }: TargetOptions, study: Study, io: Io): NamedTarget {
  const { shape, width } = scope(() => {
    const output = run(study.tower, study.x)
    return { shape: output.shape, width: targets(output) }
  })
  if (direction !== undefined) return { ...readDirection(direction, shape, io), given: true }
  const terms = target ?? ([0] as const)
  const found = terms.map(term => elementOf(term, study))
  for (const [i, { element }] of found.entries()) {
    if (element < width) continue
    throw new UsageError(`--target ${shownTerm(terms[i]!)}: the model's outputs are 0 to ${width - 1}`)
  }
  const [a, b] = found
  const given = target !== undefined
  if (b === undefined) return { target: a!.element, ...(a!.name !== undefined && { targetName: a!.name }), given }
  if (a!.element === b.element)
    throw new UsageError(`--target: the difference of output ${b.element} to itself is zero`)
  const coefficients = new Float64Array(width)
  coefficients[a!.element] = 1
  coefficients[b.element] = -1
  const [first, second] = found.map(({ element, name }) => name ?? `output ${element}`)
  return { target: tensor(coefficients, { backend: js() }), targetName: `${first} - ${second}`, given }
}

const shownTerm = (term: Term): string => (typeof term === 'number' ? String(term) : JSON.stringify(brief(term)))

function elementOf(term: Term, { folder, text }: Study): { readonly element: number; readonly name?: string } {
  if (typeof term === 'number') return { element: term, ...(text && { name: `output ${term} ${text.name(term)}` }) }
  const shown = shownTerm(term)
  if (text === undefined) {
    throw new UsageError(`--target ${shown}: ${folder} has no tokenizer.json; give the number of the token`)
  }
  const ids = text.pieces(term)
  if (ids.length === 1) return { element: ids[0]!, name: `output ${ids[0]} ${text.name(ids[0]!)}` }
  if (ids.length === 0) throw new UsageError(`--target ${shown}: it has no tokens; expected one`)
  const pieces = brief(ids.map(id => text.name(id)).join(' '))
  throw new UsageError(
    `--target ${shown}: it is ${ids.length} tokens, ${pieces}; expected one (most tokens within a text begin with a space)`,
  )
}

/** A functional of the output, from a .npy file. */
function readDirection(path: string, output: readonly number[], io: Io): Omit<NamedTarget, 'given'> {
  const { shape, data } = readArray(io, path)
  const fail = (message: string): never => {
    throw new UsageError(`--direction ${path}: ${message}`)
  }
  const last = output.length > 1 ? output.slice(-1) : [1]
  const shapes = [last, output.slice(1), output]
    .filter(({ length }) => length > 0)
    .map(wanted => `[${wanted.join(',')}]`)
  if (!shapes.includes(`[${shape.join(',')}]`)) {
    const wanted = [...new Set(shapes)].join(' or ')
    fail(`expected the shape of the output, ${wanted}, got [${brief(shape.join(','))}]`)
  }
  if (!data.every(Number.isFinite)) fail('its numbers must be finite')
  if (data.every(v => v === 0)) fail('it is zero everywhere')
  const coefficients = Float64Array.from(data)
  return { target: tensor(coefficients, { shape: [...shape], backend: js() }), targetName: `the direction ${path}` }
}
