"""Trains a ResNet-20 on CIFAR-10 in PyTorch by the recipe of docs/residual-depth.md and prints its test accuracy.

    /usr/bin/python3 studies/cifar10.py FOLDER --epochs 2 --seed 0

FOLDER holds the binary version of CIFAR-10 (data_batch_1.bin … test_batch.bin). Python 3 with torch and numpy. The recipe is that of

    unravel train --model resnet --data FOLDER --scale 1 --augment flip,crop --epochs 2 --batch 128 --optimizer sgd --lr 0.1 \
      --weight-decay 5e-4 --seed 0 --out DIR

that is, He-normal weights, zero biases, momentum 0.9, a cosine schedule by the step, images mirrored and shifted by up to 4 pixels with
zeros outside, standardised by channel, the last part of a batch left out.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def read(folder, names):
    records = np.concatenate([np.fromfile(Path(folder) / name, np.uint8).reshape(-1, 3073) for name in names])
    return records[:, 1:].reshape(-1, 3, 32, 32), torch.from_numpy(records[:, 0].astype(np.int64))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.skip = nn.Identity()
        if stride != 1 or cin != cout:
            self.skip = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, h):
        return F.relu(self.skip(h) + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(h))))))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        blocks, cin = [], 16
        for stage, width in enumerate([16, 32, 64]):
            for b in range(3):
                blocks.append(Block(cin, width, 2 if stage > 0 and b == 0 else 1))
                cin = width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def augmented(images, random):
    """Each image mirrored or not, and a window of it shifted by up to 4 pixels."""
    padded = np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)))
    out = np.empty_like(images)
    for i, (mirror, down, across) in enumerate(zip(random.random(len(images)) < 0.5, *random.integers(0, 9, (2, len(images))))):
        window = padded[i, :, down : down + 32, across : across + 32]
        out[i] = window[:, :, ::-1] if mirror else window
    return out


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder")
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--seed", type=int, default=0)
    options = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    images, labels = read(options.folder, [f"data_batch_{i}.bin" for i in range(1, 6)])
    mean = images.mean((0, 2, 3), dtype=np.float64).reshape(1, 3, 1, 1)
    deviation = images.std((0, 2, 3), dtype=np.float64).reshape(1, 3, 1, 1)
    standard = lambda x: torch.from_numpy(((x - mean) / deviation).astype(np.float32))

    model = ResNet20()
    rule = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    per = len(images) // options.batch
    began = time.process_time()
    for step in range(options.epochs * per):
        if step % per == 0:
            order = random.permutation(len(images))
        chosen = order[step % per * options.batch :][: options.batch]
        for group in rule.param_groups:
            group["lr"] = 0.1 * (1 + math.cos(math.pi * step / (options.epochs * per))) / 2
        rule.zero_grad()
        loss = F.cross_entropy(model.train()(standard(augmented(images[chosen], random))), labels[chosen])
        loss.backward()
        rule.step()
        if step % 50 == 0:
            print(f"step {step} of {options.epochs * per}  loss {loss.item():.3f}", flush=True)
    spent = time.process_time() - began
    images, labels = read(options.folder, ["test_batch.bin"])
    with torch.no_grad():
        right = sum(
            (model.eval()(standard(images[i : i + 500])).argmax(1) == labels[i : i + 500]).sum().item()
            for i in range(0, len(images), 500)
        )
    print(f"test accuracy {right / len(images):.2%} of {len(images)} examples ({spent:.0f} s of CPU in training)")


if __name__ == "__main__":
    main()
