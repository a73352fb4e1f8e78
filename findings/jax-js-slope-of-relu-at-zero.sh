#!/usr/bin/env bash
# jax-js 0.1.25: the derivative of nn.relu at 0 is 1.
#
# JAX defines it to be 0 (its documentation of jax.nn.relu says so), as do PyTorch and TensorFlow. Units whose
# input is exactly 0 (zero-initialised biases, padded or dead inputs) let the gradient through here and nowhere else.
#
# Seen: gradient of sum(relu(x)) at [-1, 0, 1] is [0, 1, 1].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @jax-js/jax@0.1.25
cat >check.mjs <<'JS'
import assert from 'node:assert/strict'

// The library asks the global navigator for a GPU; Node has one from version 21 on.
if (globalThis.navigator === undefined) Object.assign(globalThis, { navigator: {} })
const jax = await import('@jax-js/jax')
await jax.init()
jax.defaultDevice('wasm')
const { numpy: np, nn } = jax

const gradient = jax.grad(x => np.sum(nn.relu(x)))(np.array([-1, 0, 1]))
const seen = Array.from(await gradient.data())
console.log('gradient of sum(relu(x)) at [-1, 0, 1]:', seen)
assert.deepEqual(seen, [0, 1, 1])
process.exit(0)
JS
node check.mjs
