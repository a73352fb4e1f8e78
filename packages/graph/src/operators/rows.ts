import type { Call, Value } from '../call.js'

/** How an operator is computed: its outputs, in order; those that nothing reads may be missing. */
export type Compute = (call: Call) => Value | readonly (Value | undefined)[]

/** An operator's meanings, each by the first version of its vocabulary that has it. */
export type Versions = Readonly<Record<number, Compute>>

/** Operators by name. */
export type Rows = Readonly<Record<string, Versions | Compute>>
