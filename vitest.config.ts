import { defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'

// Tests read the TypeScript sources of every package: no build comes first.
const conditions = ['@unravel/source', ...defaultServerConditions]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['kernels/**/*.test.ts', 'packages/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 60_000,
  },
})
