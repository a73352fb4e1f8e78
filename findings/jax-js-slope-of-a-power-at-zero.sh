#!/usr/bin/env bash
# jax-js 0.1.25: the derivative of a power with exponent 1.5 is NaN at 0.
#
# The value there is 0 and the derivative 1.5·sqrt(x) is 0, as JAX and PyTorch give it. One zero among the inputs of a norm, a
# generalised mean or a p-norm loss makes the whole gradient NaN.
#
# Seen: power(x, 1.5) at 0 is 0, its derivative NaN; at 4 it is 8, its derivative 3.
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

const power = np.power ?? np.pow
const value = Array.from(await power(np.array([0, 4]), 1.5).data())
const slope = Array.from(await jax.grad(x => np.sum(power(x, 1.5)))(np.array([0, 4])).data())
console.log('power(x, 1.5) at [0, 4]:', value, 'derivative:', slope)
assert.ok(value[0] === 0 && Math.abs(value[1] - 8) < 1e-4)
assert.ok(Number.isNaN(slope[0]) && Math.abs(slope[1] - 3) < 1e-4)
process.exit(0)
JS
node check.mjs
