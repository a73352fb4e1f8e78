// Findings about a network, as data, JSON documents and text: all of the package that draws nothing.
export {
  type AttributionHeading,
  attributionDocument,
  attributionTable,
  type Division,
  divisions,
} from './attribution.js'
export { type ComplexityChoice, complexityOf, complexityTable } from './complexity.js'
export type { DemoResult, State, TowerResult, Tried } from './demo/result.js'
export { demoTable } from './demo/table.js'
export { inWords } from './demo/words.js'
export {
  documentOf,
  type ExpansionDocument,
  expansionDocument,
  type Nested,
  nestedLists,
  type Provenance,
} from './document.js'
export { type ExpansionChoice, expandBy, expansions } from './expandBy.js'
export { expansionTable, type Heading } from './expansionTable.js'
export { countingFallbacks } from './fallbacks.js'
export { type PathsChoice, pathsOf, pathsTable } from './gradientPaths.js'
export { type InspectedNetwork, type InspectedPart, type InspectedValue, inspectionTable } from './inspection.js'
export { inspectTower } from './inspectTower.js'
export { type LesionChoice, lesionOf, lesionTable } from './lesion.js'
export { type OrderRecord, orderRecordOf } from './orderRecord.js'
export { type Projected, projected, projectedTable, projectedTower } from './projected.js'
export { type SweepChoice, sweepOf, sweepTable } from './sweep.js'
export { blockList, columns, count, meanOrder, percent, plural, significant } from './table.js'
export { nextTokens, positionNorms, type Tokens, tokenLines } from './tokens.js'
