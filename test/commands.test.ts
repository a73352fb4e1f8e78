import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { program } from '../packages/unravel/src/program.js'

// Every shell command in a README or a page of documentation names scripts, programs, options and files that exist.
const root = fileURLToPath(new URL('..', import.meta.url))

function markdown(folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return /^(node_modules|dist|site|\.git)$/.test(entry.name) ? [] : markdown(path)
    return entry.name.endsWith('.md') && entry.name !== 'CHANGELOG.md' ? [path] : []
  })
}

const manifest = (folder: string) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
const folders = ['kernels', 'bench', 'examples', ...readdirSync(join(root, 'packages')).map(name => `packages/${name}`)]
const packages = new Map<string, { scripts?: Record<string, string> }>(
  folders.filter(folder => existsSync(join(root, folder, 'package.json'))).map(f => [manifest(f).name, manifest(f)]),
)
const unravel = program({ out: () => {} } as unknown as Parameters<typeof program>[0])
const suites = readdirSync(join(root, 'bench/src/suites')).map(name => name.replace('.ts', ''))

/** Programs of the machine, and commands of package managers, that need no script. */
const system = ['apt-get', 'cd', 'git', 'mkdir', 'python3', '/usr/bin/python3', 'tar']
const managed = ['add', 'install', 'pack', 'publish']
const programs = ['npx', 'pnpm', 'npm', 'node', 'unravel', 'vitest', 'biome', 'tsc', ...system]

/** Words that stand for something: MODEL, folder/FILE.npy, <a run>, PATH… */
const placeholder = (word: string) => /(^|\/)[A-Z]|[<…]/.test(word)

/** A script, file or program that a command names and that does not exist, or undefined. */
function missing(words: readonly string[]): string | undefined {
  const [name, ...rest] = words
  const operands = rest.filter(word => !word.startsWith('-'))
  const [first] = operands
  const file = (path: string | undefined) =>
    path === undefined || placeholder(path) || existsSync(join(root, path)) ? undefined : `the file ${path}`
  if (name === undefined || system.includes(name)) return file(operands.find(word => word.endsWith('.py')))
  // Programs that run the one after their options; npx gets packages that have a version.
  if (name === 'npx' || name === 'xvfb-run') return missing(rest.slice(rest.findIndex(word => !word.startsWith('-'))))
  if (/^(?!pnpm).*@\d/.test(name)) return undefined
  if (name === 'node') {
    const program = rest.find((word, i) => !word.startsWith('-') && rest[i - 1] !== '--import')
    return rest.includes('-e') ? undefined : file(program)
  }
  if (name === 'unravel') {
    if (first === undefined || placeholder(first)) return undefined
    const command = unravel.commands.find(known => known.name() === first)
    if (command === undefined) return `the command unravel ${first}`
    const options = [...command.options, ...unravel.options].map(option => option.long)
    const wrong = rest.find(word => word.startsWith('--') && !options.includes(word))
    return wrong && `the option ${wrong} of unravel ${first}`
  }
  if (name === 'npm' || /^pnpm(@|$)/.test(name)) {
    if (rest[0] === '--filter') {
      const [, workspace, script] = rest
      return script! in (packages.get(workspace!)?.scripts ?? {}) ? undefined : `the script ${script} of ${workspace}`
    }
    if (first === undefined) return undefined
    const after = rest.slice(rest.indexOf(first) + 1)
    if (managed.includes(first)) {
      return operands.find(word => word.startsWith('@unravel/') && !packages.has(word))
    }
    if (first === 'exec') return missing(after)
    if (first === 'run') return scripted(after)
    return scripted([first, ...after])
  }
  return existsSync(join(root, 'node_modules/.bin', name)) ? operands.map(used).map(file).find(Boolean) : name
}

/** An operand that is a path of the repository. */
const used = (word: string) => (word.includes('/') ? word : undefined)

/** The missing part of a script of the repository and its arguments; programs that are installed run as scripts do. */
function scripted([script, ...rest]: readonly string[]): string | undefined {
  if (script === 'unravel') return missing(['unravel', ...rest])
  if (script === 'example') return missing(['node', ...rest])
  if (script === 'bench') {
    const named = rest.slice(
      0,
      [...rest, '-'].findIndex(word => word.startsWith('-')),
    )
    const suite = named.find(word => !placeholder(word) && !suites.includes(word))
    if (suite !== undefined) return `the suite ${suite} of the benchmarks`
  }
  if (script! in manifest('.').scripts || existsSync(join(root, 'node_modules/.bin', script!))) return undefined
  return `the script ${script}`
}

/** The words of each command of a line, without comments and variables that are set before it. */
const commandsOf = (line: string): string[][] =>
  line
    .replace(/(^|\s)#.*/, '')
    .split(/&&|\||;(?![^"]*"$)/)
    .map(command =>
      command
        .trim()
        .replace(/^\(|\)$/g, '')
        .split(/\s+/),
    )
    .map(words => words.slice(words.findIndex(word => !/^[A-Z_]+=/.test(word))))
    .filter(words => words[0] !== '')

/** Lines of shell in a text: blocks that say so, other blocks and spans that begin with a program. */
function shellOf(text: string): string[] {
  const begins = (line: string) => programs.some(name => commandsOf(line)[0]?.[0]?.replace(/@.*/, '') === name)
  const fenced = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)]
  const blocks = fenced.flatMap(([, language, body]) =>
    language === 'sh'
      ? body!.replace(/\\\n/g, ' ').split('\n')
      : language === ''
        ? body!.split('\n').filter(begins)
        : [],
  )
  const rest = text.replace(/^```[\s\S]*?^```/gm, '')
  const indented = [...rest.matchAll(/^ {4}(\S.*)$/gm)].map(([, line]) => line!)
  const spans = [...rest.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)
  return [...blocks.map(line => line.replace(/^\$ /, '')), ...[...indented, ...spans].filter(begins)]
}

/** The missing parts of the commands of a text. */
const wrongIn = (text: string): string[] => [
  ...shellOf(text).flatMap(line =>
    commandsOf(line).flatMap(words => {
      const what = missing(words)
      return what === undefined ? [] : [`${line.trim()}: there is no ${what.replace(/^the /, '')}`]
    }),
  ),
  ...[...text.matchAll(/`([\w-]+)` script|script `([\w-]+)`/g)].flatMap(([, before, after]) => {
    const what = scripted([(before ?? after)!])
    return what === undefined ? [] : [what]
  }),
]

describe('shell commands', () => {
  const files = markdown()

  it('commands are found in every document that has some', () => {
    for (const path of [
      'README.md',
      'CONTRIBUTING.md',
      'kernels/README.md',
      'bench/README.md',
      'docs/face-network.md',
    ]) {
      expect(shellOf(readFileSync(join(root, path), 'utf8')), path).not.toEqual([])
    }
  })

  it.each(files)('of %s name what exists', path => {
    expect(wrongIn(readFileSync(join(root, path), 'utf8'))).toEqual([])
  })

  it.each([
    ['a script', '    npx -y pnpm@10.34.9 nonsense --quick', 'script nonsense'],
    ['a script in words', 'the `nonsense` script compiles it', 'script nonsense'],
    ['a file of a script', '`node kernels/scripts/nonsense.mjs`', 'file kernels/scripts/nonsense.mjs'],
    ['an example', '    npx -y pnpm@10.34.9 example examples/nonsense.ts # runs', 'file examples/nonsense.ts'],
    ['a test', '```sh\npnpm exec vitest run test/nonsense.test.ts\n```', 'file test/nonsense.test.ts'],
    ['a program', '```sh\nnonsense --quick\n```', 'nonsense'],
    ['a command', '`unravel nonsense MODEL`', 'command unravel nonsense'],
    ['an option', '    pnpm --silent unravel paths MODEL --nonsense', 'option --nonsense of unravel paths'],
    ['a suite', '    UNRAVEL_VECTORS=256 pnpm bench nonsense', 'suite nonsense'],
    ['a package', '`npm install @unravel/nonsense`', '@unravel/nonsense'],
  ])('that name %s that is not there are found', (_what, text, named) => {
    expect(wrongIn(text)).toEqual([expect.stringContaining(named)])
  })
})
