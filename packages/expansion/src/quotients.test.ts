import { expect, it } from 'vitest'
import { differenceQuotients } from './quotients.js'

// Beside 1, differences over small steps are multiples of 2^-53: over the smallest ones they vanish, and agree at that.
const small = 1e-6
const line = (t: number) => ({ value: Float64Array.of(1 + small * (Math.sin(t) + t * t)), samePiece: true })

it('derivatives that are small beside the value are not taken from steps on which rounding hides them', () => {
  const { first, second } = differenceQuotients(line, 1, { first: 0, second: 0 })!
  expect(Math.abs(first.value[0]! - small)).toBeLessThan(first.uncertainty)
  expect(Math.abs(second.value[0]! - 2 * small)).toBeLessThan(second.uncertainty)
  expect(first.uncertainty).toBeLessThan(1e-6 * small)
  expect(second.uncertainty).toBeLessThan(1e-6 * small)
})
