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
} from './graph.js'
export { isConstant, isGraph } from './graph.js'
export { type ReadOptions, readGraph } from './read.js'
