import { SingleBar } from 'cli-progress'
import type { Io } from './io.js'

/** Something that shows how far a run is. */
export interface Progress {
  update(done: number, note?: string): void
  stop(): void
}

/** A bar on the terminal that standard error is; nothing where it is none. It is wiped when it stops. */
export function progressBar(io: Io, label: string, total: number, unit: string): Progress {
  if (io.terminal === undefined || total === 0) return { update() {}, stop() {} }
  const bar = new SingleBar({
    stream: io.terminal,
    format: `${label} {bar} {value}/{total} ${unit}  {note}`,
    barCompleteChar: '█',
    barIncompleteChar: '·',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    gracefulExit: false,
  })
  bar.start(total, 0, { note: '' })
  return {
    update(done, note = '') {
      bar.update(done, { note })
    },
    stop() {
      bar.stop()
    },
  }
}
