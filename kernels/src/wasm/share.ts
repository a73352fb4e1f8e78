import { bytesPerElement } from '../shared/dtypes.js'
import type { Context } from './context.js'
import type { Region } from './region.js'
import type { Call, Work } from './threads.js'

/** Elements below which one thread is as fast as several. */
const SMALL = 1 << 15

/** Whether one thread does work on n elements. */
export const alone = ({ threads }: Context, n: number): boolean => threads.count === 1 || n < SMALL

/** Shares out the elements of a buffer: `work` makes the calls for those from `from` up to `to`, of `size` bytes each. */
export const elementsOf =
  ({ threads }: Context) =>
  ({ dtype, length }: Region, work: (call: Call, from: number, to: number, size: number, scratch: number) => void) =>
    threads.share(length, 16, (call, from, to, scratch) => work(call, from, to, bytesPerElement[dtype], scratch))

/** Shares out `count` units of work on a buffer, such as its rows or channels. */
export const unitsOf =
  (context: Context) =>
  (count: number, { length }: Region, work: Work): void =>
    context.threads.share(count, 1, work, !alone(context, length))
