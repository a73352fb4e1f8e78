export {
  type Architecture,
  type Config,
  InputError,
  type Model,
  type Rows,
  type TensorSpec,
  type Tensors,
  type TrainingPass,
} from './architecture.js'
export type { Augmentation, Stored } from './augment.js'
export {
  arithmeticOf,
  type Checkpoint,
  type CheckpointOptions,
  formatCheckpoint,
  parseCheckpoint,
  type RunDescription,
} from './checkpoint.js'
export { type CifarPart, cifarFrom, parseCifar } from './cifar.js'
export {
  type Batch,
  batchIndices,
  batchOf,
  type Dataset,
  datasetFrom,
  type Examples,
  examplesBetween,
  type InMemoryOptions,
  inMemory,
  momentsOf,
} from './dataset.js'
export { isDlibNetwork, modelFromDlib } from './dlib.js'
export { type DlibResnetConfig, dlibResnet } from './dlibResnet.js'
export { type Gpt2Config, gpt2 } from './gpt2.js'
export { type IdxArray, parseIdx } from './idx.js'
export * from './initialise.js'
export { drawnInput, inputFrom } from './input.js'
export {
  architectures,
  type ConfigOptions,
  type LoadOptions,
  modelFiles,
  modelFrom,
  parametersOf,
  parseConfig,
  registerArchitecture,
  scalesOfModel,
  type TowerOptions,
  towerOf,
  undecayed,
} from './models.js'
export {
  type AdamWOptions,
  adamw,
  averaged,
  type Decay,
  type Named,
  type Optimiser,
  type SgdOptions,
  sgd,
} from './optimisers.js'
export type { Form } from './residual.js'
export { type Activation, activations, type ResidualMlpConfig, residualMlp } from './residualMlp.js'
export { type ResnetConfig, resnet } from './resnet.js'
export * from './scale.js'
export { constantRate, cosine, type Schedule, stepDecay, warmUp } from './schedules.js'
export { type Example, type StreamingOptions, streaming } from './streaming.js'
export { type Characters, charactersOf } from './text.js'
export { type Block, type Heads, run, skip, type Tower, withScales } from './tower.js'
export {
  type AccuracyOptions,
  accuracy,
  averageOf,
  examplesFor,
  type StepMetrics,
  type TrainingState,
  type TrainOptions,
  type TrainResult,
  train,
} from './train.js'
export { type VitConfig, vit } from './vit.js'
export { type ModelFiles, storedTensors, tensorsIn, weightsFile } from './weights.js'
