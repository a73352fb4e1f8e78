import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as unravel from './index.js'
import * as ops from './ops/index.js'

const text = readFileSync(new URL('../FEATURES.md', import.meta.url), 'utf8')
/** The names in backticks in the column of our names. */
const named = text.split('\n').flatMap(line => {
  const ours = line.split('|')[2] ?? ''
  return ours.includes('missing') ? [] : [...ours.matchAll(/`(?:new )?(\w+)[^`]*`/g)].map(m => m[1]!)
})

it('FEATURES.md names functions that exist', () => {
  const exists = (name: string) => name in unravel || name in unravel.Random.prototype
  expect(named.filter(name => !exists(name) && !['t', 'console', 'await'].includes(name))).toEqual([])
})

it('FEATURES.md names every op', () => {
  // Pieces of losses and norms, and the derivative of relu, have no counterpart by name.
  const pieces = ['batchMoments', 'meanSquare', 'step', 'sumSquares']
  const known = new Set([...named, ...pieces])
  expect(Object.keys(ops).filter(name => !known.has(name))).toEqual([])
})
