import { expect, test } from 'vitest'
import { columns, count, percent, significant } from './table.js'

test('columns line up, whatever characters are in them', () => {
  expect(
    columns(
      [
        ['name', 'λ'],
        ['a', '1/√n'],
        ['bc', '10'],
      ],
      1,
    ),
  ).toBe('name      λ\na      1/√n\nbc       10\n')
})

test('numbers keep their significant digits', () => {
  expect([0, 1, 0.0312345, 12.3456, -4.5e-7, 123456].map(x => significant(x))).toEqual([
    '0',
    '1.000',
    '0.03123',
    '12.35',
    '-4.500e-7',
    '1.235e+5',
  ])
  expect([null, Number.NaN, Infinity, -Infinity].map(x => significant(x))).toEqual(['—', '—', 'infinite', '-infinite'])
})

test('a share that is not zero never reads as zero', () => {
  expect([0, 1e-9, 0.0006, 0.5, 1, Number.NaN].map(percent)).toEqual([
    '0.0 %',
    '<0.1 %',
    '0.1 %',
    '50.0 %',
    '100.0 %',
    '—',
  ])
})

test('counts are exact while they can be read', () => {
  expect(count(999999999999n)).toBe('999999999999')
  expect(count(1234567890123456789n)).toBe('1.234e+18')
})
