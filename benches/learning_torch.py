"""Coding while learning in plain PyTorch, to hold `surprisal compress --learn` to: the same network, batch,
optimisers (Muon for the layers' matrices, AdamW for all else) and schedule, one forward pass, one backward pass and one
step a batch of lines, and no coding at all: only the size that a perfect coder would reach. Prints megabytes a second.

    python3 benches/learning_torch.py FILE [THREADS [LINES [BATCH]]]

The file has lines of 27 characters, as `surprisal corpus` makes them.
"""

import math
import sys
import time

import torch
from torch.nn import functional as F

from training_torch import GPT, PRESETS

SYMBOLS = "0123456789se+="
path, threads, lines, batch = sys.argv[1], *(int(a) for a in (sys.argv[2:] + ["1", "20000", "32"][len(sys.argv) - 2 :]))
torch.manual_seed(1)
torch.set_num_threads(threads)

with open(path) as file:
    rows = [["s", *line.rstrip("\n"), "e"] for line, _ in zip(file, range(lines))]
tokens = torch.tensor([[SYMBOLS.index(c) for c in row] for row in rows])
gpt = GPT(*PRESETS["nano"])
for name, parameter in gpt.named_parameters():
    if parameter.dim() == 2:
        torch.nn.init.normal_(parameter, std=0.06)


class Muon:
    """Muon (Jordan et al., 2024); queries, keys and values each by themselves, matrices of one shape all at once."""

    def __init__(self, matrices, beta, decay):
        self.decay, self.beta, self.shapes = decay, beta, {}
        for matrix in matrices:
            parts = matrix.split(matrix.shape[1]) if matrix.shape[0] == 3 * matrix.shape[1] else [matrix]
            self.shapes.setdefault(tuple(parts[0].shape), []).append((matrix, len(parts)))
        self.means = {shape: 0.0 for shape in self.shapes}

    @torch.no_grad()
    def step(self, lr):
        for shape, matrices in self.shapes.items():
            g = torch.cat([m.grad.view(parts, *shape) for m, parts in matrices]) * (1 - self.beta)
            self.means[shape] = self.means[shape] * self.beta + g
            x = self.means[shape] * self.beta + g
            x = x if shape[0] >= shape[1] else x.mT
            x = x / x.norm(dim=(1, 2), keepdim=True)
            for _ in range(5):
                gram = x.mT @ x
                x = 3.4445 * x + x @ (-4.775 * gram + 2.0315 * gram @ gram)
            x = x if shape[0] >= shape[1] else x.mT
            at, factor = 0, max(1, shape[0] / shape[1]) ** 0.5
            for m, parts in matrices:
                m.mul_(1 - lr * self.decay).sub_(x[at : at + parts].reshape(m.shape), alpha=lr * factor)
                at += parts


matrices = [p for name, p in gpt.named_parameters() if p.dim() == 2 and name.startswith("layers")]
others = [p for name, p in gpt.named_parameters() if p.dim() < 2 or not name.startswith("layers")]
muon = Muon(matrices, beta=0.95, decay=0.1)
adamw = torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.1)
steps = math.ceil(lines / batch)
rate = torch.optim.lr_scheduler.LambdaLR(adamw, lambda s: min((s + 1) / 200, 1 - 0.9 * s / steps))

bits, begin = 0.0, time.perf_counter()
for some in tokens.split(batch):
    loss = F.cross_entropy(gpt(some[:, :-1]).flatten(0, 1), some[:, 1:].flatten())
    bits += loss.item() * some[:, 1:].numel() / math.log(2)
    gpt.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
    muon.step(6 * rate.get_last_lr()[0])
    adamw.step()
    rate.step()
seconds = time.perf_counter() - begin
print(f"PyTorch {torch.__version__}, threads {threads}, {len(rows)} lines in batches of {batch}:")
print(f"{bits / 8:.0f} bytes, {seconds:.1f} s, {28e-6 * len(rows) / seconds:.3f} MB/s")
