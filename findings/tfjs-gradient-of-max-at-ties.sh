#!/usr/bin/env bash
# tfjs 4.22.0: the gradient of tf.max gives the whole cotangent to every element of a tie.
#
# TensorFlow (Python), JAX and PyTorch's amax share it among them, so that the gradient's entries sum to 1 and it is a convex
# combination of the one-sided derivatives. Here two equal maxima get 1 each: the gradient of max([2, 2]) has the sum 2, twice the
# derivative along (1, 1). Max pooling over equal pixels and hinge losses over equal scores take steps that are too long by the number
# of ties.
#
# Seen: gradient of max at [2, 2, 1] is [1, 1, 0]; the derivative along (1, 1, 1) is 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0
cat >check.mjs <<'JS'
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs'

await tf.setBackend('cpu')

const gradient = Array.from(tf.grad(x => tf.max(x))(tf.tensor1d([2, 2, 1])).dataSync())
const along = t => tf.max(tf.tensor1d([2 + t, 2 + t, 1 + t])).dataSync()[0]
const quotient = (along(0.125) - along(-0.125)) / 0.25
console.log('gradient of max at [2, 2, 1]:', gradient, 'derivative along (1, 1, 1):', quotient)
assert.deepEqual(gradient, [1, 1, 0])
assert.equal(quotient, 1)
JS
node check.mjs
