// What a page can show as the command line does; nothing here touches files or the terminal.
export { documentOf, type ExpansionDocument, expansionDocument, type Nested, type Provenance } from '../document.js'
export { type ExpansionChoice, expandBy, expansions } from '../expandBy.js'
export { expansionTable, type Heading } from '../expansionTable.js'
export { countingFallbacks } from '../fallbacks.js'
export { figureScript } from './figureScript.js'
export { glossary, type Term, termsIn } from './glossary.js'
export { type ReportOptions, reportOf } from './network.js'
export { type Part, type Report, reportPage, type Section } from './page.js'
export {
  type Axis,
  type BarPlot,
  barPlot,
  type Curve,
  type HeatMap,
  heatMap,
  type LinePlot,
  linePlot,
  palette,
} from './plot.js'
