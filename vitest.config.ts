import { fileURLToPath } from 'node:url'
import { playwright } from '@vitest/browser-playwright'
import { defaultClientConditions, defaultServerConditions } from 'vite'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { chromium } from './test/support/chromium.js'

// Tests read the TypeScript sources of every package: no build comes first.
const conditions = ['@unravel/source', ...defaultServerConditions]

const node = (name: string, include: string[], exclude: string[] = []): TestProjectConfiguration => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { name, include, exclude: ['**/node_modules/**', '**/dist/**', ...exclude], testTimeout: 60_000 },
})
const processes = node(
  'node',
  ['kernels/**/*.test.ts', 'packages/**/*.test.ts', 'test/**/*.test.ts'],
  ['test/{browser,isolated,page}/**'],
)

// A software renderer, so that every machine can run the graphics kernels: for correctness, not for speed.
const args = [
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
]

/** Tests of one folder in the browser; `headers` come with every page. */
const browser = (executablePath: string, name: string, headers = {}): TestProjectConfiguration => ({
  // The folder whose package depends on what the tests import.
  root: fileURLToPath(new URL('test', import.meta.url)),
  resolve: { conditions: ['@unravel/source', ...defaultClientConditions] },
  server: { headers },
  // All of them before the first test: a dependency that is found later reloads the page under the tests.
  optimizeDeps: {
    entries: [`${name}/**/*.test.ts`],
    include: [
      '@unravel/kernels > gpu.js',
      '@unravel/tensor > ndarray',
      '@unravel/kernels > fflate',
      '@unravel/tensor > fflate',
      '@unravel/resnet > zod',
    ],
  },
  test: {
    name,
    include: [`${name}/**/*.test.ts`],
    testTimeout: 60_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath, args } }),
      instances: [{ browser: 'chromium' }],
    },
  },
})

/** Headers that make a page cross-origin isolated, so that it may share memory with workers. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

const path = chromium()
if (path !== undefined) process.env.CHROMIUM_PATH = path
if (path === undefined) {
  console.log(
    'Browser tests did not run: no Chromium here. Install one (apt-get install chromium) or set CHROMIUM_PATH.',
  )
}

export default defineConfig({
  test: {
    projects:
      path === undefined
        ? [processes]
        : [
            processes,
            browser(path, 'browser'),
            browser(path, 'isolated', isolation),
            // A page that is built, served, and driven from outside.
            node('page', ['test/page/**/*.test.ts']),
          ],
  },
})
