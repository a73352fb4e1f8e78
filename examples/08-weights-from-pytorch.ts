// A state dict from PyTorch: config.json and model.safetensors in a folder, read, run and written.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyse, taylor } from '@unravel/expansion'
import { run, towerOf } from '@unravel/resnet'
import { readModel, writeModel } from '@unravel/resnet/node'
import { Random, writeSafetensors } from '@unravel/tensor'

// The file that `safetensors.torch.save_file(model.state_dict(), …)` writes: names and layouts of nn.Linear.
const random = new Random(1)
const normal = (...shape: number[]) => random.normal(shape, 0, 0.3)
const weights = Object.fromEntries(
  [0, 1, 2].flatMap(l => [
    [`blocks.${l}.fc1.weight`, normal(8, 4)],
    [`blocks.${l}.fc1.bias`, normal(8)],
    [`blocks.${l}.fc2.weight`, normal(4, 8)],
  ]),
)
const state = { 'encoder.weight': normal(4, 5), ...weights, 'decoder.weight': normal(2, 4) }
const config = {
  architecture: 'residual-mlp',
  input: 5,
  width: 4,
  hidden: 8,
  output: 2,
  depth: 3,
  activation: 'gelu',
  norm: 'none',
  norm_eps: 1e-5,
  scale: { rule: '1/sqrt(n)' },
}
const folder = mkdtempSync(join(tmpdir(), 'from-pytorch-'))
writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(state))

const model = readModel(folder, { dtype: 'f64' })
const x = random.normal([2, 5], 0, 1, { dtype: 'f64' })
console.log(run(towerOf(model), x).shape, Object.keys(model.tensors).length)
//> [ 2, 2 ] 11

const { share, scale } = await analyse(taylor(towerOf(model), x, 3))
console.log((scale as number).toFixed(4), share.length)
//> 0.5774 4

writeModel(join(folder, 'copy'), model)
