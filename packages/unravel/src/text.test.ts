import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expansionDocument } from '@unravel/report/data'
import { gpt2, initialise, type Model } from '@unravel/resnet'
import { writeModel } from '@unravel/resnet/node'
import { add, formatNpy, parseNpz, Random } from '@unravel/tensor'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runUnravel } from '../../../test/support/cli.js'
import { UsageError } from './errors.js'
import { byteTokenizer } from './oracles/tokenizer.js'
import { targetTerms } from './target.js'
import { readText } from './text.js'

const tokenizer = byteTokenizer([' Paris', ' London', 'The', ' capital', ' of', ' is', "'s", '12'])
const folder = mkdtempSync(join(tmpdir(), 'unravel-text-'))
const mlp = resolve(import.meta.dirname, '../../../test/fixtures/oracle/mlp-tanh')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A language model of that vocabulary with every number drawn, at λ = 0.3. */
beforeAll(() => {
  const config = gpt2.schema.parse({
    architecture: 'gpt2',
    ...{ n_embd: 12, n_layer: 2, n_head: 3, vocab_size: tokenizer.size, n_positions: 16 },
    scale: { rule: 'constant', value: 0.3 },
  })
  const random = new Random(5)
  const fresh = initialise(gpt2, config, { random, dtype: 'f64' }) as Model
  const tensors = Object.fromEntries(
    Object.entries(fresh.tensors).map(([name, t]) => [name, add(t, random.normal(t.shape, 0, 0.3, { dtype: 'f64' }))]),
  )
  const model = { ...fresh, tensors }
  for (const name of ['model', 'bare']) writeModel(join(folder, name), model)
  writeFileSync(join(folder, 'model', 'tokenizer.json'), JSON.stringify(tokenizer.json))
})

const run = (...argv: string[]) => runUnravel(argv, folder)
async function json(...argv: string[]) {
  const { status, stdout, stderr } = await run(...argv, '--json')
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}
const npy = (name: string, data: Float64Array | Int32Array, shape: number[]) =>
  writeFileSync(join(folder, name), formatNpy({ data, shape, dtype: data instanceof Int32Array ? 'i32' : 'f64' }))
const prompts = ['The capital of', 'The is Paris']
const both = prompts.flatMap(text => ['--prompt', text])
const [paris, london] = [' Paris', ' London'].map(text => tokenizer.encode(text)[0]!) as [number, number]

test('prompts are encoded as byte-pair encoding is defined', async () => {
  const text = (await readText('model', join(folder, 'model')))!
  for (const prompt of [
    ...[
      'The capital of Paris is 1212.',
      "It's  12  Londons,\n\n Paris\t",
      'naïve café',
      '日本 🙂 ',
      '   ',
      'x<|endoftext|>The',
    ],
    'capital capital ofofof',
  ]) {
    expect(text.ids(prompt), JSON.stringify(prompt)).toEqual(tokenizer.encode(prompt))
  }
  expect(tokenizer.encode(' Paris')).toHaveLength(1)
  expect(text.name(paris)).toBe('" Paris"')
  expect(text.name(tokenizer.size + 5)).toBe(`#${tokenizer.size + 5}`)
})

test('prompts in a batch give the numbers of their ids, and the tokens', async () => {
  const ids = prompts.map(prompt => tokenizer.encode(prompt))
  expect(ids.map(row => row.length)).toEqual([3, 3])
  npy('ids.npy', Int32Array.from(ids.flat()), [2, 3])
  const of = async (...inputs: string[]) => {
    const { seconds, ...rest } = expansionDocument.parse(await json('expand', 'model', ...inputs, '--values'))
    return rest
  }
  const { tokens, ...found } = await of(...both)
  expect(tokens).toEqual([
    ['"The"', '" capital"', '" of"'],
    ['"The"', '" is"', '" Paris"'],
  ])
  expect(found).toEqual(await of('--input', 'ids.npy'))
})

test.each(['paths', 'complexity', 'lesion', 'sweep', 'verify', 'report', 'run'])('%s takes prompts', async command => {
  const extra = { complexity: ['--probes', '2'], sweep: ['--steps', '2', '--orders', '2'], lesion: ['--draws', '1'] }
  const { status, stderr } = await run(command, 'model', '--prompt', 'The is', ...(extra[command as 'sweep'] ?? []))
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

describe('--target', () => {
  const gradient = async (...target: string[]) => {
    const found = await json('expand', 'model', ...both, '--expansion', 'gradient', '--values', ...target)
    return { values: (found.values as unknown[]).flat(Infinity) as number[], found }
  }

  test('takes an element, a token in quotes, or a difference of two', async () => {
    const [byId, byToken, other] = [
      await gradient('--target', String(paris)),
      await gradient('--target', '" Paris"'),
      await gradient('--target', "' London'"),
    ]
    expect(byToken.values).toEqual(byId.values)
    expect(byToken.found.target).toBe(`output ${paris} " Paris"`)
    for (const written of ['" Paris" - " London"', `" Paris"-${london}`]) {
      const { values } = await gradient('--target', written)
      const apart = values.map((v, i) => Math.abs(v - (byId.values[i]! - other.values[i]!)))
      expect(Math.max(...apart)).toBeLessThan(1e-13)
      expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(1e-2)
    }
  })

  test('takes tokens that are no text of their own as the vocabulary spells them', async () => {
    const vocab = { '[UNK]': 0, play: 1, '##ing': 2, '##s': 3 }
    const place = mkdtempSync(join(folder, 'pieces-'))
    const pieces = async (model: object, text: string) => {
      const json = { ...tokenizer.json, added_tokens: [], pre_tokenizer: { type: 'Whitespace' }, decoder: null, model }
      writeFileSync(join(place, 'tokenizer.json'), JSON.stringify(json))
      return (await readText('m', place))!.pieces(text)
    }
    const wordPiece = { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab }
    const found = ['play', '##ing', '[UNK]', 'playings'].map(text => pieces(wordPiece, text))
    expect(await Promise.all(found)).toEqual([[1], [2], [0], [1, 2, 3]])
    await expect(pieces(wordPiece, '##ed')).rejects.toThrow(UsageError)
    const text = (await readText('model', join(folder, 'model')))!
    // The first byte of É alone, and a token as it stands in the file, where a space is Ġ.
    expect(text.pieces('Ã')).toEqual([tokenizer.encode('É')[0]])
    expect(text.pieces('ĠParis')).toEqual([paris])
  })

  test('of taylor, gated and subsets gives each order through the functional, which sum to that of the output', async () => {
    const { outputs } = await json('run', 'model', ...both)
    const logits = outputs.output.values as number[][][]
    const wanted = logits.map(rows => rows[2]![paris]! - rows[2]![london]!)
    for (const expansion of ['gated', 'subsets', 'taylor']) {
      const orders = expansion === 'taylor' ? '30' : 'all'
      const argv = ['expand', 'model', ...both, '--expansion', expansion, '--orders', orders, '--values']
      const found = expansionDocument.parse(await json(...argv, '--target', '" Paris" - " London"'))
      expect(found.target).toBe(`output ${paris} " Paris" - output ${london} " London"`)
      const values = found.values as number[][][][]
      found.projected!.orders.forEach((row, k) =>
        row.forEach((v, b) => expect(v).toBeCloseTo(values[k]![b]![2]![paris]! - values[k]![b]![2]![london]!, 12)),
      )
      expect(found.projected!.output.map((v, b) => Math.abs(v! - wanted[b]!) < 1e-12)).toEqual([true, true])
      if (expansion === 'taylor') continue
      for (const b of [0, 1]) {
        const sum = found.projected!.orders.reduce((s, row) => s + row[b]!, 0)
        expect(Math.abs(sum - wanted[b]!)).toBeLessThan(1e-11)
      }
    }
  })

  test('of paths and complexity is what they look at', async () => {
    const paths = await json('paths', 'model', ...both, '--target', '" Paris"')
    expect(paths).toMatchObject({ target: paris, target_name: `output ${paris} " Paris"` })
    expect(paths.sum_norm).toEqual((await json('paths', 'model', ...both, '--target', String(paris))).sum_norm)
    const apart = await json('paths', 'model', ...both, '--target', '" Paris" - " London"')
    const { norms } = (await gradient('--target', '" Paris" - " London"', '--orders', 'all')).found
    expect(apart.target).toBeNull()
    apart.sum_norm.forEach((v: number, k: number) => expect(v / norms[k]).toBeCloseTo(1, 12))
    const one = await json('complexity', 'model', ...both, '--target', '" Paris" - " London"', '--orders', 'all')
    expect(one.standard_error).toBeNull()
    one.gram.forEach((row: number[], k: number) => expect(row[k]! / norms[k] ** 2).toBeCloseTo(1, 12))
  })

  test.each([
    ['several tokens, with its pieces', '" Pariss"', /--target " Pariss": it is 2 tokens, " Paris" "s"; expected one/],
    ['no token', '""', /--target "": it has no tokens/],
    ['an element outside of the vocabulary', '5000', /--target 5000: the model's outputs are 0 to \d+$/],
    ['a token minus itself', `" Paris" - ${paris}`, /is zero/],
    ['words without quotes', 'Paris', /'Paris' is invalid.*a token in quotes.*difference/],
    ['a difference of three', '1-2-3', /is invalid/],
    ['half a difference', '1-', /is invalid/],
    ['a negative element', '-2', /is invalid/],
  ])('refuses %s in one line', async (_, target, saying) => {
    const { status, stdout, stderr } = await run('expand', 'model', ...both, `--target=${target}`)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^unravel: [^\n]+\n$/)
    expect(stderr.trim()).toMatch(saying)
  })

  test('reads escapes, and quotes of the other kind within quotes', () => {
    const read = (text: string) => targetTerms(text)
    expect(read(String.raw`"\n" - '"'`)).toEqual(['\n', '"'])
    expect(read(String.raw`"a\"b" -  7`)).toEqual(['a"b', 7])
    expect(read(`'it\\'s "x"'`)).toEqual([`it's "x"`])
    expect(read('"\t- é"')).toEqual(['\t- é'])
  })
})

describe('--direction', () => {
  const width = tokenizer.size
  const at = (...elements: [number, number][]) => {
    const data = new Float64Array(width)
    for (const [i, v] of elements) data[i] = v
    return data
  }

  test('--direction is any linear functional of the output, of the last position where it is of one', async () => {
    npy('d.npy', at([paris, 1], [london, -1]), [width])
    const argv = ['expand', 'model', ...both, '--expansion', 'gradient', '--values']
    const wanted = await json(...argv, '--target', '" Paris" - " London"')
    expect((await json(...argv, '--direction', 'd.npy')).values).toEqual(wanted.values)
    const whole = new Float64Array(2 * 3 * width)
    for (const b of [0, 1]) whole.set(at([paris, 1], [london, -1]), (3 * b + 2) * width)
    npy('whole.npy', whole, [2, 3, width])
    expect((await json(...argv, '--direction', 'whole.npy')).values).toEqual(wanted.values)
    npy('first.npy', Float64Array.from([...at([0, 2]), ...at(), ...at()]), [3, width])
    const found = await json('expand', 'model', ...both, '--expansion', 'gated', '--direction', 'first.npy')
    const { outputs } = await json('run', 'model', ...both)
    const logits = outputs.output.values as number[][][]
    found.projected.output.forEach((v: number, b: number) => expect(v).toBeCloseTo(2 * logits[b]![0]![0]!, 12))
  })

  test.each([
    [
      'of another shape',
      new Float64Array(5).fill(1),
      [5],
      /expected the shape of the output, \[\d+\] or \[3,\d+\] or \[2,3,\d+\], got \[5\]/,
    ],
    ['of zeros', new Float64Array(width), [width], /zero everywhere/],
    ['that is not finite', at([0, Number.NaN]), [width], /must be finite/],
  ])('%s is refused in one line', async (_, data, shape, saying) => {
    npy('wrong.npy', data, shape)
    const { status, stderr } = await run('paths', 'model', ...both, '--direction', 'wrong.npy')
    expect(status).toBe(2)
    expect(stderr).toMatch(/^unravel: --direction wrong\.npy: [^\n]+\n$/)
    expect(stderr).toMatch(saying)
  })
})

test.each([
  [
    'prompts of unequal lengths, with the lengths',
    ['model', '--prompt', 'The is', '--prompt', 'The'],
    /got 2 of "The is", 1 of "The"/,
  ],
  ['an empty prompt', ['model', '--prompt', ''], /no tokens/],
  [
    'a prompt longer than the model takes',
    ['model', '--prompt', 'x'.repeat(40)],
    /longer than the model's n_positions, 16/,
  ],
  [
    'a prompt and a file',
    ['model', '--prompt', 'The', '--input', 'ids.npy'],
    /'--prompt <text>' cannot be used with option '--input <X.npy>'/,
  ],
  ['neither', ['model'], /required option '--input <X.npy>' not specified, nor --prompt/],
  ['a prompt without a tokenizer', ['bare', '--prompt', 'The'], /bare has no tokenizer\.json; give ids/],
  [
    'a token without a tokenizer',
    ['bare', '--input', 'ids.npy', '--target', '"The"'],
    /bare has no tokenizer\.json; give the number/,
  ],
  ['a prompt to a network of numbers', [mlp, '--prompt', 'The'], /takes no text/],
])('%s: exit 2 and one line', async (_, argv, saying) => {
  npy('ids.npy', Int32Array.of(1, 2, 3), [1, 3])
  const { status, stdout, stderr } = await run('expand', ...argv)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr.replace(/^warning: .*\n/gm, '')).toMatch(/^unravel: [^\n]+\n$/)
  expect(stderr).toMatch(saying)
})

test('tokenizer.json may begin with a byte order mark', async () => {
  writeFileSync(join(folder, 'bare', 'tokenizer.json'), `\ufeff${JSON.stringify(tokenizer.json)}`)
  expect(await run('run', 'bare', '--prompt', 'The')).toMatchObject({ status: 0 })
  rmSync(join(folder, 'bare', 'tokenizer.json'))
})

test('a broken tokenizer stops prompts, and is a warning beside ids', async () => {
  for (const [content, saying] of [
    ['{', /tokenizer\.json is not JSON/],
    [JSON.stringify({ ...tokenizer.json, pre_tokenizer: { type: 'Other' } }), /Unknown PreTokenizer type: Other/],
  ] as const) {
    writeFileSync(join(folder, 'bare', 'tokenizer.json'), content)
    const prompted = await run('run', 'bare', '--prompt', 'The')
    expect(prompted.status).toBe(2)
    expect(prompted.stderr).toMatch(saying)
    npy('ids.npy', Int32Array.of(1, 2, 3), [1, 3])
    const beside = await run('run', 'bare', '--input', 'ids.npy')
    expect(beside.status).toBe(0)
    expect(beside.stderr).toMatch(/^warning: bare: tokens have no names: /)
  }
  rmSync(join(folder, 'bare', 'tokenizer.json'))
})

const { model: vocabulary } = tokenizer.json as { model: object }
test.each<[string, unknown, RegExp]>([
  ['null', null, /"model" is undefined; expected an object with "type" and "vocab"/],
  ['no model', { ...tokenizer.json, model: null }, /"model" is null; expected an object/],
  [
    'no vocabulary',
    { ...tokenizer.json, model: { ...vocabulary, vocab: undefined } },
    /"model.vocab" is undefined; expected/,
  ],
  [
    'a number for a vocabulary',
    { ...tokenizer.json, model: { ...vocabulary, vocab: 7 } },
    /"model.vocab" is 7; expected/,
  ],
  [
    'no merges',
    { ...tokenizer.json, model: { ...vocabulary, merges: undefined } },
    /"model.merges" is undefined; expected a list/,
  ],
  [
    'merges of numbers',
    { ...tokenizer.json, model: { ...vocabulary, merges: [1, 2] } },
    /not as Hugging Face writes it/,
  ],
  [
    'a vocabulary of null',
    { ...tokenizer.json, model: { type: 'Unigram', vocab: [null], unk_id: 0 } },
    /not as Hugging Face writes it/,
  ],
  ['a text for added tokens', { ...tokenizer.json, added_tokens: [null] }, /not as Hugging Face writes it/],
])('tokenizer.json with %s is one error that says what it lacks', async (_, content, saying) => {
  const place = mkdtempSync(join(folder, 'hostile-'))
  writeFileSync(join(place, 'tokenizer.json'), JSON.stringify(content))
  const used = async () => (await readText('m', place))!.ids('The capital')
  await expect(used()).rejects.toThrow(UsageError)
  await expect(used()).rejects.toThrow(saying)
  await expect(used()).rejects.toThrow(/^m\/tokenizer\.json: .*give ids by --input in place of prompts$/)
})

test('tables name tokens, positions and blocks', async () => {
  const table = async (...argv: string[]) => (await run(...argv)).stdout
  const gated = await table('expand', 'model', ...both, '--expansion', 'gated', '--target', '" Paris"')
  expect(gated).toMatch(/^input 0: 0 "The" {2}1 " capital" {2}2 " of"$/m)
  expect(gated).toMatch(/^after position 2, " Paris", of input 1 the network says ".*"$/m)
  expect(gated).toMatch(new RegExp(`^output ${paris} " Paris" by order$`, 'm'))
  expect(gated).toMatch(/^blocks +h\.0\.attn, h\.0\.mlp, h\.1\.attn, h\.1\.mlp$/m)
  const gradient = await table('expand', 'model', ...both, '--expansion', 'gradient', '--target', '" Paris"')
  expect(gradient).toContain(`gradient (of output ${paris} " Paris") expansion of model`)
  expect(gradient).toMatch(/^1 +" capital" +[\d.e-]+/m)
  const paths = await table('paths', 'model', ...both, '--target', '" Paris" - " London"')
  expect(paths).toMatch(/^gradient paths of model, output \d+ " Paris" - output \d+ " London", 4 blocks$/m)
  for (const command of ['paths', 'sweep', 'complexity', 'verify']) {
    const text = command === 'paths' ? paths : await table(command, 'model', '--prompt', 'The is')
    expect(text, command).toMatch(/blocks: h\.0\.attn, h\.0\.mlp, h\.1\.attn, h\.1\.mlp/i)
  }
  expect((await run('report', 'model', ...both, '--target', '" Paris"', '--out', 'r.html')).status).toBe(0)
})

test('--by block, head, position and source divides the gated orders along the target', async () => {
  const argv = ['expand', 'model', '--prompt', 'The capital of', '--expansion', 'gated', '--orders', 'all']
  const target = ['--target', '" Paris" - " London"']
  const { projected, attribution: whole } = await json(...argv, ...target, '--by', 'block')
  expect(whole).toMatchObject({ by: 'block', names: ['h.0.attn', 'h.0.mlp', 'h.1.attn', 'h.1.mlp'] })
  const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThan(1e-12)
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
  projected.orders.forEach(([v]: number[], k: number) => {
    close(whole.totals[k], v!)
    close(sum(whole.blocks[k]), k * v!)
  })
  for (const [by, counts] of [
    ['head', [3, 0, 3, 0]],
    ['position', [3, 3, 3, 3]],
    ['source', [3, 3, 3, 3]],
  ] as const) {
    const { attribution } = await json(...argv, ...target, '--by', by)
    attribution.parts.forEach((row: number[][], k: number) => {
      expect(row.map(values => values.length)).toEqual(counts)
      row.forEach((values, l) => close(sum(values) + attribution.rest[k][l], whole.blocks[k][l]))
    })
    const { stdout } = await run(...argv, ...target, '--by', by)
    expect(stdout).toMatch(by === 'head' ? /^h\.1\.attn +head 2 +-?\d/m : /^h\.0\.mlp +1 " capital" +-?\d/m)
    if (by !== 'source') continue
    attribution.starts.forEach((row: number[], k: number) => expect(row, `order ${k}`).toHaveLength(3))
    expect(stdout).toMatch(/^h\.1\.attn +biases +-?\d/m)
    expect(stdout).toMatch(/position of the input at which they begin[\s\S]*^1 " capital" +-?\d[\s\S]*^biases +-?\d/m)
  }
  const wrong = await run('expand', mlp, '--input', join(mlp, 'input.npy'), '--expansion', 'gated', '--by', 'head')
  expect(wrong).toMatchObject({ status: 2, stdout: '' })
  expect(wrong.stderr).toMatch(/^unravel: .*: --by head: no block has heads of attention\n$/)
  expect((await run('expand', 'model', '--prompt', 'The', '--by', 'head')).stderr).toMatch(
    /--by is for --expansion gated/,
  )
  await run('report', 'model', '--prompt', 'The is', ...target, '--out', 'parts.html')
  const html = readFileSync(join(folder, 'parts.html'), 'utf8')
  for (const title of ['Heads', 'Positions', 'Sources']) expect(html.includes(`>${title}</text>`), title).toBe(true)
  expect(html.includes('1 &quot; is&quot;') || html.includes('1 " is"')).toBe(true)
})

test('what the network says next is the largest logit', async () => {
  const { stdout } = await run('run', 'model', '--prompt', 'The capital of', '--out', 'y.npz')
  expect(stdout).toMatch(/^output/)
  const { data } = parseNpz(readFileSync(join(folder, 'y.npz'))).get('output')!
  const last = Array.from(data as Float64Array).slice(-tokenizer.size)
  const text = (await readText('model', join(folder, 'model')))!
  const table = await run('expand', 'model', '--prompt', 'The capital of', '--expansion', 'gated', '--orders', 'all')
  const says = /the network says (.*)$/m.exec(table.stdout)![1]
  expect(says).toBe(text.name(last.indexOf(Math.max(...last))))
  // All orders together say the same.
  expect(table.stdout).toMatch(new RegExp(`^4 .* ${says!.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`, 'm'))
})
