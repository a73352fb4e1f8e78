import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Queue } from 'bullmq'
import { Command, Option } from 'commander'
import { parquetReadObjects } from 'hyparquet'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startUnravel } from '../../../../test/support/cli.js'
import { writeImages } from '../../../../test/support/images.js'
import { trainCommand } from '../commands/train.js'
import { parseStudy } from './plan.js'
import { csvOf } from './results.js'
import { crc32c, eventFile } from './tensorboard.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'unravel-study-'))
  writeImages(join(folder, 'data'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const silent = { cwd: '.', out: () => {}, err: () => {}, interruption: () => new AbortController().signal }

/** A command with a few options of `train`. */
const train = () =>
  new Command('train')
    .requiredOption('--out <FOLDER>')
    .option('--data <name>')
    .option('--depth <n>', '', Number, 20)
    .option('--momentum <m>', '', Number)
    .option('--metrics <FILE>')
    .option('--trainable-scale')
    .addOption(new Option('--scale <rule>').argParser(text => text.replace('constant:', '')))
    .addOption(new Option('--norm <name>').choices(['none', 'layer']))
const plan = (study: object) => parseStudy(JSON.stringify({ name: 'study', ...study }), 'study.json', train)

describe('a study file', () => {
  test('bounds the message about fields that it does not know', () => {
    const name = 'x'.repeat(1e5)
    for (const expand of [{ [name]: 1 }, Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}`, i]))]) {
      let message = ''
      try {
        parseStudy(JSON.stringify({ name: 's', expand }), 'study.json', train)
      } catch (error) {
        message = (error as Error).message
      }
      expect(message).toMatch(/^study\.json: expand\.(x+…|key0: ).*; expected orders, every$/)
      expect(message.length).toBeLessThanOrEqual(2000)
    }
  })

  test('gives every point of the grid, the last key fastest', () => {
    const { jobs, varied } = plan({
      train: { data: 'mnist', depth: 5 },
      grid: { depth: [1, 2], norm: ['none', 'layer'] },
    })
    expect(jobs.map(job => [job.train.depth, job.train.norm])).toEqual([
      [1, 'none'],
      [1, 'layer'],
      [2, 'none'],
      [2, 'layer'],
    ])
    expect(varied).toEqual(['depth', 'norm'])
    expect(jobs.every(({ train }) => train.data === 'mnist')).toBe(true)
  })

  test('combines every entry of a list with the grid', () => {
    const { jobs } = plan({ list: [{ norm: 'none', momentum: 0.5 }, { norm: 'layer' }], grid: { depth: [1, 2] } })
    expect(jobs.map(job => job.train)).toEqual([
      { depth: 1, momentum: 0.5, norm: 'none' },
      { depth: 2, momentum: 0.5, norm: 'none' },
      { depth: 1, norm: 'layer' },
      { depth: 2, norm: 'layer' },
    ])
  })

  test('counts configurations that mean the same as one job', () => {
    const ids = (study: object) => plan(study).jobs.map(job => job.id)
    expect(ids({ grid: { scale: [1, '1', 'constant:1'] } })).toHaveLength(1)
    expect(ids({ train: { depth: 20 } })).toEqual(ids({}))
    expect(ids({ train: { 'trainable-scale': false } })).toEqual(ids({}))
    expect(ids({ train: { 'trainable-scale': true } })).not.toEqual(ids({}))
    expect(ids({ expand: { orders: 9 } })).not.toEqual(ids({}))
    expect(ids({})[0]).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each([
    ['{', /^study.json: it is no JSON: /],
    ['{}', /^study.json: name: /],
    ['{"name":"a","wide":1}', /^study.json: .*wide/],
    ['{"name":"a","grid":{"depth":[]}}', /^study.json: grid.depth: /],
    ['{"name":"a","grid":{"depth":1}}', /^study.json: grid.depth: /],
    [
      '{"name":"a","train":{"dept":1}}',
      /^study.json: train.dept: it is no option of unravel train; expected data, depth/,
    ],
    ['{"name":"a","list":[{"dept":1}]}', /^study.json: list.0.dept: /],
    ['{"name":"a","train":{"out":"x"}}', /^study.json: train.out: the study sets it itself/],
    ['{"name":"a","grid":{"norm":["none","group"]}}', /^study.json: .*grid\.norm.*group/],
    ['{"name":"a","train":{"norm":"group"},"grid":{"depth":[1]}}', /^study.json: .*train\.norm.*group/],
    ['{"name":"a","list":[{"norm":"none"},{"norm":"group"}]}', /^study.json: .*list\.1\.norm.*group/],
    [
      '{"name":"a","train":{"depth":null}}',
      /^study.json: train.depth: expected a text, a number, true or false; got null$/,
    ],
    [
      JSON.stringify({ name: 'a', grid: { depth: Array(400).fill(1), momentum: Array(400).fill(1) } }),
      /^study.json: grid: it has 160000 points; expected at most 100000$/,
    ],
    ['{"name":"a","expand":{"orders":-1}}', /^study.json: expand.orders: expected an integer from 0 to 1000; got -1$/],
    [
      '{"name":"a","expand":{"order":1}}',
      /^study.json: expand.order: a study has no such field; expected orders, every; did you mean orders\?$/,
    ],
    ['{"name":"a","grids":{}}', /^study.json: grids: a study has no such field; .*; did you mean grid\?$/],
    ['[]', /^study.json: expected an object with the fields of a study; got \[\]$/],
    ['{"name":"a","train":3}', /^study.json: train: expected an object of options of unravel train; got 3$/],
    ['{"name":"a","train":{"depth":true}}', /^study.json: train.depth: expected .*; got true$/],
    ['{"name":"a","train":{"data":true}}', /^study.json: train.data: expected a text or a number; got true$/],
    ['{"name":"a","grid":{"depth":[1,1e999]}}', /^study.json: grid.depth.1: expected .*; got Infinity$/],
    [
      '{"name":"a","train":{"trainable-scale":1}}',
      /^study.json: train.trainable-scale: expected true or false; got 1$/,
    ],
    ['{"name":"a","train":{"__proto__":1}}', /^study.json: train.__proto__: it is no option/],
    ['{"name":"a","grid":{"__proto__":[1]}}', /^study.json: grid.__proto__: it is no option/],
    ['{"name":"a","list":[{"__proto__":1}]}', /^study.json: list.0.__proto__: it is no option/],
    ['{"name":"a","__proto__":1}', /^study.json: __proto__: a study has no such field/],
    ['{"name":"a","train":{"momentumm":1}}', /; did you mean momentum\?$/],
  ])('%s is refused by the name of the field', (text, message) => {
    expect(() => parseStudy(text, 'study.json', train)).toThrow(message)
  })

  test('may begin with a byte order mark', () => {
    expect(parseStudy('\ufeff{"name":"a"}', 'study.json', train).jobs).toHaveLength(1)
  })

  test.each([
    [{ train: { model: 'resnet' } }, 'train.data: it is missing; expected data set: '],
    [
      { train: { data: 'x', model: 'resnet', depth: 3 } },
      'train.depth: it is of residual-mlp; a resnet takes --layers',
    ],
    [{ train: { data: 'x' }, grid: { model: ['residual-mlp', 'vit'], norm: ['layer'] } }, 'grid.norm: it is of '],
    [{ train: { data: 'x', steps: 3 }, grid: { epochs: [1, 2] } }, 'train.steps cannot be used with grid.epochs'],
    [{ train: { data: 'x', depth: -1 } }, 'train.depth: expected an integer from 0 to 65536; got -1'],
    [{ train: { data: 'x' }, grid: { optimizer: ['adam'] } }, 'grid.optimizer: expected one of sgd, adamw; got "adam"'],
  ])('%j is refused by the options of unravel train', (study, message) => {
    const refused = () => parseStudy(JSON.stringify({ name: 'a', ...study }), 'study.json', () => trainCommand(silent))
    expect(refused).toThrow(`study.json: ${message}`)
  })

  test.each([
    { ['x'.repeat(1e5)]: 1 },
    { train: { ['x'.repeat(1e5)]: 1 } },
    { train: { ['x'.repeat(1e5)]: null } },
    { grid: { depth: 'x'.repeat(1e5) } },
  ])('very long names and values are shortened in errors (%#)', study => {
    let said = ''
    try {
      plan(study)
    } catch (error) {
      said = (error as Error).message
    }
    expect(said).toMatch(/^study.json: /)
    expect(said.length).toBeLessThan(600)
  })
})

describe('tables', () => {
  test('CSV quotes commas, quotes and line breaks', () => {
    const text = csvOf({
      columns: ['a', 'b'],
      rows: [
        ['x,y', 'say "no"'],
        ['two\nlines', null],
        [0.5, true],
      ],
    })
    expect(text).toBe('a,b\r\n"x,y","say ""no"""\r\n"two\nlines",\r\n0.5,true\r\n')
  })
})

describe('event files', () => {
  // The check value that the catalogue of CRCs gives for CRC-32C.
  test('CRC-32C of 123456789 is e3069283', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  })

  test('hold the version, then one scalar each, in frames whose checksums hold', () => {
    const file = eventFile([
      { tag: 'loss', step: 3, value: 0.25 },
      { tag: 'radius', step: 300, value: -2 },
    ])
    expect(scalarsOf(file)).toEqual([
      ['loss', 3, 0.25],
      ['radius', 300, -2],
    ])
  })
})

/** Tag, step and value of every event but the first, which tells the version. */
function scalarsOf(file: Buffer): [tag: string, step: number, value: number][] {
  const [version, ...events] = recordsOf(file).map(record => fieldsOf(record))
  expect(version!.get(3)!.toString()).toBe('brain.Event:2')
  return events.map(event => {
    const value = fieldsOf(fieldsOf(event.get(5) as Buffer).get(1) as Buffer)
    return [value.get(1)!.toString(), event.get(2) as number, (value.get(2) as Buffer).readFloatLE()]
  })
}

/** The records of a TFRecord file. */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = []
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at))
    const data = file.subarray(at + 12, at + 12 + length)
    expect(unmasked(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)))
    expect(unmasked(file.readUInt32LE(at + 12 + length))).toBe(crc32c(data))
    records.push(data)
    at += 16 + length
  }
  return records
}

function unmasked(value: number): number {
  const turned = (value - 0xa282ead8) >>> 0
  return ((turned >>> 17) | (turned << 15)) >>> 0
}

/** The fields of a protocol buffer, the last of each number. */
function fieldsOf(message: Buffer): Map<number, Buffer | number> {
  const fields = new Map<number, Buffer | number>()
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const key = varint()
    const wire = key & 7
    if (wire === 0) fields.set(key >> 3, varint())
    else {
      const length = wire === 2 ? varint() : wire === 1 ? 8 : 4
      fields.set(key >> 3, message.subarray(at, at + length))
      at += length
    }
  }
  return fields
}

const settings = { data: 'data', width: 8, batch: 16, steps: 4, activation: 'tanh' }
const write = (name: string, study: object) =>
  writeFileSync(join(folder, name), JSON.stringify({ name: 'small', ...study }))
const run = (...argv: string[]) => startUnravel(argv, folder).outcome
const read = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8')
const lines = (text: string) => text.trimEnd().split('\n')

describe('unravel study', () => {
  test('trains and expands every job, goes on where it stopped, and gives the same bytes again', async () => {
    write('grid.json', {
      train: settings,
      grid: { depth: [2, 3], scale: ['1/n', '1/sqrt(n)'], seed: [0, 1] },
      expand: { orders: 5 },
    })
    const dry = await run('study', 'grid.json', '--out', 'grid', '--dry-run')
    expect({ status: dry.status, jobs: lines(dry.stdout).length - 1, there: existsSync(join(folder, 'grid')) }).toEqual(
      {
        status: 0,
        jobs: 8,
        there: false,
      },
    )

    const first = await run('study', 'grid.json', '--out', 'grid', '--workers', '2', '--tensorboard')
    expect(first.status).toBe(0)
    expect(readdirSync(join(folder, 'grid')).sort()).toEqual(
      ['jobs', 'report.html', 'results.csv', 'results.jsonl', 'results.parquet', 'tensorboard'].sort(),
    )
    const text = read('grid', 'results.jsonl')
    const rows = lines(text).map(line => JSON.parse(line))
    expect(rows.map(row => [row.train.depth, row.train.scale, row.train.seed]).slice(0, 3)).toEqual([
      [2, '1/n', 0],
      [2, '1/n', 1],
      [2, '1/sqrt(n)', 0],
    ])
    for (const { result, train } of rows) {
      expect(result).toMatchObject({ ended: 'done', steps: 4 })
      expect(result.losses.map((point: { step: number }) => point.step)).toEqual([1, 2, 3, 4])
      expect(result.gated.share).toHaveLength(train.depth + 1)
      expect(result.taylor.share).toHaveLength(6)
      expect(result.taylor.remainder).toHaveLength(6)
      expect(Math.min(...result.taylor.remainder)).toBe(result.taylor.best_remainder)
    }
    const parquet = readFileSync(join(folder, 'grid', 'results.parquet'))
    const table = await parquetReadObjects({
      file: parquet.buffer.slice(parquet.byteOffset, parquet.byteOffset + parquet.length),
    })
    expect(table.map(row => row.loss)).toEqual(rows.map(row => row.result.loss))
    expect(lines(read('grid', 'results.csv'))).toHaveLength(9)
    expect(read('grid', 'report.html')).toContain('test accuracy')

    // One result is lost: only its job runs again.
    const lost = join(folder, 'grid', 'jobs', `${rows[5].id}.json`)
    const kept = readFileSync(lost, 'utf8')
    rmSync(lost)
    const second = await run('study', 'grid.json', '--out', 'grid')
    expect({ status: second.status, told: second.stderr }).toEqual({
      status: 0,
      told: '7 of 8 jobs were finished before\n',
    })
    expect(readFileSync(lost, 'utf8')).toBe(kept)
    expect(read('grid', 'results.jsonl')).toBe(text)
  })

  test('a job that fails is a row with its error; the others go on, and the exit status is 1', async () => {
    write('fails.json', { train: settings, grid: { data: ['nowhere', 'data'], depth: [1] } })
    const { status, stderr } = await run('study', 'fails.json', '--out', 'fails', '--workers', '1')
    expect(status).toBe(1)
    expect(stderr).toMatch(/1 of 2 jobs failed, the first \{.*"data":"nowhere".*nowhere/)
    const [bad, good] = lines(read('fails', 'results.jsonl')).map(line => JSON.parse(line))
    expect([bad.error, good.result.ended]).toEqual([expect.stringContaining('nowhere'), 'done'])
    expect(readdirSync(join(folder, 'fails', 'jobs'))).toEqual([`${good.id}.json`])
  })

  test('expand.every records the spectra of every network through its training, and the page draws them', async () => {
    write('every.json', { train: settings, grid: { depth: [2, 3] }, expand: { orders: 3, every: 2 } })
    expect(await run('study', 'every.json', '--out', 'every', '--tensorboard')).toMatchObject({ status: 0 })
    for (const { id, result, train } of lines(read('every', 'results.jsonl')).map(line => JSON.parse(line))) {
      expect(result.orders.map((record: { step: number }) => record.step)).toEqual([2, 4])
      expect(result.orders[1].gated.share).toEqual(result.gated.share)
      expect(result.orders[1].coherence).toHaveLength(train.depth + 1)
      const run = join(folder, 'every', 'tensorboard', id.slice(0, 12))
      const scalars = scalarsOf(readFileSync(join(run, readdirSync(run)[0]!)))
      const steps = (wanted: string) => scalars.flatMap(([tag, step]) => (tag === wanted ? [step] : []))
      expect([steps('loss'), steps('gated_mean_order'), steps('test_accuracy')]).toEqual([[1, 2, 3, 4], [2, 4], [4]])
      expect(scalars).toContainEqual(['gated_share/order 1', 2, Math.fround(result.orders[0].gated.share[1])])
    }
    expect(read('every', 'report.html')).toContain('Orders through training')
  })

  test('a network that diverges is a result', async () => {
    write('diverges.json', {
      train: { ...settings, depth: 300, scale: 1, activation: 'relu', lr: 10, optimizer: 'sgd' },
    })
    expect((await run('study', 'diverges.json', '--out', 'diverges')).status).toBe(0)
    expect(JSON.parse(read('diverges', 'results.jsonl')).result).toMatchObject({ ended: 'diverged', gated: null })
  })

  test('refuses a folder of other files, and a server that is none', async () => {
    write('one.json', { train: settings })
    const other = await run('study', 'one.json', '--out', 'data')
    expect([other.status, other.stderr]).toEqual([2, 'unravel: --out data: it holds other files; name a new folder\n'])
    const absent = await run('study', 'one.json', '--out', 'one', '--redis', 'http://localhost')
    expect([absent.status, absent.stderr]).toEqual([2, expect.stringMatching(/^unravel: --redis .*expected redis:/)])
  })

  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['says nothing', () => {}, /no answer in 10 seconds; is it a Redis server\?/],
    ['closes', socket => socket.end(), /closed.*; is it a Redis server\?/],
    ['speaks HTTP', socket => socket.once('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n')), /; is it a Redis/],
  ])('a server that %s is refused before the folder is made', async (_, answer, message) => {
    write('one.json', { train: settings })
    const server = createServer(socket => answer(socket.on('error', () => {}))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const { status, stderr } = await run('study', 'one.json', '--out', 'never', '--redis', `redis://127.0.0.1:${port}`)
    server.close()
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)])
    expect([lines(stderr).length, existsSync(join(folder, 'never'))]).toEqual([1, false])
  })

  test('a study whose jobs are all done needs no server', async () => {
    write('done.json', { train: settings })
    expect((await run('study', 'done.json', '--out', 'done')).status).toBe(0)
    const again = await run('study', 'done.json', '--out', 'done', '--redis', 'redis://127.0.0.1:1')
    expect(again).toMatchObject({ status: 0, stderr: '1 of 1 jobs were finished before\n' })
  })
})

const redis = (() => {
  try {
    return execFileSync('which', ['redis-server'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    console.log('Studies through Redis were not tested: there is no redis-server here (apt-get install redis-server).')
    return undefined
  }
})()

const freePort = (): Promise<number> =>
  new Promise(resolve => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })

/** A server of this machine alone that keeps nothing, once it accepts connections. */
async function redisServer(...argv: readonly string[]): Promise<ChildProcess> {
  const server = spawn(redis!, [...argv, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'])
  await new Promise<void>(resolve => server.stdout.on('data', text => /ready to accept/i.test(text) && resolve()))
  return server
}

describe.runIf(redis !== undefined)('unravel study through Redis', () => {
  let port: number
  let server: ChildProcess
  const started: ChildProcess[] = []
  const serve = async () => {
    server = await redisServer('--port', String(port))
  }
  beforeAll(async () => {
    port = await freePort()
    await serve()
  })
  afterAll(() => {
    for (const child of started) child.kill('SIGKILL')
    server.kill('SIGKILL')
  })
  const url = () => `redis://127.0.0.1:${port}`
  /** A worker, once it waits for jobs, and its first job taken. */
  const worker = async () => {
    const { child } = startUnravel(['worker', '--redis', url()], folder)
    started.push(child)
    await new Promise<void>(resolve => child.stderr.on('data', text => String(text).includes('waiting') && resolve()))
    return child
  }

  test('two workers, one of them killed, and a server that restarts empty give the bytes of a local run', async () => {
    write('queue.json', { train: { ...settings, steps: 40 }, grid: { depth: [2, 4, 6], seed: [0, 1, 2] } })
    expect((await run('study', 'queue.json', '--out', 'local')).status).toBe(0)

    const [first] = await Promise.all([worker(), worker()])
    const study = startUnravel(['study', 'queue.json', '--out', 'remote', '--redis', url()], folder)
    const results = join(folder, 'remote', 'jobs')
    const finished = async (count: number) => {
      while (!existsSync(results) || readdirSync(results).length < count) await new Promise(r => setTimeout(r, 50))
    }
    await finished(1)
    first.kill('SIGKILL')
    await finished(2)
    const gone = new Promise(resolve => server.once('exit', resolve))
    server.kill('SIGKILL')
    await gone
    await serve()
    const { status, stderr } = await study.outcome
    expect({ status, back: /is back/.test(stderr) }).toEqual({ status: 0, back: true })
    expect(read('remote', 'results.jsonl')).toBe(read('local', 'results.jsonl'))
  }, 240_000)

  test('a job that a worker is given twice runs once', async () => {
    write('once.json', { train: settings, grid: { seed: [10, 11] } })
    for (const child of started.splice(0)) child.kill('SIGKILL')
    const taken = await worker()
    let told = ''
    taken.stderr!.on('data', text => (told += text))
    expect((await run('study', 'once.json', '--out', 'once', '--redis', url())).status).toBe(0)
    const jobs = lines(read('once', 'results.jsonl')).map(line => JSON.parse(line))
    const connection = new Redis(url(), { maxRetriesPerRequest: null })
    const queue = new Queue('unravel', { connection })
    try {
      // A study adds what it has no outcome of; one may arrive meanwhile.
      await queue.addBulk(
        jobs.map(({ result: _, ...data }) => ({ name: 'job', data, opts: { removeOnComplete: true } })),
      )
      while (Object.values(await queue.getJobCounts()).some(count => count > 0))
        await new Promise(r => setTimeout(r, 50))
    } finally {
      await queue.close()
      connection.disconnect()
    }
    expect(told.match(/: done/g)).toHaveLength(2)
  }, 240_000)

  test('a database that is none is refused, and one that there is keeps its jobs to itself', async () => {
    write('database.json', { train: { ...settings, seed: 20 } })
    const at = (database: string) =>
      run('study', 'database.json', '--out', 'database', '--redis', `${url()}/${database}`)
    for (const [database, message] of [
      ['abc', /database "abc": expected its number/],
      ['99', /DB index is out of range/],
    ] as const) {
      expect(await at(database)).toMatchObject({ status: 2, stderr: expect.stringMatching(message) })
    }
    const { child } = startUnravel(['worker', '--redis', `${url()}/3`], folder)
    started.push(child)
    expect(await at('3')).toMatchObject({ status: 0, stderr: '' })
  }, 240_000)

  test('a server that refuses commands is told once, and the study goes on when it takes them', async () => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
    write('full.json', { train: { ...settings, seed: 30 } })
    const connection = new Redis(url())
    await connection.config('SET', 'maxmemory', '1')
    const study = startUnravel(['study', 'full.json', '--out', 'full', '--redis', url()], folder)
    await new Promise<void>(resolve => study.child.stderr.on('data', text => /OOM command/.test(text) && resolve()))
    await connection.config('SET', 'maxmemory', '0')
    connection.disconnect()
    await worker()
    const { status, stderr } = await study.outcome
    expect([status, lines(stderr).filter(line => /refuses a command.*OOM/.test(line)).length]).toEqual([0, 1])
  }, 240_000)

  test('TLS and a password by the URL; without either, one line says what to do', async () => {
    const at = (name: string) => join(folder, name)
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', at('key.pem'), '-out', at('cert.pem')]
    execFileSync('openssl', [...made, ...subject], { stdio: 'ignore' })
    const port = await freePort()
    const files = [
      '--tls-cert-file',
      at('cert.pem'),
      '--tls-key-file',
      at('key.pem'),
      '--tls-ca-cert-file',
      at('cert.pem'),
    ]
    started.push(
      await redisServer(
        '--tls-port',
        String(port),
        '--port',
        '0',
        ...files,
        '--tls-auth-clients',
        'no',
        '--requirepass',
        's3:c/r@t',
      ),
    )
    const secured = `127.0.0.1:${port}`
    const trusting = { env: { NODE_EXTRA_CA_CERTS: at('cert.pem') } }
    const password = encodeURIComponent('s3:c/r@t')
    write('tls.json', { train: settings })
    const study = (url: string, setting = trusting) =>
      startUnravel(['study', 'tls.json', '--out', 'tls', '--redis', url], folder, setting).outcome

    for (const [url, message, setting] of [
      [`rediss://:${password}@${secured}`, /self-signed certificate; .*NODE_EXTRA_CA_CERTS/, {}],
      [`redis://:${password}@${secured}`, /TLS has a rediss:\/\/ URL/, {}],
      [`rediss://${secured}`, /NOAUTH.*; give its password/, trusting],
      [`rediss://:wrong@${secured}`, /WRONGPASS/, trusting],
      [`rediss://:s3:c/r@t@${secured}`, /no URL; characters such as .*%2F/, trusting],
    ] as const) {
      const { status, stderr } = await study(url, setting as typeof trusting)
      expect([status, stderr]).toEqual([2, expect.stringMatching(message)])
      expect(stderr).not.toMatch(/s3|c\/r|wrong@|c%2Fr/)
      expect(lines(stderr)).toHaveLength(1)
    }

    const { child } = startUnravel(['worker', '--redis', `rediss://:${password}@${secured}`], folder, trusting)
    started.push(child)
    expect(await study(`rediss://default:${password}@${secured}/0`)).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(read('tls', 'results.jsonl')).result.ended).toBe('done')
  }, 240_000)
})
