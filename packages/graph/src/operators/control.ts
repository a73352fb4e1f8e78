import * as t from '@unravel/tensor'
import type { Value } from '../call.js'
import { hostOf, scalarOf } from '../host.js'
import type { Compute, Rows } from './rows.js'

/** The branch that the condition names, which must be known when the graph runs: it may not depend on traced numbers. */
const branch: Compute = call => call.run.inner(call.graph(call.number(0) !== 0 ? 'then_branch' : 'else_branch'), [])

const MOST_TRIPS = 10_000

/** Body of a loop: (trip, condition, carried...) to (condition, carried..., scanned...). Scanned outputs are stacked. */
const loop: Compute = call => {
  const body = call.graph('body')
  const most = call.has(0) ? call.number(0) : Infinity
  let going = call.has(1) ? call.number(1) !== 0 : true
  let carried: readonly Value[] = call.inputs.slice(2).map((_, i) => call.value(i + 2))
  const scanned: Value[][] = Array.from({ length: body.outputs.length - 1 - carried.length }, () => [])
  for (let trip = 0; going && trip < most; trip++) {
    if (trip === MOST_TRIPS) throw new RangeError(`the loop does not end within ${MOST_TRIPS} turns`)
    const values = call.run.inner(body, [scalarOf('i64', trip), scalarOf('bool', 1), ...carried])
    going = Number((values[0] as { data: ArrayLike<number> }).data?.[0] ?? call.tensorOf(values[0]!).item()) !== 0
    carried = values.slice(1, 1 + carried.length)
    scanned.forEach((list, i) => list.push(values[1 + carried.length + i]!)) // biome-ignore format: short
  }
  return [...carried, ...scanned.map(list => stacked(call, list))]
}

function stacked(call: Parameters<Compute>[0], list: readonly Value[]): Value {
  if (list.length === 0) return hostOf('i64', [0], [])
  return call.moved(list, (...parts) => t.stack(parts, 0))
}

/** Body of a scan: (state..., one slice of every scanned input) to (state..., one slice of every scanned output). */
const scan: Compute = call => {
  const body = call.graph('body')
  const inputs = call.attribute('num_scan_inputs')
  const states = call.inputs.length - inputs
  const flags = (name: string, n: number) => call.list(name) ?? new Array<number>(n).fill(0)
  const axes = flags('scan_input_axes', inputs)
  const back = flags('scan_input_directions', inputs)
  const scans = call.inputs.slice(states).map((_, i) => call.value(states + i))
  const axis = (i: number) => call.axis(axes[i]!, call.shape(states + i).length)
  const length = call.shape(states)[axis(0)]!
  let state: readonly Value[] = call.inputs.slice(0, states).map((_, i) => call.value(i))
  const outputs: Value[][] = Array.from({ length: body.outputs.length - states }, () => [])
  for (let i = 0; i < length; i++) {
    const slices = scans.map((v, j) => {
      const at = back[j] ? length - 1 - i : i
      return call.moved([v], x => t.squeeze(t.narrow(x, axis(j), at, 1), axis(j)))
    })
    const values = call.run.inner(body, [...state, ...slices])
    state = values.slice(0, states)
    outputs.forEach((list, j) => list.push(values[states + j]!)) // biome-ignore format: short
  }
  const outAxes = flags('scan_output_axes', outputs.length)
  const outBack = flags('scan_output_directions', outputs.length)
  return [
    ...state,
    ...outputs.map((list, j) => {
      const ordered = outBack[j] ? list.toReversed() : list
      return call.moved(ordered, (...parts) => t.stack(parts, outAxes[j]!))
    }),
  ]
}

export const control: Rows = {
  If: branch,
  Loop: loop,
  Scan: {
    // In version 8 all scanned values had a batch axis in front, and an input of lengths before them.
    9: scan,
  },
}
