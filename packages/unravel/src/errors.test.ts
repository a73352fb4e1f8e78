import { expect, test } from 'vitest'
import { lessMemory } from './errors.js'
import { program } from './program.js'

test('the advice on too little memory names options that the command has', () => {
  const io = { cwd: '/', out() {}, err() {}, interruption: () => new AbortController().signal }
  const { commands } = program(io)
  expect(commands.length).toBeGreaterThan(9)
  for (const command of commands) {
    const named = lessMemory(command).match(/--[\w-]+/g) ?? []
    for (const option of named)
      expect(
        command.options.map(o => o.long),
        command.name(),
      ).toContain(option)
    if (command.options.some(o => o.long === '--input')) expect(named).toContain('--input')
  }
  const expand = commands.find(command => command.name() === 'expand')!
  expect(lessMemory(expand)).toBe('fewer inputs in --input, fewer --orders, fewer --samples or --dtype f32')
  expand.setOptionValue('dtype', 'f32')
  expect(lessMemory(expand)).not.toContain('--dtype')
  expect(lessMemory(expand, new RangeError('Array buffer allocation failed'))).not.toContain('--backend')
  const exhausted = new RangeError('Out of WebAssembly memory: f32[2048,6144] needs 50.3 MB')
  expect(lessMemory(expand, exhausted)).toMatch(/fewer --samples or --backend js \(wasm has at most 4 GiB\)$/)
})
