import { allOrNothing } from './owner.js'

// How many reverse-mode tapes are recording: while one is, intermediate values must outlive their scopes.
let recording = 0

export const tapesRecording = (): number => recording

export function whileRecording<T>(body: () => T): T {
  recording++
  try {
    return body()
  } finally {
    recording--
  }
}

// Levels of interpreters, innermost highest: a fresh one for every grad, series or gated that starts.
let depth = 0

/** Runs `body` with a level of its own, one above every interpreter in force. */
export function atFreshLevel<T>(body: (level: number) => T): T {
  depth++
  try {
    return allOrNothing(body, depth)
  } finally {
    depth--
  }
}
