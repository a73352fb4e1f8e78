export { type AnalyseOptions, type Analysis, analyse } from './analyse.js'
export {
  type Attribution,
  type AttributionOptions,
  gatedAttribution,
  gradientAttribution,
  type Parts,
  scaleGradients,
  taylorAttribution,
} from './attribution.js'
export { type ComplexityOptions, type Gram, geometricComplexity, orderGram } from './complexity.js'
export { chainCounts, markedChainCounts, markedTreeCounts, treeCounts } from './counts.js'
export { gated } from './gated.js'
export { cotangentOf, gradient, type PathOptions, type Target, targets } from './gradient.js'
export { groupedTaylor } from './grouped.js'
export {
  type Damage,
  damage,
  exchangeable,
  type LesionCurve,
  type LesionOptions,
  lesion,
  withoutBlocks,
  withSwaps,
} from './lesion.js'
export { gatedMoments, gradientMoments, type MomentOptions, type Moments } from './moments.js'
export { atScale, type Orders } from './orders.js'
export { estimateRadius, type Radius } from './radius.js'
export { componentwisePade, type PadeSum, vectorEpsilon } from './resummation.js'
export { longestPath, type Network, type SiteOptions } from './sites.js'
export { bestTruncation, orderNorms, remainders, shares } from './spectrum.js'
export { dropoutMean, MAX_EXACT_BLOCKS, MAX_SAMPLED_ORDERS, type SubsetOptions, subsets } from './subsets.js'
export { type TaylorOptions, taylor } from './taylor.js'
export { effectiveLengths, type PathSample, pathShare, type SampleOptions, sampleGradientPaths } from './veit.js'
export { type Rung, type VerifyOptions, verify } from './verify.js'
