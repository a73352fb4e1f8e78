import type { Analysis } from '@unravel/expansion'
import { z } from 'zod'
import type { attributionDocument } from './attribution.js'
import type { Projected } from './projected.js'

/** null where a quantity does not exist or is not finite. */
const quantity = z.number().nullable()
/** Row-major lists in lists, as deep as the array has axes. */
export type Nested = number | null | Nested[]
const nested: z.ZodType<Nested> = z.lazy(() => z.union([quantity, z.array(nested)]))
const exactCount = z.string().regex(/^\d+$/)

/** The one JSON document of `unravel expand --json`. */
export const expansionDocument = z.strictObject({
  expansion: z.enum(['taylor', 'gated', 'gradient', 'subsets']),
  /** The model's folder, as it was named. */
  model: z.string(),
  blocks: z.int().min(0),
  /** The sites that an order counts: blocks, or all residual additions, nested ones too; `blocks` is their number. */
  sites: z.enum(['blocks', 'all']),
  /** Largest order kept; every list below by order has one entry more. */
  orders: z.int().min(0),
  dtype: z.enum(['f32', 'f64']),
  backend: z.enum(['js', 'wasm', 'gpu']),
  /** λ, or λ_1..λ_n where they differ. */
  scale: z.union([z.number(), z.array(z.number())]),
  /** `[orders + 1][batch]…[output]`, λ^k included. */
  values: nested.optional(),
  norms: z.array(quantity),
  share: z.array(quantity),
  /** The orders that the shares are of: all orders 0..n, or those listed. */
  share_of: z.enum(['all orders', 'kept orders']),
  /** subsets, where they are sampled: of each order, a root mean square over the batch like its norm. */
  standard_error: z.array(quantity).optional(),
  output: nested.optional(),
  output_norm: quantity,
  remainder: z.array(quantity),
  /** All but taylor: the norm of all orders beyond the last. */
  tail_norm: quantity,
  terms: z.array(exactCount),
  chains: z.array(exactCount),
  radius: z.strictObject({ estimate: quantity, low: quantity, high: quantity, ratio: quantity }).nullable(),
  kink_radius: quantity,
  /** With --expect: how far the network's output is from the expected one: the largest difference, and ‖difference‖/‖expected‖. */
  expected: z.strictObject({ max_abs: quantity, relative: quantity, tolerance: z.number() }).optional(),
  resummed: z
    .strictObject({
      epsilon: z.strictObject({ remainder: quantity }),
      pade: z.strictObject({ remainder: quantity, numerator: z.int(), denominator: z.int() }),
    })
    .nullable(),
  /** With --prompt: the tokens of every input, `[batch][sequence]`. */
  tokens: z.array(z.array(z.string())).optional(),
  /** With --target or --direction: the functional of the output in words. */
  target: z.string().optional(),
  /** The functional of every order, `[orders + 1][batch]`, and of the output, `[batch]`: taylor, gated and subsets. */
  projected: z.strictObject({ orders: z.array(z.array(quantity)), output: z.array(quantity) }).optional(),
  /** With --by: path sums of each order through blocks, heads, positions or sources; parts and rest sum to the block. */
  attribution: z
    .strictObject({
      by: z.enum(['block', 'head', 'position', 'source']),
      along: z.string(),
      names: z.array(z.string()),
      totals: z.array(quantity),
      blocks: z.array(z.array(quantity)),
      parts: z.array(z.array(z.array(quantity))).optional(),
      rest: z.array(z.array(quantity)).optional(),
      starts: z.array(z.array(quantity)).optional(),
    })
    .optional(),
  warnings: z.array(z.string()),
  /** Of the expansion with its checks, and of one forward pass of the network. */
  seconds: z.strictObject({ total: z.number(), forward: z.number() }),
})
export type ExpansionDocument = z.output<typeof expansionDocument>

/** The fields of a document beside the analysis. */
export interface Provenance {
  /** Of the model, before those of the analysis. */
  readonly warnings?: readonly string[]
  /** With --expect. */
  readonly expected?: { readonly max_abs: number; readonly relative: number; readonly tolerance: number }
  /** With --prompt. */
  readonly tokens?: readonly (readonly string[])[] | undefined
  /** With --target or --direction. */
  readonly target?: string | undefined
  readonly projected?: Projected | undefined
  /** With --by. */
  readonly attribution?: ReturnType<typeof attributionDocument> | undefined
  readonly model: string
  readonly dtype: 'f32' | 'f64'
  readonly backend: 'js' | 'wasm' | 'gpu'
  readonly seconds: { readonly total: number; readonly forward: number }
  /** With --values: the coefficients and the output. */
  readonly arrays?: { readonly values: Nested; readonly output: Nested }
}

/** The document of an analysis. Numbers that are not finite become null. */
export function documentOf(
  analysis: Analysis,
  {
    model,
    dtype,
    backend,
    seconds,
    arrays,
    warnings = [],
    expected,
    tokens,
    target,
    projected,
    attribution,
  }: Provenance,
): ExpansionDocument {
  const { radius, resummed } = analysis
  return {
    expansion: analysis.expansion,
    model,
    blocks: analysis.blocks,
    sites: analysis.sites ?? 'blocks',
    orders: analysis.orders,
    dtype,
    backend,
    scale: typeof analysis.scale === 'number' ? analysis.scale : [...analysis.scale],
    ...(arrays === undefined ? {} : { values: arrays.values }),
    norms: analysis.norms.map(finite),
    share: analysis.share.map(finite),
    share_of: analysis.shareOf,
    ...(analysis.standardError && { standard_error: analysis.standardError.map(finite) }),
    ...(arrays === undefined ? {} : { output: arrays.output }),
    output_norm: finite(analysis.outputNorm),
    remainder: analysis.remainder.map(finite),
    tail_norm: finite(analysis.tailNorm),
    terms: analysis.terms.map(String),
    chains: analysis.chains.map(String),
    radius: radius && {
      estimate: finite(radius.estimate),
      low: finite(radius.low),
      high: finite(radius.high),
      ratio: finite(radius.ratio),
    },
    kink_radius: finite(analysis.kinkRadius),
    resummed: resummed && {
      epsilon: { remainder: finite(resummed.epsilon.remainder) },
      pade: { ...resummed.pade, remainder: finite(resummed.pade.remainder) },
    },
    ...(expected && {
      expected: { ...expected, max_abs: finite(expected.max_abs), relative: finite(expected.relative) },
    }),
    ...(tokens && { tokens: tokens.map(row => [...row]) }),
    ...(target !== undefined && { target }),
    ...(projected && {
      projected: { orders: projected.orders.map(row => row.map(finite)), output: projected.output.map(finite) },
    }),
    ...(attribution && { attribution }),
    warnings: [...warnings, ...analysis.warnings],
    seconds: { ...seconds },
  }
}

const finite = (x: number | null): number | null => (x !== null && Number.isFinite(x) ? x : null)

/** A row-major array `[...shape]` as nested lists. */
export function nestedLists(data: ArrayLike<number>, shape: readonly number[]): Nested {
  let level: Nested[] = Array.from(data, finite)
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const extent = shape[axis]!
    const count = shape.slice(0, axis).reduce((a, b) => a * b, 1)
    level = Array.from({ length: count }, (_, i) => level.slice(i * extent, (i + 1) * extent))
  }
  return shape.length === 0 ? level[0]! : level
}
