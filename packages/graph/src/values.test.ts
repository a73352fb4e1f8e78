import { tensor } from '@unravel/tensor'
import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.js'
import { folded } from './fold.js'
import { modelOf } from './oracles/onnx.js'
import { readGraph } from './read.js'

describe.each(['toString', 'constructor', 'hasOwnProperty', '__proto__'])('a value that is called "%s"', name => {
  const model = (from: string, to: string) =>
    readGraph(
      modelOf({
        nodes: [
          { op: 'Neg', inputs: [from], outputs: [to] },
          { op: 'Abs', inputs: [to], outputs: ['end'] },
        ],
        inputs: [{ name: from, shape: ['n'] }],
        outputs: [{ name: to }, { name: 'end' }],
      }),
    )
  const x = tensor([1, -2])

  it('is an output as any other', () => {
    const outputs = evaluate(model('x', name), { x })
    expect(Object.keys(outputs)).toEqual([name, 'end'])
    expect(Object.entries(outputs).map(([, y]) => y.toArray())).toEqual([
      [-1, 2],
      [1, 2],
    ])
  })

  it('is an input as any other, missing where it is not given', () => {
    expect(evaluate(model(name, 'y'), Object.fromEntries([[name, x]])).end!.toArray()).toEqual([1, 2])
    expect(() => evaluate(model(name, 'y'), {})).toThrow(`the input "${name}" is missing`)
  })

  it('keeps its open shape where it is not given to what the graph is folded for', () => {
    const graph = readGraph(
      modelOf({
        nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
        inputs: [
          { name: 'x', shape: ['n'] },
          { name, shape: ['m', 2] },
        ],
        outputs: [{ name: 'y' }],
      }),
    )
    expect(folded(graph, { x }).inputs.map(i => i.shape)).toEqual([[2], ['m', 2]])
  })
})
