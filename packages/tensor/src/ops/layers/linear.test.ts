import { describe, expect, it } from 'vitest'
import {
  add,
  type Backend,
  js,
  linear,
  Random,
  relu,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  wasm,
} from '../../index.js'
import type { Dense } from '../../internals.js'

/** A backend that writes down which kernels ran. */
function spied(backend: Backend): { backend: Backend; calls: string[] } {
  const calls: string[] = []
  const kernels = Object.fromEntries(
    Object.entries(backend.kernels).map(([name, kernel]) => [
      name,
      (...args: unknown[]) => {
        calls.push(name)
        ;(kernel as (...args: unknown[]) => void)(...args)
      },
    ]),
  )
  const watched = new Proxy(backend, {
    get(of, name) {
      if (name === 'kernels') return kernels
      const value = Reflect.get(of, name, of)
      return typeof value === 'function' ? value.bind(of) : value
    },
  })
  return { backend: watched, calls }
}

const values = (t: Tensor) => Array.from((t as Dense).dataSync())

describe.each([['js', js()] as const, ['wasm', wasm()] as const])(
  'products that are not read yet, on %s',
  (_, real) => {
    const random = new Random(5)
    const [x, w, b] = [[5, 70], [9, 70], [9]].map(shape => values(random.normal(shape, 0, 0.5, { dtype: 'f64' })))
    const put = (backend: Backend) =>
      [
        tensor(Float64Array.from(x!), { shape: [5, 70], backend }),
        tensor(Float64Array.from(w!), { shape: [9, 70], backend }),
        tensor(Float64Array.from(b!), { shape: [9], backend }),
      ] as const

    it.each([['tanh', tanh] as const, ['relu', relu] as const])('%s takes them in the same kernel', (_, phi) => {
      const { backend, calls } = spied(real)
      const [X, W, B] = put(backend)
      scope(() => {
        const product = linear(X, W, B)
        const y = phi(product)
        expect(calls).toEqual(['linear'])
        // The product can still be read.
        expect(values(y)).toEqual(values(phi(add(product, 0))))
      })
    })

    it('gradients are those of the two kernels', () => {
      const gradientsOf = (body: (x: Tensor, w: Tensor, b: Tensor) => Tensor) => {
        const [value, gradients] = valueAndGrad((p: readonly Tensor[]) => sum(tanh(body(p[0]!, p[1]!, p[2]!))))(
          put(real),
        )
        return [value, ...(gradients as readonly Tensor[])].map(values)
      }
      expect(gradientsOf(linear)).toEqual(gradientsOf((x, w, b) => add(linear(x, w, b), 0)))
    })
  },
)
