// Writes the JavaScript of every published package: one file for each entry of its `exports` and `bin`, and what they share in
// chunks. A hundred modules take a hundred times the loading of one. Dependencies stay imports, but in dist/browser.js, which
// a page loads as it is. tsc writes the types.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RolldownMagicString, rolldown } from 'rolldown'
import { parseSync, Visitor } from 'rolldown/utils'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const manifest = folder => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
const folders = ['kernels', ...readdirSync(join(root, 'packages')).map(name => `packages/${name}`)].filter(
  folder => !manifest(folder).private,
)

/** `gpu/index` → the source that becomes dist/gpu/index.js: of `exports`, and of `imports` that differ by platform. */
function entriesOf(folder) {
  const { exports: entries, imports = {}, bin = {} } = manifest(folder)
  const sources = [...Object.values(entries), ...Object.values(imports).flatMap(Object.values)].flatMap(
    entry => entry['@unravel/source'] ?? [],
  )
  if (Object.keys(bin).length > 0) sources.push('./src/bin.ts')
  return Object.fromEntries(sources.map(s => [s.replace(/^\.\/src\/|\.ts$/g, ''), join(root, folder, s)]))
}

/**
 * Computes every constant of a module in a function whose call is marked as pure. `sideEffects: false` promises that a module
 * may go when nothing of it is used; in a file of many modules the same promise has to be made of each constant.
 */
const pureConstants = {
  name: 'pure-constants',
  renderChunk(code, { name }) {
    if (name === 'bin') return null // a program is there for its effects
    const text = new RolldownMagicString(code)
    const { program } = parseSync('chunk.js', code)
    for (const statement of program.body) {
      for (const { init } of (statement.declaration ?? statement).declarations ?? []) {
        if (init === null || !computes(init)) continue
        text.appendLeft(init.start, '/* @__PURE__ */ (() => (')
        text.appendRight(init.end, '))()')
      }
    }
    return { code: text.toString(), map: text.generateMap({ hires: true }).toString() }
  },
}

/** Whether an expression does more than write down literals and functions. */
function computes(expression) {
  let found = false
  let functions = 0
  const enter = () => functions++
  const leave = () => functions--
  const compute = () => {
    found ||= functions === 0
  }
  const body = [{ type: 'ExpressionStatement', expression }]
  new Visitor({
    FunctionExpression: enter,
    'FunctionExpression:exit': leave,
    ArrowFunctionExpression: enter,
    'ArrowFunctionExpression:exit': leave,
    CallExpression: compute,
    NewExpression: compute,
    MemberExpression: compute,
    SpreadElement: compute,
  }).visit({ type: 'Program', body })
  return found
}

/** Modules that import a package of which a bundler cannot tell whether it has side effects: they are chunks of their own, so
 *  that programs that do not use them do without the package. */
const apart = /\/(ndarray|report\/src\/plot)\.ts$/

const resolve = { extensionAlias: { '.js': ['.ts', '.js'] } }

async function bundle(folder) {
  const dist = join(root, folder, 'dist')
  const build = await rolldown({
    input: entriesOf(folder),
    // Everything but the package's own files.
    external: /^[^./]/,
    platform: 'neutral',
    resolve,
    plugins: [pureConstants],
  })
  // Chunks have the hash of their contents in their names.
  for (const name of readdirSync(dist)) if (name.startsWith('shared-')) rmSync(join(dist, name))
  await build.write({
    dir: dist,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'shared-[hash].js',
    sourcemap: true,
    codeSplitting: { groups: [{ name: 'shared', test: apart }], includeDependenciesRecursively: false },
  })
  await build.close()
}

/**
 * Lets bundles that a page loads beside each other use the same tensors: each holds the packages that it depends on, all their
 * entries, and the first one to be loaded is every other one's too.
 */
const sharedPackages = {
  name: 'shared-packages',
  // Entries of packages that no page loads, such as the kernels one by one, hold nothing that two bundles would have to share.
  resolveId(id, importer) {
    // The WebAssembly module is in the bundle whoever asks for it: it is the default, as in Node.
    if (id === '#standard-backend') return join(root, 'packages/tensor/dist/core/standard.node.js')
    return sources.has(id) && !importer?.startsWith('\0') ? `\0${id}` : null
  },
  async load(id) {
    const name = id.slice(1)
    if (!id.startsWith('\0') || !sources.has(name)) return null
    const { folder, file } = sources.get(name)
    const { version, name: owner } = manifest(folder)
    const siblings = [...sources].filter(([, entry]) => entry.folder === folder)
    const names = Object.keys(await import(file))
    return [
      ...siblings.map(([, entry], i) => `import * as own${i} from ${JSON.stringify(entry.file)}`),
      `const own = { ${siblings.map(([sibling], i) => `${JSON.stringify(sibling)}: own${i}`).join(', ')} }`,
      `const shared = (globalThis[Symbol.for(${JSON.stringify(`${owner}@${version}`)})] ??= own)`,
      `export const { ${names.join(', ')} } = shared[${JSON.stringify(name)}]`,
    ].join('\n')
  },
}

/** The files in dist/ of what a bundle shares: the main entry of every package, and entries that pages load. */
const sources = new Map(
  folders.flatMap(folder => {
    const { name, exports: entries } = manifest(folder)
    return Object.entries(entries).flatMap(([path, entry]) =>
      path === '.' || entries[`${path}/browser`] !== undefined
        ? [[name + path.slice(1), { folder, file: join(root, folder, entry.default) }]]
        : [],
    )
  }),
)

/** dist/browser.js: the package and all that it needs in one file, for pages without a bundler. The same of other entries. */
async function bundleForBrowsers(folder) {
  const { name, exports: entries } = manifest(folder)
  for (const [path, entry] of Object.entries(entries).filter(([path]) => path.endsWith('/browser'))) {
    const build = await rolldown({
      input: join(name, path.slice(0, -'/browser'.length)),
      platform: 'browser',
      plugins: [sharedPackages],
    })
    await build.write({ file: join(root, folder, entry.default), format: 'esm', minify: true, sourcemap: true })
    await build.close()
  }
}

await Promise.all(folders.map(bundle))
await Promise.all(folders.map(bundleForBrowsers))
