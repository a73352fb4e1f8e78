#!/usr/bin/env bash
# numpy-ts 1.7.0: max and min see a NaN only where it comes first.
#
# NumPy's max is NaN wherever a NaN is in the array, and argmax is the place of the NaN. Here max([NaN, 1]) is NaN and max([1, NaN]) is
# 1; along an axis a leading NaN is passed over as well, and sign(NaN) is 0 where NumPy's is NaN. A diverged entry goes unseen.
#
# Seen: max([NaN, 1]) NaN, max([1, NaN]) 1, max of rows [1, NaN] and [NaN, 1] along axis 1: 1, 1; argmax([1, NaN, 3]) 2; sign(NaN) 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund numpy-ts@1.7.0
cat >check.mjs <<'JS'
import assert from 'node:assert/strict'
import * as np from 'numpy-ts'

const seen = {
  first: np.max(np.array([NaN, 1])),
  last: np.max(np.array([1, NaN])),
  rows: np.max(np.array([[1, NaN], [NaN, 1]]), 1).tolist(),
  argmax: np.argmax(np.array([1, NaN, 3])),
  sign: np.sign(np.array([NaN])).tolist(),
}
console.log(seen)
assert.deepEqual(seen, { first: NaN, last: 1, rows: [1, 1], argmax: 2, sign: [0] })
JS
node check.mjs
