// Power series: every Taylor coefficient of a function along a path, in one pass.
import { exp, series, tensor } from '@unravel/tensor'

// The path x + t·v, its coefficients stacked on a leading order axis: x = 0, v = 1.
const path = tensor([[0], [1]], { dtype: 'f64' })
const coefficients = series(exp, path, 6)

// exp(t) = Σ t^k/k!
console.log(Array.from(coefficients.dataSync(), c => Math.round(1 / c)).join(' '))
//> 1 1 2 6 24 120 720
