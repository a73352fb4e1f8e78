// Writes the JavaScript of every published package: one file for each entry of its `exports` and `bin`, and what they share in
// chunks. A hundred modules take a hundred times the loading of one. Dependencies stay imports. tsc writes the types.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const manifest = folder => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
const folders = ['kernels', ...readdirSync(join(root, 'packages')).map(name => `packages/${name}`)].filter(
  folder => !manifest(folder).private,
)

/** `gpu/index` → the source that becomes dist/gpu/index.js. */
function entriesOf(folder) {
  const { exports: entries, bin = {} } = manifest(folder)
  const sources = Object.values(entries).flatMap(entry => entry['@unravel/source'] ?? [])
  if (Object.keys(bin).length > 0) sources.push('./src/bin.ts')
  return Object.fromEntries(sources.map(s => [s.replace(/^\.\/src\/|\.ts$/g, ''), join(root, folder, s)]))
}

async function bundle(folder) {
  const dist = join(root, folder, 'dist')
  const build = await rolldown({
    input: entriesOf(folder),
    // Everything but the package's own files.
    external: /^[^./]/,
    platform: 'neutral',
    resolve: { extensionAlias: { '.js': ['.ts'] } },
  })
  // Chunks have the hash of their contents in their names.
  for (const name of readdirSync(dist)) if (name.startsWith('shared-')) rmSync(join(dist, name))
  await build.write({ dir: dist, format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'shared-[hash].js' })
  await build.close()
}

await Promise.all(folders.map(bundle))
