// What is measured are the built packages.
try {
  await import('./main.js')
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write(
    'bench: the packages are not built, or a dependency is missing: run `pnpm install && pnpm build` first\n',
  )
  if (process.env.UNRAVEL_DEBUG === '1') process.stderr.write(`${(error as Error).stack}\n`)
  process.exit(2)
}
