#!/usr/bin/env bash
# numpy-ts 1.7.0: an int32 array and a fractional number stay int32, and the fraction is lost.
#
# NumPy gives float64: int32 [1, 3] + 1.5 is [2.5, 4.5], times 0.5 is [0.5, 1.5]. Here the results are int32 and cut. With an array
# [1.5] in place of the number the result is float64, as in NumPy.
#
# Seen: [1, 3] + 1.5 is int32 [2, 4]; [1, 3] * 0.5 is int32 [0, 1]; [1, 3] + array([1.5]) is float64 [2.5, 4.5].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund numpy-ts@1.7.0
cat >check.mjs <<'JS'
import assert from 'node:assert/strict'
import * as np from 'numpy-ts'

const x = np.array([1, 3], 'int32')
const seen = [np.add(x, 1.5), np.multiply(x, 0.5), np.add(x, np.array([1.5]))].map(y => [y.dtype, y.tolist()])
console.log(JSON.stringify(seen))
assert.deepEqual(seen, [['int32', [2, 4]], ['int32', [0, 1]], ['float64', [2.5, 4.5]]])
JS
node check.mjs
