import { add, backendOf, concat, mul, narrow, neg, type Tensor, tensor } from '@unravel/tensor'

/**
 * Rotary positions (Su et al. 2021) in the halves layout of GPT-NeoX and Llama: of x [..., positions, size], element
 * i < ⌊length/2⌋ is paired with element i + ⌊length/2⌋ and turned by position · theta^(−2i/length); the rest stays.
 */
export function rotary(x: Tensor, theta: number, length: number): Tensor {
  const [positions, size] = x.shape.slice(-2) as [number, number]
  const half = Math.floor(length / 2)
  const turned = 2 * half
  const angles = (f: (angle: number) => number) =>
    tensor(
      Float64Array.from({ length: positions * turned }, (_, i) => {
        const frequency = theta ** ((-2 * ((i % turned) % half)) / length)
        return f(Math.floor(i / turned) * frequency)
      }),
      { shape: [positions, turned], dtype: x.dtype, backend: backendOf(x) },
    )
  const head = turned === size ? x : narrow(x, -1, 0, turned)
  const swapped = concat([neg(narrow(head, -1, half, half)), narrow(head, -1, 0, half)], -1)
  const out = add(mul(head, angles(Math.cos)), mul(swapped, angles(Math.sin)))
  return turned === size ? out : concat([out, narrow(x, -1, turned, size - turned)], -1)
}
