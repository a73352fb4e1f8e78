import { type OrderRecord, orderRecordOf } from '@unravel/report/data'
import { type Examples, type Model, towerOf } from '@unravel/resnet'
import { type Backend, scope } from '@unravel/tensor'
import type { Dense } from '@unravel/tensor/internals'
import { sampleOf } from './data.js'

/** The order spectrum of a model on its sample of test inputs: the numbers that `unravel expand` gives of its folder. */
export async function expandedAt(step: number, model: Model, test: Examples, backend: Backend): Promise<OrderRecord> {
  const wide = scope(() => {
    const x = sampleOf(model, test, backend).x as Dense
    const tensors = Object.fromEntries(Object.entries(model.tensors).map(([name, t]) => [name, (t as Dense).to('f64')]))
    return { x: x.dtype === 'i32' ? x : x.to('f64'), tensors }
  })
  try {
    return await orderRecordOf(towerOf(model, { tensors: wide.tensors }), wide.x, step)
  } finally {
    const own = new Set(Object.values(model.tensors))
    for (const t of [wide.x, ...Object.values(wide.tensors)]) if (!own.has(t)) t.dispose()
  }
}
