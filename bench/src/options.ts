import { parseArgs } from 'node:util'

export type Browsing = 'chromium' | 'page'

export interface Options {
  /** Names of suites; all when empty. */
  readonly suites: readonly string[]
  readonly quick: boolean
  readonly json: string | undefined
  readonly plot: string | undefined
  readonly peers: readonly string[]
  readonly compare: string | undefined
  /** Where the suite gpu runs: here, in a headless Chromium, or in a page that a person opens. */
  readonly where: 'node' | Browsing
  readonly help: boolean
}

export const usage = `pnpm bench [suite ...] [--quick] [--json FILE] [--plot FILE] [--peers NAMES|none|all] [--compare FILE]
                           [--browser | --page]

  suite           suites to run (default: all)
  --quick         smaller work, fewer and shorter rounds: to see that things run, not to conclude
  --json FILE     writes the run, every round of it
  --plot FILE     writes the ratios to peers as SVG
  --peers NAMES   peers, separated by commas; none; all (default)
  --compare FILE  says what got slower or faster since the run in FILE
  --browser       runs the suite gpu in a headless Chromium
  --page          serves the suite gpu as a page and waits until you open it in a browser of yours
`

/** Throws TypeError or RangeError with one line for arguments that cannot be. */
export function parse(argv: readonly string[], suites: readonly string[], peers: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: argv.filter(a => a !== '--'),
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      plot: { type: 'string' },
      peers: { type: 'string', default: 'all' },
      compare: { type: 'string' },
      browser: { type: 'boolean', default: false },
      page: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const known = (what: string, names: readonly string[], all: readonly string[]) => {
    for (const n of names) if (!all.includes(n)) throw new RangeError(`no ${what} ${n}; there are ${all.join(', ')}`)
    return names
  }
  const asked = values.peers === 'all' ? peers : values.peers === 'none' ? [] : values.peers.split(',')
  return {
    suites: known('suite', positionals, suites),
    quick: values.quick,
    json: values.json,
    plot: values.plot,
    peers: known('peer', asked, peers),
    compare: values.compare,
    where: values.page ? 'page' : values.browser ? 'chromium' : 'node',
    help: values.help,
  }
}
