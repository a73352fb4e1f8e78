import type { Buffer } from '@unravel/kernels'
import { transposed, variantOf } from '../peers/unravel.js'
import type { Contender } from '../types.js'
import type { Floats, TrainingWork } from '../works.js'

/**
 * The training step written out on the same kernels, without tensors or a tape: every buffer allocated once. The
 * autodiff of `ours` is measured against it.
 */
export async function byHand({ net, target, rate }: TrainingWork): Promise<Contender> {
  const { kind: backend, ...labels } = variantOf('ours')
  const { kernels } = backend
  const { depth, width, batch, scale } = net
  const plane = batch * width
  const square = width * width
  const owned: Buffer[] = []
  const empty = (n: number) => {
    const buffer = backend.alloc('f32', n)
    owned.push(buffer)
    return buffer
  }
  const put = (data: Floats) => {
    const buffer = empty(data.length)
    backend.write(buffer, data)
    return buffer
  }
  const layer = (w: Floats) => put(transposed(w, width))
  const [first, second] = [net.first.map(layer), net.second.map(layer)]
  const wanted = put(target)
  const h = [put(net.x), ...net.first.map(() => empty(plane))]
  // The derivative of tanh is taken from what goes into it: tanh rounds to 1.
  const [a, t] = [0, 1].map(() => net.first.map(() => empty(plane))) as [Buffer[], Buffer[]]
  const [u, s, loss] = [empty(plane), empty(plane), empty(1)]
  let [c, next] = [empty(plane), empty(plane)]
  const gradient = empty(square)
  let spare = empty(square)

  /** w[l] ← w[l] − rate·gradient, into the spare buffer, which changes places with it. */
  const descend = (w: Buffer[], l: number) => {
    kernels.axpy(w[l]!, -rate, gradient, spare)
    ;[w[l], spare] = [spare, w[l]!]
  }
  const step = () => {
    for (let l = 0; l < depth; l++) {
      kernels.linear(batch, width, width, h[l]!, false, first[l]!, true, null, null, 1, null, a[l]!)
      kernels.map('tanh', a[l]!, t[l]!)
      kernels.linear(batch, width, width, t[l]!, false, second[l]!, true, null, null, scale, h[l]!, h[l + 1]!)
    }
    kernels.axpy(h[depth]!, -1, wanted, u)
    kernels.reduce('sumSquares', [plane], [0], u, loss)
    kernels.affine(u, 2 / plane, 0, c)
    for (let l = depth - 1; l >= 0; l--) {
      // Through h + scale·t·Vᵀ, tanh and h·Wᵀ; weights are [out,in], so that gradients are cᵀt and sᵀh.
      kernels.linear(batch, width, width, c, false, second[l]!, false, null, null, scale, null, u)
      kernels.mapGrad('tanh', a[l]!, u, s)
      kernels.linear(width, batch, width, c, true, t[l]!, false, null, null, scale, null, gradient)
      descend(second, l)
      kernels.linear(batch, width, width, s, false, first[l]!, false, null, null, 1, c, next)
      ;[c, next] = [next, c]
      kernels.linear(width, batch, width, s, true, h[l]!, false, null, null, 1, null, gradient)
      descend(first, l)
    }
    return backend.readSync!(loss)[0]! / plane
  }
  const numbers = (w: Buffer) => Array.from(transposed(backend.readSync!(w) as Floats, width))
  return {
    ...labels,
    name: 'by hand',
    backend: backend.name,
    run: step,
    result: () => [step(), ...numbers(first[0]!), ...numbers(second[depth - 1]!)],
    dispose: () => {
      for (const buffer of owned) backend.release(buffer)
    },
  }
}
