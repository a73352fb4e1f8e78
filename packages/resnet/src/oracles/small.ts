import type { ResidualMlpConfig } from '../residualMlp.js'

/** A network of three blocks, for tests. */
export const config: ResidualMlpConfig = {
  architecture: 'residual-mlp',
  input: 2,
  width: 6,
  hidden: 8,
  output: 4,
  depth: 3,
  activation: 'tanh',
  norm: 'none',
  norm_eps: 1e-5,
}
