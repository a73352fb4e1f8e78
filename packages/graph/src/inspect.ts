import { GraphError } from './errors.js'
import type { EvaluateOptions, Given } from './evaluate.js'
import { live } from './fold.js'
import type { Graph, ValueInfo } from './graph.js'
import { onSamples } from './inputs.js'
import { unsupported } from './operators/table.js'
import { countsOf, looked, ofOutput, parametersIn, type Structure, structureOf, whyNoSites } from './tower.js'

/** What `inspected` looks at. */
export interface InspectOptions extends EvaluateOptions {
  /** Inputs to take the shapes of (default: a small size for every free dimension). */
  readonly inputs?: Readonly<Record<string, Given>> | undefined
  /** The output, or inner value, whose computation is looked at (default: all outputs). */
  readonly output?: string | undefined
}

/** What is in a network, as `unravel inspect --json` prints it, and why it cannot be expanded, if so. */
export function inspected(whole: Graph, { inputs, output, ...options }: InspectOptions = {}) {
  const graph = output === undefined ? live(whole) : ofOutput(whole, output)
  const missing = unsupported(graph)
  const examine = (given: Readonly<Record<string, Given>>) => looked(whole, given, { ...options, output }).structure
  let structure: Structure | undefined
  let why: string | undefined
  try {
    if (missing.length === 0) structure = inputs === undefined ? onSamples(whole, examine) : examine(inputs)
  } catch (error) {
    if (!(error instanceof GraphError)) throw error
    why = error.message
  }
  if (missing.length > 0) {
    const which = missing.map(u => `${u.operator} (${u.why})`).join(', ')
    why = `${missing.length === 1 ? 'an operator is' : `${missing.length} operators are`} not supported: ${which}`
  } else if (structure?.sites.length === 0) why = whyNoSites(structure)
  const { blocks, sites, encoder, decoder } = structure ?? structureOf(graph)
  const inspection = {
    inputs: whole.inputs.map(described),
    outputs: whole.outputs.map(described),
    operators: countsOf(graph.nodes),
    unsupported: missing,
    parameters: parametersIn(graph),
    blocks: blocks.map(({ name, skip, operators, scale }) => ({ name, skip, operators, scale })),
    sites: sites.map(({ name, level, scale, kind }) => ({ name, level, scale, skip: kind })),
    encoder,
    decoder,
  }
  return { inspection, why }
}

export type Inspection = ReturnType<typeof inspected>['inspection']

const described = ({ name, type, shape }: ValueInfo) => ({ name, type, shape: shape ?? null })
