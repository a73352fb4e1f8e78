import { taylor } from '@unravel/expansion'
import { type Backend, conv2d, matmul, slice, type Tensor, tensor } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { dispose, inputOf, towerOf, trainer, transposed } from '../peers/unravel.js'
import type { Contender, Values } from '../types.js'
import type { ConvWork, Floats, Matmul, TaylorWork, TrainingWork } from '../works.js'

export type GpuWork = Matmul | ConvWork | TrainingWork | TaylorWork

/** Work that is called `calls` times before the wait, so that the cost of waiting on a device does not hide that of computing. */
const calls = 8

interface Prepared {
  /** Does the work once: a result of its own. */
  readonly once: () => Tensor
  /** The numbers that are checked, after the first time. */
  readonly values: (result: Tensor) => Promise<Values>
  readonly dispose: () => void
}

/**
 * The work on a backend that may have to be waited for. The clock stops when one number of the last result has come back:
 * a device does what it is asked in order, so that all of it is done by then.
 */
export function onBackend(
  work: GpuWork,
  backend: Backend,
): Pick<Contender, 'calls' | 'result' | 'runAsync' | 'dispose'> {
  const { once, values, dispose: end } = prepare(work, backend)
  return {
    calls,
    async runAsync() {
      for (let i = 1; i < calls; i++) {
        const y = once()
        for (const d of y.dense()) void d.buffer
        dispose(y)
      }
      const last = once()
      const corner = slice(
        last,
        last.shape.map(() => 0),
        last.shape.map(() => 1),
      )
      await corner.data()
      dispose(last, corner)
    },
    async result() {
      const y = once()
      const numbers = await values(y)
      dispose(y)
      return numbers
    },
    dispose: end,
  }
}

const whole = (y: Tensor): Promise<Values> => y.data()

function prepare(work: GpuWork, backend: Backend): Prepared {
  switch (work.kind) {
    case 'matmul': {
      const a = tensor(work.a, { shape: [work.m, work.k], backend })
      const b = tensor(work.b, { shape: [work.k, work.n], backend })
      return { once: () => matmul(a, b), values: whole, dispose: () => dispose(a, b) }
    }
    case 'conv': {
      const { batch, channels, out, size } = work
      const x = tensor(work.x, { shape: [batch, channels, size, size], backend })
      const w = tensor(work.w, { shape: [out, channels, 3, 3], backend })
      return { once: () => conv2d(x, w, undefined, { padding: 1 }), values: whole, dispose: () => dispose(x, w) }
    }
    case 'training': {
      const { step, parameters, dispose: end } = trainer(work, backend)
      const numbers = async (t: Tensor) => [...transposed((await (t as Dense).data()) as Floats, work.net.width)]
      const values = async (loss: Tensor) => [
        ...(await loss.data()),
        ...(await numbers(parameters()[0]![0]!)),
        ...(await numbers(parameters().at(-1)![1]!)),
      ]
      return { once: step, values, dispose: end }
    }
    case 'taylor': {
      const tower = towerOf(work.net, backend)
      const x = inputOf(work.net, backend)
      const once = () => {
        const { coefficients, total } = taylor(tower, x, work.orders)
        dispose(total)
        return coefficients
      }
      return { once, values: whole, dispose: () => dispose(x, ...tower.weights.flat()) }
    }
  }
}
