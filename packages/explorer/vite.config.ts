import { defaultClientConditions, defineConfig } from 'vite'

/** The page reads the TypeScript sources of every package, and can be served from any folder. */
export default defineConfig({
  base: './',
  resolve: { conditions: ['@unravel/source', ...defaultClientConditions] },
  worker: { format: 'es' },
  // Most of the page is the plots; gpu.js is loaded only for a graphics backend.
  build: { target: 'es2022', chunkSizeWarningLimit: 1024 },
})
