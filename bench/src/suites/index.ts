import type { Suite } from '../types.js'
import { autodiff } from './autodiff.js'
import { convolution } from './conv.js'
import { elementwise } from './elementwise.js'
import { gpu } from './gpu.js'
import { matmul } from './matmul.js'
import { paths } from './paths.js'
import { reductions } from './reductions.js'
import { series } from './series.js'
import { startup } from './startup.js'
import { taylor } from './taylor.js'
import { training } from './training.js'

export const suites: readonly Suite[] = [
  matmul,
  elementwise,
  reductions,
  convolution,
  series,
  autodiff,
  training,
  taylor,
  paths,
  startup,
  gpu,
]
