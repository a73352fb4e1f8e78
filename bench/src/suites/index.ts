import type { Suite } from '../types.js'
import { autodiff } from './autodiff.js'
import { commandLine } from './commands.js'
import { convolution } from './conv.js'
import { elementwise } from './elementwise.js'
import { gpu } from './gpu.js'
import { graphs } from './graphs.js'
import { language } from './language.js'
import { matmul } from './matmul.js'
import { paths } from './paths.js'
import { reductions } from './reductions.js'
import { series } from './series.js'
import { startup } from './startup.js'
import { networkSteps } from './steps.js'
import { studies } from './studies.js'
import { taylor } from './taylor.js'
import { training } from './training.js'

/** Small ops come first, while the process is young: they measure what it costs to get to a kernel. */
export const suites: readonly Suite[] = [
  autodiff,
  matmul,
  elementwise,
  reductions,
  convolution,
  series,
  training,
  taylor,
  paths,
  networkSteps,
  graphs,
  startup,
  commandLine,
  language,
  studies,
  gpu,
]
