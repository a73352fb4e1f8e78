// Why depth needs a scale: the norm of the output at initialisation for λ = 1, 1/√n and 1/n.
import { constant, initialise, inverseDepth, inverseSqrtDepth, residualMlp, run, towerOf } from '@unravel/resnet'
import { norm, Random } from '@unravel/tensor'

const x = new Random(1).normal([1, 16], 0, 1)
const scales = { '1': constant(1), '1/sqrt(n)': inverseSqrtDepth(), '1/n': inverseDepth() }

for (const depth of [10, 100]) {
  for (const [name, scale] of Object.entries(scales)) {
    const model = initialise(
      residualMlp,
      {
        architecture: 'residual-mlp',
        input: 16,
        width: 16,
        hidden: 16,
        output: 16,
        depth,
        activation: 'relu',
        norm: 'none',
        norm_eps: 1e-5,
      },
      { random: new Random(2), scale },
    )
    const size = norm(run(towerOf(model), x)).item()
    console.log(`${depth} blocks, λ = ${name}: ${size > 1e3 ? size.toExponential(0) : size.toFixed(1)}`)
  }
}
//> 10 blocks, λ = 1: 25.6
//> 10 blocks, λ = 1/sqrt(n): 4.6
//> 10 blocks, λ = 1/n: 4.0
//> 100 blocks, λ = 1: 4e+8
//> 100 blocks, λ = 1/sqrt(n): 4.7
//> 100 blocks, λ = 1/n: 4.0
