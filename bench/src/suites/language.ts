import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gated } from '@unravel/expansion'
import type { Backend } from '@unravel/kernels'
import { gpt2, initialise, type Model, run, type Tower, towerOf } from '@unravel/resnet'
import { writeModel } from '@unravel/resnet/node'
import { arrayData, formatNpy, narrow, Random, scope, sub, sum, type Tensor, wasm } from '@unravel/tensor'
import { runCommand } from '../command.js'
import { dispose, variantOf } from '../peers/unravel.js'
import { productsOf } from '../replay.js'
import type { Case, Contender, Quantity, Size, Suite } from '../types.js'

const TOKENS = 64
const ORDERS = 8

const sizeOf = ({ quick }: Size) =>
  quick
    ? { vocab_size: 5003, n_embd: 192, n_layer: 4, n_head: 4 }
    : { vocab_size: 50257, n_embd: 768, n_layer: 12, n_head: 12 }

/** A GPT-2 with random weights at λ = 1/√n, f32. */
function network(size: Size, backend: Backend): Model {
  const config = {
    architecture: 'gpt2' as const,
    ...{ ...sizeOf(size), n_positions: 1024, layer_norm_epsilon: 1e-5, activation_function: 'gelu_new' as const },
    ...{ scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false },
  }
  const where = {
    random: new Random(1),
    scale: { rule: { rule: '1/sqrt(n)' as const } },
    dtype: 'f32' as const,
    backend,
  }
  return initialise(gpt2, config, where) as unknown as Model
}

const idsOf = (size: Size, backend: Backend) =>
  new Random(2).integers([1, TOKENS], 0, sizeOf(size).vocab_size, { backend })

/** The gated pass to order 8, or its tower at the last token to all orders, for the check: they sum to the network. */
function pass(size: Size, variant: 'ours' | 'ours 2 threads', backend?: Backend): Contender {
  const { kind, ...labels } = variantOf(variant)
  const on = backend ?? kind
  const tower = towerOf(network(size, on))
  const x = idsOf(size, on)
  const last: Tower = { ...tower, decode: h => tower.decode(narrow(h, 1, TOKENS - 1, 1)) }
  const expand = (of: Tower, orders: number | 'all'): readonly [Tensor, Tensor] => {
    const { coefficients, total } = gated(of, x, orders)
    return [coefficients, total]
  }
  return {
    ...labels,
    backend: on.name,
    run: () => dispose(...expand(tower, ORDERS)),
    result: () => {
      dispose(...expand(tower, ORDERS))
      return scope(() => {
        const [coefficients] = expand(last, 'all')
        return arrayData(sub(sum(coefficients, 0), run(last, x))).data
      })
    },
  }
}

function gatedCase(size: Size): Case {
  const { n_layer: layers, n_embd: width, vocab_size: vocabulary } = sizeOf(size)
  return {
    name: 'gpt2-small-gated',
    what: `gated pass to order ${ORDERS} of a GPT-2: ${layers} layers, width ${width}, vocabulary ${vocabulary}, ${TOKENS} tokens, f32`,
    own: [
      () => pass(size, 'ours'),
      () => pass(size, 'ours 2 threads'),
      () => productsOf(variantOf('ours').kind, backend => pass(size, 'ours', backend)),
    ],
    // Logits of this network are of the order of 1.
    check: values => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 1e-3,
  }
}

/** The largest resident memory of the command line on such a network, written as a folder in f32. */
function memoryOf(dtype: 'f32' | 'f64', size: Size): number {
  const folder = mkdtempSync(join(tmpdir(), 'unravel-bench-'))
  try {
    const x = arrayData(idsOf(size, wasm()))
    scope(() => writeModel(folder, network(size, wasm())))
    writeFileSync(join(folder, 'x.npy'), formatNpy(x))
    const options = ['--expansion', 'gated', '--orders', String(ORDERS), '--dtype', dtype]
    return runCommand(['expand', folder, '--input', 'x.npy', ...options], folder).memory
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const language: Suite = {
  name: 'language',
  what: 'a GPT-2 of 124 million parameters, taken apart by gated paths',
  cases: size => [() => gatedCase(size)],
  quantities: (size): Quantity[] =>
    (['f32', 'f64'] as const).map(dtype => ({
      name: `gpt2-small-memory-${dtype}`,
      what: `largest resident memory of \`unravel expand --expansion gated\` on it, ${dtype}`,
      unit: 'MiB',
      measure: () => memoryOf(dtype, size),
    })),
}
