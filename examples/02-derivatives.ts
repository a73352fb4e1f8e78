// Derivatives: reverse mode, forward mode, Jacobian, Hessian, and the check of all of them against differences.
import { grad, gradcheck, hessian, jacobian, jvp, mul, sum, type Tensor, tanh, tensor } from '@unravel/tensor'

const x = tensor([1, 2, 3], { dtype: 'f64' })
const cubes = (t: Tensor) => mul(mul(t, t), t)
const f = (t: Tensor) => sum(cubes(t))

console.log(grad(f)(x).toArray())
//> [ 3, 12, 27 ]

// The derivative along v, in one forward pass.
const v = tensor([1, 0, -1], { dtype: 'f64' })
const [value, tangent] = jvp(f, x, v)
console.log(value.item(), tangent.item())
//> 36 -24

console.log(jacobian(cubes)(x).toArray())
//> [ [ 3, 0, 0 ], [ 0, 12, 0 ], [ 0, 0, 27 ] ]
console.log(hessian(f)(x).toArray())
//> [ [ 6, 0, 0 ], [ 0, 12, 0 ], [ 0, 0, 18 ] ]

// Gradients of gradients are functions like any other.
const along = (t: Tensor) => sum(mul(grad((u: Tensor) => sum(tanh(u)))(t), v))
console.log(gradcheck(along, [x]) < 1e-7)
//> true
