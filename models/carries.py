#!/usr/bin/env python3
"""Natural addition lines, half of them with long carries: python3 carries.py LINES SEED > FILE

In every second line each pair of digits but the first sums to nine with a probability of one half, so that the carry
runs far through the sum: among ordinary lines such ones are rare, and they are the last that a model learns.
"""

import random, sys

lines, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
for line in range(lines):
    a, b = random.randrange(10**7, 10**8), random.randrange(10**7, 10**8)
    if line % 2:
        digits = [9 - int(x) if place and random.random() < 0.5 else int(y) for place, (x, y) in enumerate(zip(str(a), str(b)))]
        b = int("".join(map(str, digits)))
    print(f"{a}+{b}={a + b}")
