#!/usr/bin/env bash
# numpy-ts 1.7.0: sums of float32 are added one after another, where NumPy adds in pairs.
#
# The sum of a million times 0.1 is 100000.0 to seven digits in NumPy (pairwise summation). Here 0.24 % of it are lost, of four million
# 1 %: the error grows with the length, and mean, var and dot share it.
#
# Seen: sum of 1e6 times 0.1 is 99759.85, of 4e6 is 403833.4, dot of 1e6 times 0.1 with itself is 10008.5 (right: 100000, 400000, 10000).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund numpy-ts@1.7.0
cat >check.mjs <<'JS'
import assert from 'node:assert/strict'
import * as np from 'numpy-ts'

const tenths = n => np.full([n], 0.1, 'float32')
const [million, four, dot] = [np.sum(tenths(1e6)), np.sum(tenths(4e6)), np.dot(tenths(1e6), tenths(1e6))].map(Number)
console.log(`sum of 1e6: ${million}, sum of 4e6: ${four}, dot of 1e6: ${dot}`)
assert.ok(Math.abs(million / 1e5 - 1) > 1e-3)
assert.ok(Math.abs(four / 4e5 - 1) > 5e-3)
assert.ok(Math.abs(dot / 1e4 - 1) > 5e-4)
JS
node check.mjs
