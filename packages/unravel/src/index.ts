export type { Io } from './io.js'
export { main } from './main.js'
export { program } from './program.js'
export * from './report.js'
