import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { progressBar, stages, timeLeft } from './progress.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

function output() {
  const lines: string[] = []
  const io = {
    cwd: '/',
    out() {},
    err: (text: string) => void lines.push(text),
    interruption: () => new AbortController().signal,
  }
  return { lines, io }
}

test('a quick run says nothing', () => {
  const { lines, io } = output()
  const progress = progressBar(io, 'paths', 10, 'blocks')
  for (let i = 1; i <= 10; i++) {
    vi.advanceTimersByTime(90)
    progress.update(i)
  }
  progress.stop()
  expect(lines).toEqual([])
})

test('without a terminal a long run says every ten seconds how far it is and what is left', () => {
  const { lines, io } = output()
  const progress = progressBar(io, 'paths', 100, 'blocks')
  for (let i = 1; i <= 100; i++) {
    vi.advanceTimersByTime(300)
    progress.update(i, 'loss 1')
  }
  expect(lines).toEqual([
    'paths: 34 of 100 blocks, 20 s left, loss 1\n',
    'paths: 68 of 100 blocks, 10 s left, loss 1\n',
  ])
})

test('stages fill the whole by their shares', () => {
  const { lines, io } = output()
  const progress = stages(io, 'report', { first: 1, second: 3 })
  vi.advanceTimersByTime(20_000)
  progress.of('second')(1, 2)
  expect(lines).toEqual(['report: 62 of 100 %, 12 s left\n'])
})

test('time left reads in seconds, minutes or hours', () => {
  expect(timeLeft(1000, 0, 10)).toBe('')
  expect(timeLeft(1000, 1, 10)).toBe('9 s left')
  expect(timeLeft(60_000, 1, 10)).toBe('9 min left')
  expect(timeLeft(3_600_000, 1, 4)).toBe('3 h left')
})
