// Backends are values, and memory on WebAssembly is freed by scopes.
import { js, wasm } from '@unravel/kernels'
import { matmul, memory, Random, scope, sum } from '@unravel/tensor'

for (const backend of [js(), wasm()]) {
  const a = new Random(1).normal([64, 64], 0, 1, { backend })
  const before = memory(backend).bytes
  // Everything made inside is freed, but what is returned.
  const total = scope(() => sum(matmul(matmul(a, a), a)))
  console.log(backend.name, total.item().toFixed(1), memory(backend).bytes - before, 'bytes')
}
//> js 2089.9 0 bytes
//> wasm 2089.9 4 bytes
