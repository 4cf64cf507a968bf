"""Milliseconds of a training step of the same GPTs in plain PyTorch, to hold `cargo bench --bench
training` to. The network is minGPT's in PyTorch's own modules and its fused attention; the batch
is 512 lines of 28 random tokens, and a step is forward, backward, clipping and AdamW in f32.

    python3 benches/training_torch.py [THREADS]
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

LINES, LENGTH, VOCABULARY = 512, 28, 14
PRESETS = {"tiny": (2, 4, 32), "nano": (3, 3, 48), "micro": (4, 4, 128)}


class Layer(nn.Module):
    def __init__(self, heads, width):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        lines, length, width = x.shape
        qkv = self.c_attn(self.ln_1(x)).view(lines, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, nh, T, hs) each
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(attended.transpose(1, 2).reshape(x.shape))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, layers, heads, width):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, width), nn.Embedding(LENGTH, width)
        self.layers = nn.Sequential(*(Layer(heads, width) for _ in range(layers)))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(LENGTH))
        return self.head(self.ln_f(self.layers(x)))  # (B, T, V)


def seconds(preset):
    gpt = GPT(*PRESETS[preset])
    adamw = torch.optim.AdamW(gpt.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    tokens = torch.randint(VOCABULARY, (LINES, LENGTH + 1))

    def step():
        start = time.perf_counter()
        loss = F.cross_entropy(gpt(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        adamw.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
        adamw.step()
        return time.perf_counter() - start

    steps, begin = [], time.perf_counter()
    while len(steps) < 5 or time.perf_counter() - begin < 5:
        steps.append(step())
    return sorted(steps)[len(steps) // 2]


if __name__ == "__main__":
    torch.manual_seed(1)
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"PyTorch {torch.__version__}, {LINES} lines a step, threads: {torch.get_num_threads()}")
    for preset in PRESETS:
        s = seconds(preset)
        print(f"{preset:8} {1e3 * s:9.1f} ms/step {LINES * LENGTH / s:11.0f} tokens/s")
