// Pure functions from data to JSON, text, SVG and HTML; nothing here touches files or the terminal.
export * from './data.js'
export { demoReport } from './demo/report.js'
export { figureScript } from './figureScript.js'
export { glossary, type Term, termsIn } from './glossary.js'
export {
  type ExamineOptions,
  examine,
  type Network,
  networksPage,
  type ReportOptions,
  reportOf,
  stagesOfExamine,
} from './network.js'
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
export { streamPicture } from './stream.js'
export { type Course, trainingParts } from './training.js'
