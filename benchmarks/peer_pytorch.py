#!/usr/bin/env python3
"""The same network and training step in plain PyTorch, to hold `halcyon bench` against.

Needs Debian's python3-torch only.  Writes one JSON object: medians in seconds, spread and peak
memory of a training step (noise, forward, loss, backward, clipping, Adam, EMA) and of a network
evaluation without autograd.  On a GPU (--device cuda) it may be compiled (--compile: a mode of
torch.compile), and its memory is the GPU's.

    peer_pytorch.py --net cifar10 --mode step --batch 16 --precision fp32
"""
import argparse
import contextlib
import json
import math
import os
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

# name: image shape, channels, multipliers, blocks, heights with attention, groups, parameters
NETS = {
    "cifar10": ((3, 32, 32), 128, (1, 2, 2, 2), 2, (16,), 32, 35746307),
    "mnist28": ((1, 28, 28), 32, (1, 2, 2), 2, (14,), 32, None),
}


class GroupNorm(nn.GroupNorm):
    """In float32 where torch 1 cannot mix it with bfloat16."""

    def forward(self, x):
        return super().forward(x.float() if torch.__version__.startswith("1.") else x)


class Block(nn.Module):
    """Residual block of Ho et al. 2020."""

    def __init__(self, inner, outer, width, groups):
        super().__init__()
        self.norm1 = GroupNorm(groups, inner, eps=1e-6)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.embed = nn.Linear(width, outer)
        self.norm2 = GroupNorm(groups, outer, eps=1e-6)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)
        self.shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x, embedding):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.embed(F.silu(embedding))[:, :, None, None]
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Self-attention of one head over the pixels; by bmm, or by the fused operator of torch 2."""

    def __init__(self, channels, groups, fused):
        super().__init__()
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.query, self.key, self.value, self.out = (
            nn.Linear(channels, channels) for _ in range(4))
        self.fused = fused

    def forward(self, x):
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        query, key, value = self.query(tokens), self.key(tokens), self.value(tokens)
        if self.fused:
            mixed = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]
        else:
            scale = query.shape[2] ** -0.5
            mixed = torch.bmm(torch.softmax(torch.bmm(query * scale, key.mT), -1), value)
        return x + self.out(mixed).transpose(1, 2).reshape(x.shape)


class Level(nn.Module):
    """One resolution: blocks with their attention, then a change of resolution."""

    def __init__(self, blocks, attentions, resample):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attentions = nn.ModuleList(attentions)
        self.resample = resample

    def run(self, i, x, embedding):
        x = self.blocks[i](x, embedding)
        return self.attentions[i](x) if self.attentions else x


class Unet(nn.Module):
    """The U-Net of Ho et al. 2020 (App. B)."""

    def __init__(self, shape, channels, multipliers, blocks, attention_at, groups, fused):
        super().__init__()
        self.channels = channels
        width = 4 * channels
        self.embedding = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))
        self.conv_in = nn.Conv2d(shape[0], channels, 3, padding=1)

        def level(ins, out, depth, resample):
            attends = shape[1] >> depth in attention_at
            return Level([Block(i, out, width, groups) for i in ins],
                         [Attention(out, groups, fused) for _ in ins if attends], resample)

        skips, now = [channels], channels
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        last = len(multipliers) - 1
        for depth, multiplier in enumerate(multipliers):
            out = channels * multiplier
            down = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(out, out, 3, stride=2))
            self.down.append(level([now] + [out] * (blocks - 1), out, depth,
                                   down if depth < last else None))
            skips += [out] * (blocks + (depth < last))
            now = out
        self.middle = nn.ModuleList([Block(now, now, width, groups), Attention(now, groups, fused),
                                     Block(now, now, width, groups)])
        for depth, multiplier in reversed(list(enumerate(multipliers))):
            out = channels * multiplier
            ins = [(now if i == 0 else out) + skips.pop() for i in range(blocks + 1)]
            up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(out, out, 3, padding=1))
            self.up.append(level(ins, out, depth, up if depth > 0 else None))
            now = out
        self.norm_out = GroupNorm(groups, now, eps=1e-6)
        self.conv_out = nn.Conv2d(now, shape[0], 3, padding=1)

    def features(self, t):
        half = self.channels // 2
        frequencies = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half, device=t.device))
        angle = t[:, None] * frequencies[None]
        return torch.cat([angle.sin(), angle.cos()], 1)

    def forward(self, x, t):
        embedding = self.embedding(self.features(t))
        h = self.conv_in(x)
        skips = [h]
        for level in self.down:
            for i in range(len(level.blocks)):
                h = level.run(i, h, embedding)
                skips.append(h)
            if level.resample:
                h = level.resample(h)
                skips.append(h)
        h = self.middle[2](self.middle[1](self.middle[0](h, embedding)), embedding)
        for level in self.up:
            for i in range(len(level.blocks)):
                h = level.run(i, torch.cat([h, skips.pop()], 1), embedding)
            if level.resample:
                h = level.resample(h)
        return self.conv_out(F.silu(self.norm_out(h)))


def precision(name, device):
    if name == "bf16":
        return torch.autocast(device, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def make_adam(parameters, kind):
    return torch.optim.Adam(parameters, lr=2e-4, **({kind: True} if kind != "loop" else {}))


def training_step(net, images, options):
    """Epsilon-prediction on the VP process, as Ho et al. 2020; returns a function of no arguments."""
    parameters = list(net.parameters())
    averages = [p.detach().clone() for p in parameters]
    optimizer = make_adam(parameters, options.adam)
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, device=options.device), 0)

    def step():
        t = torch.randint(1000, (images.shape[0],), device=options.device)
        a = alpha_bar[t][:, None, None, None]
        noise = torch.randn_like(images)
        x = a.sqrt() * images + (1 - a).sqrt() * noise
        with precision(options.precision, options.device):
            loss = F.mse_loss(net(x, t.float()), noise)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_mul_(averages, 0.9999)
        torch._foreach_add_(averages, [p.detach() for p in parameters], alpha=1e-4)

    return step


def evaluation(net, images, options):
    t = torch.full((images.shape[0],), 500.0, device=options.device)

    def run():
        with torch.no_grad(), precision(options.precision, options.device):
            net(images, t)

    return run


def measure(work, repeats, device):
    """Median and relative spread of means over runs of at least 50 ms, as `halcyon bench` takes them."""
    def seconds(runs):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(runs):
            work()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / runs

    for _ in range(5 if device == "cuda" else 1):
        seconds(1)  # compiles, sets libraries up, records graphs
    runs = max(1, math.ceil(0.05 / seconds(1)))
    samples = [seconds(runs) for _ in range(repeats)]
    middle = statistics.median(samples)
    return middle, statistics.median(abs(s - middle) for s in samples) / middle


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--net", choices=NETS, default="cifar10")
    parser.add_argument("--mode", choices=("step", "nfe"), default="step")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--attention", choices=("bmm", "fused"), default="bmm")
    parser.add_argument("--adam", choices=("loop", "foreach", "fused"), default="loop")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", choices=("none", "default", "reduce-overhead", "max-autotune"),
                        default="none")
    parser.add_argument("--out", help="file for the JSON; else it is printed")
    parser.add_argument("--parameters", type=int, help="stop unless the network has so many")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    *architecture, expected = NETS[options.net]
    net = Unet(*architecture, fused=options.attention == "fused")
    count = sum(p.numel() for p in net.parameters())
    for wanted in (expected, options.parameters):
        if wanted is not None and count != wanted:
            sys.exit(f"{options.net}: {count} parameters, wanted {wanted}")
    net = net.to(options.device)
    images = torch.rand(options.batch, *architecture[0], device=options.device) * 2 - 1
    if options.channels_last:
        net = net.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    make = training_step if options.mode == "step" else evaluation
    if options.compile != "none":
        net = torch.compile(net, mode=options.compile)
    seconds, spread = measure(make(net, images, options), options.repeats, options.device)
    peak = (torch.cuda.max_memory_reserved() if options.device == "cuda" else
            1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    line = json.dumps({**vars(options), "torch": torch.__version__, "parameters": count,
                      "seconds": seconds, "spread": spread, "peak_memory_bytes": peak,
                      "images_per_second": options.batch / seconds})
    if options.out is None:
        print(line)
    else:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
