#!/usr/bin/env bash
# js-pytorch 0.7.2: LayerNorm of a row of equal numbers is NaN.
#
# The layer divides by the root of the variance with no eps under it, where PyTorch's adds 1e-5 and gives zeros. A row of zeros, such as
# a padded token, turns everything after it into NaN.
#
# Seen: LayerNorm(2) of [1, 1] is [NaN, NaN].
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
const y = new torch.nn.LayerNorm(2).forward(torch.tensor([[1, 1]])).data
console.log('LayerNorm(2) of [1, 1]:', y)
assert.deepEqual(y, [[NaN, NaN]])
JS
node check.mjs
