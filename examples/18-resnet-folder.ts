// A ResNet-D as timm writes it: a name, here with smaller arguments than the released network has.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analyse, gated } from '@unravel/expansion'
import { initialise, parseConfig, run, towerOf } from '@unravel/resnet'
import { readModel, writeModel } from '@unravel/resnet/node'
import { Random } from '@unravel/tensor'

// config.json of timm; its state dict has torchvision's names, with `conv1.0`, `conv1.3`, `conv1.6` for the deep stem.
const json = JSON.stringify({
  architecture: 'resnet18d.ra2_in1k',
  num_classes: 4,
  model_args: { layers: [1, 2], channels: [8, 12], stem_width: 4 },
})
const { architecture, config } = parseConfig(json)
const random = new Random(1)
const fresh = initialise(architecture, config, { random, dtype: 'f64' })
console.log(
  Object.keys(fresh.tensors)
    .filter(name => /conv1\.\d\.weight|downsample\.\d\.weight/.test(name))
    .join(' '),
)
//> conv1.0.weight conv1.1.weight conv1.3.weight conv1.4.weight conv1.6.weight layer2.0.downsample.1.weight layer2.0.downsample.2.weight

const folder = join(mkdtempSync(join(tmpdir(), 'resnet-')), 'model')
writeModel(folder, fresh)
const tower = towerOf(readModel(folder, { dtype: 'f64' }))
const images = random.normal([2, 3, 32, 32], 0, 1, { dtype: 'f64' })
console.log(run(tower, images).shape)
//> [ 2, 4 ]

const { remainder } = await analyse(gated(tower, images, 'all'))
console.log(tower.names?.join(' '), '— gated orders are exact:', remainder.at(-1)! < 1e-12)
//> layer1.0 layer2.0 layer2.1 — gated orders are exact: true
