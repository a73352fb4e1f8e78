import { fileURLToPath } from 'node:url'
import { chromium } from '../../../test/support/chromium.js'
import type { Browsing } from '../options.js'
import type { Row } from '../record.js'
import type { Size } from '../types.js'

/** A message of the page: a line, a row, or the end. */
export interface News {
  readonly text?: string
  readonly row?: Row
}

/** The browser's own choice of renderer; a software one where there is no other. */
const args = [
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--ignore-gpu-blocklist',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
]

/** The rows of the suite gpu as a page measures them, in a headless Chromium or in any browser that opens it. */
export async function* inBrowser(
  where: Browsing,
  { quick }: Size,
  print: (text: string) => void,
): AsyncGenerator<Row, void> {
  const executablePath = where === 'chromium' ? chromium() : ''
  if (executablePath === undefined)
    throw new RangeError('no Chromium here: install one, set CHROMIUM_PATH, or open the page yourself with --page')
  const { createServer } = await import('vite')
  const news: News[] = []
  let arrived = () => {}
  const hear = (...heard: News[]) => {
    news.push(...heard)
    arrived()
  }
  const server = await createServer({
    configFile: false,
    root: fileURLToPath(new URL('../../..', import.meta.url)),
    cacheDir: fileURLToPath(new URL('../../node_modules/.vite', import.meta.url)),
    logLevel: 'error',
    optimizeDeps: { entries: ['bench/src/gpu/page.ts'] },
    plugins: [
      {
        name: 'news',
        configureServer: ({ middlewares }) => {
          middlewares.use('/news', async (request, response) => {
            let body = ''
            for await (const part of request) body += part
            response.writeHead(204).end()
            hear(JSON.parse(body) as News)
          })
        },
      },
    ],
  })
  await server.listen()
  const address = `${server.resolvedUrls!.local[0]}bench/src/gpu/page.html${quick ? '?quick' : ''}`
  const extra = process.env.CHROMIUM_ARGS?.split(' ') ?? []
  const browser =
    where === 'chromium'
      ? await (await import('playwright')).chromium.launch({ executablePath, args: [...args, ...extra] })
      : undefined
  try {
    if (browser === undefined) print(`open ${address}\n`)
    else {
      const page = await browser.newPage()
      page.on('pageerror', error => hear({ text: `the page failed: ${error.message}\n` }, {}))
      await page.goto(address)
    }
    while (true) {
      while (news.length === 0) await new Promise<void>(resolve => (arrived = resolve))
      const { text, row } = news.shift()!
      if (text !== undefined) print(text)
      else if (row !== undefined) yield row
      else return
    }
  } finally {
    await browser?.close()
    await server.close()
  }
}
