"""What the machine can do at most: products of square matrices, in one precision."""

import torch
from turns import settings, take_turns

asked = settings()
SIDE, TIMES = 4096, 2
left, right = (torch.randn(SIDE, SIDE, dtype=getattr(torch, asked["dtype"])) for _ in range(2))


def turn() -> dict[str, float]:
    for _ in range(TIMES):
        left @ right
    return {"work": TIMES * 2 * SIDE**3 / 1e9}


turn()
take_turns(turn, version=f"PyTorch {torch.__version__}")
