export type { Flow, Value } from './call.js'
export { GraphError } from './errors.js'
export { type EvaluateOptions, Evaluator, evaluate, type Given, type Observer } from './evaluate.js'
export { folded, known, live } from './fold.js'
export type {
  Attribute,
  Constant,
  Dimension,
  ElementType,
  Graph,
  HostArray,
  HostData,
  Node,
  ValueInfo,
  View,
} from './graph.js'
export { isConstant, isGraph } from './graph.js'
export { asInput, inputsFrom, onSamples } from './inputs.js'
export { type Inspection, type InspectOptions, inspected } from './inspect.js'
export { type Unsupported, unsupported } from './operators/table.js'
export { type ReadOptions, readGraph } from './read.js'
export { frozenFactors, recognised } from './recognise.js'
export { type GraphResnet, resnetIn } from './resnet.js'
export { cuts, type Site, type SkipKind, sitesOf } from './sites.js'
export type { Builder } from './tfjs/builder.js'
export type { CustomLayer, LayerCall } from './tfjs/layers.js'
export type { CustomLayers } from './tfjs/layersModel.js'
export { readTfjs, type TfjsOptions } from './tfjs/read.js'
export type { Windows } from './tfjs/windows.js'
export {
  countedText,
  countsOf,
  type GraphBlock,
  type GraphTower,
  looked,
  type Part,
  parametersIn,
  prepared,
  type Structure,
  structureOf,
  type TowerOptions,
  towerOfGraph,
  whyNoBlocks,
  whyNoSites,
} from './tower.js'
