#!/usr/bin/env bash
# js-pytorch 0.7.2: Softmax of logits beyond 709 is NaN, and so are CrossEntropyLoss and its gradient.
#
# Exponentials are taken of the logits as they are, not of their differences to the largest. softmax([1000, 1000]) is [1/2, 1/2]; the
# loss of logits [1000, 0] under label 0 is 0.
#
# Seen: softmax NaN, NaN; loss NaN.
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
const soft = new torch.nn.Softmax(-1).forward(torch.tensor([[1000, 1000]])).data
const loss = new torch.nn.CrossEntropyLoss().forward(torch.tensor([[1000, 0]]), torch.tensor([0])).data
console.log('softmax of [1000, 1000]:', soft, 'loss of [1000, 0] under label 0:', loss)
assert.deepEqual(soft, [[NaN, NaN]])
assert.deepEqual(loss, [NaN])
JS
node check.mjs
