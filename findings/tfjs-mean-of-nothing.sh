#!/usr/bin/env bash
# tfjs 4.22.0: the mean over an axis of length 0 is 0, its argMax index 0.
#
# NumPy, PyTorch and TensorFlow (Python) give NaN for the mean of nothing and refuse argmax of an empty axis. Here an empty batch has
# the mean 0 and the class 0, which read like results.
#
# Seen (cpu backend): mean of a [2, 0] tensor over axis 1 is [0, 0], argMax [0, 0].
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

const empty = tf.zeros([2, 0])
const seen = [tf.mean(empty, 1), tf.argMax(empty, 1)].map(y => Array.from(y.dataSync()))
console.log('mean and argMax of a [2, 0] tensor over axis 1:', seen)
assert.deepEqual(seen, [[0, 0], [0, 0]])
JS
node check.mjs
