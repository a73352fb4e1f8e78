import { type Activation, type ResidualMlpConfig, residualMlp, type Tower } from '@unravel/resnet'
import { mul, Random, type Tensor } from '@unravel/tensor'

/** A small residual MLP with random weights of moderate size, f64, on the js backend. */
export function randomTower(options: {
  depth: number
  scale: number
  activation?: Activation
  norm?: ResidualMlpConfig['norm']
  seed?: number
  width?: number
}): { tower: Tower; x: Tensor; tensors: Record<string, Tensor>; config: ResidualMlpConfig } {
  const { depth, scale, activation = 'tanh', norm = 'none', seed = 1, width = 4 } = options
  const config: ResidualMlpConfig = {
    architecture: 'residual-mlp',
    input: 3,
    width,
    hidden: width + 1,
    output: 2,
    depth,
    activation,
    norm,
    norm_eps: 1e-5,
  }
  const random = new Random(seed)
  const tensors: Record<string, Tensor> = {}
  for (const [name, { shape }] of Object.entries(residualMlp.tensors(config))) {
    if (name.endsWith('.scale')) continue
    const size = shape.length === 2 ? 1 / Math.sqrt(shape[1]!) : 0.3
    const t = random.normal(shape, name.endsWith('norm.weight') ? 1 : 0, size, { dtype: 'f64' })
    tensors[name] = name.endsWith('running_var') ? mul(t, t) : t
  }
  const x = random.normal([2, config.input], 0, 1, { dtype: 'f64' })
  return { tower: residualMlp.tower(config, tensors, new Array<number>(depth).fill(scale)), x, tensors, config }
}
