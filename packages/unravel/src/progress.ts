import { SingleBar } from 'cli-progress'
import type { Io } from './io.js'

/** Something that shows how far a run is. */
export interface Progress {
  update(done: number, note?: string): void
  stop(): void
}

/** Milliseconds that a run may take without a word, and between two lines where standard error is no terminal. */
const QUIET = 1000
const BETWEEN_LINES = 10_000

/**
 * How far a run is, and the time left if it goes on as it began: a bar on the terminal that standard error is, wiped when it
 * stops; a line every ten seconds where it is none. Runs of less than a second show nothing.
 */
export function progressBar(io: Io, label: string, total: number, unit: string): Progress {
  const started = performance.now()
  let told = started
  let bar: SingleBar | undefined
  return {
    update(done, note = '') {
      const now = performance.now()
      if (total === 0 || now - started < QUIET) return
      const left = timeLeft(now - started, done, total)
      if (io.terminal !== undefined) {
        bar ??= begun(io.terminal, label, total, unit)
        bar.update(Math.floor(done), { note, left })
      } else if (now - told >= BETWEEN_LINES && done < total) {
        told = now
        io.err(`${[`${label}: ${Math.floor(done)} of ${total} ${unit}`, left, note].filter(Boolean).join(', ')}\n`)
      }
    },
    stop() {
      bar?.stop()
    },
  }
}

function begun(stream: NodeJS.WriteStream, label: string, total: number, unit: string): SingleBar {
  const bar = new SingleBar({
    stream,
    format: `${label} {bar} {value}/{total} ${unit}  {left}  {note}`,
    barCompleteChar: '█',
    barIncompleteChar: '·',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    gracefulExit: false,
  })
  bar.start(total, 0, { note: '', left: '' })
  return bar
}

/** `12 s left`, for `elapsed` milliseconds behind `done` of `total`; nothing before the first part is done. */
export function timeLeft(elapsed: number, done: number, total: number): string {
  if (!(done > 0)) return ''
  const seconds = Math.round((elapsed * (total - done)) / done / 1000)
  if (seconds < 100) return `${seconds} s left`
  const minutes = Math.round(seconds / 60)
  return minutes < 100 ? `${minutes} min left` : `${Math.round(minutes / 60)} h left`
}

/** A run of several stages, of about the given shares of its time: a reporter for each, told of what is done, of how much. */
export function stages<Name extends string>(
  io: Io,
  label: string,
  shares: Readonly<Record<Name, number>>,
): Progress & { readonly of: (name: Name) => (done: number, of: number) => void } {
  const names = Object.keys(shares) as Name[]
  const whole = names.reduce((sum, name) => sum + shares[name], 0)
  const progress = progressBar(io, label, 100, '%')
  return {
    ...progress,
    of: name => {
      const before = names.slice(0, names.indexOf(name)).reduce((sum, other) => sum + shares[other], 0)
      return (done, of) => progress.update((100 * (before + (shares[name] * done) / of)) / whole)
    },
  }
}
