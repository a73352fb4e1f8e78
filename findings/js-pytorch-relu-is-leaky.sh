#!/usr/bin/env bash
# js-pytorch 0.7.2: torch.nn.ReLU is a leaky ReLU of slope 0.001.
#
# The layer has the name of PyTorch's, whose value at -1 is 0. This one gives -0.001, and passes a thousandth of the gradient on, so
# that a network brought over from PyTorch computes other numbers, and no unit is ever silent.
#
# Seen: ReLU of [-1, -2, 3, 4] is [-0.001, -0.002, 3, 4], gradient [0.001, 0.001, 1, 1].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --ignore-scripts --silent --no-audit --no-fund js-pytorch@0.7.2
cat >check.mjs <<'JS'
import assert from 'node:assert/strict'
import * as module from 'js-pytorch'

const { torch } = module.default ?? module
const x = torch.tensor([[-1, -2, 3, 4]], true)
const y = new torch.nn.ReLU().forward(x)
y.backward()
console.log(`ReLU of [-1, -2, 3, 4] is ${JSON.stringify(y.data)}, gradient ${JSON.stringify(x.grad)}`)
assert.deepEqual(y.data, [[-0.001, -0.002, 3, 4]])
assert.deepEqual(x.grad, [[0.001, 0.001, 1, 1]])
JS
node check.mjs
