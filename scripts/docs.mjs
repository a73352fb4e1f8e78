// Writes the site: the API reference of every published package (typedoc), the pages of docs/ and the READMEs of the packages,
// and the explorer under explorer/. `node scripts/docs.mjs [FOLDER]`, by default site/. Ends with 1 where a link or a documented
// name leads nowhere.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, Converter, MinimalSourceFile, ReflectionKind } from 'typedoc'
import { build } from 'vite'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = resolve(process.argv[2] ?? join(root, 'site'))
const manifest = folder => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
const packages = ['kernels', ...readdirSync(join(root, 'packages')).map(name => `packages/${name}`)].filter(
  folder => !manifest(folder).private,
)

/** Entry points by their sources: the specifier that users import, and the folder of their package. */
const entries = new Map(
  packages.flatMap(folder => {
    const { name, exports } = manifest(folder)
    return Object.entries(exports).flatMap(([path, { '@unravel/source': source }]) =>
      source === undefined
        ? []
        : [[join(root, folder, source), { name: name + path.slice(1), folder, main: path === '.' }]],
    )
  }),
)

const app = await Application.bootstrap({
  name: 'unravel',
  entryPoints: [...entries.keys()],
  tsconfig: join(root, 'tsconfig.docs.json'),
  readme: join(root, 'README.md'),
  projectDocuments: [join(root, 'docs/*.md'), join(root, 'examples/README.md')],
  navigationLinks: { Explorer: './explorer/index.html' },
  excludeInternal: true,
  disableSources: true,
  highlightLanguages: ['ts', 'js', 'json', 'bash', 'typescript', 'javascript'],
  // Types that a package keeps to itself are shown where they appear.
  validation: { notExported: false, invalidLink: true, invalidPath: true, notDocumented: false },
  logLevel: 'Warn',
})
// Modules are called what users import, and begin with the README of their package.
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
    const { name, folder, main } = entries.get(project.files.getReflectionPath(module))
    module.name = name
    if (!main) continue
    const file = join(root, folder, 'README.md')
    const text = new MinimalSourceFile(readFileSync(file, 'utf8'), file)
    module.readme = app.converter.parseRawComment(text, project.files).content
  }
})
const project = await app.convert()
if (project === undefined) process.exit(1)
app.validate(project)
await app.generateDocs(project, out)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1)

await build({
  root: join(root, 'packages/explorer'),
  logLevel: 'warn',
  build: { outDir: join(out, 'explorer'), emptyOutDir: true },
})
console.log(`the site is in ${out}`)
