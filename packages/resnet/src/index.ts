export type { Architecture, Model, Tensors, TensorSpec, TrainingPass } from './architecture.js'
export { type Activation, activations, residualMlp, type ResidualMlpConfig } from './residualMlp.js'
export * from './scale.js'
export { type Block, run, skip, type Tower } from './tower.js'
