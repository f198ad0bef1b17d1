"""Plain PyTorch trains as its tutorials and torchvision's reference loop do: eager, zero_grad, forward, backward, step.

`precision`: float32, or bf16 for `torch.autocast`. `layout`: channels_first, as everybody starts, or channels_last.
"""

import numpy as np
import torch
from torch import nn
from turns import settings, take_turns

asked = settings()
torch.manual_seed(0)


def flowers() -> nn.Sequential:
    stages: list[nn.Module] = []
    maps = 3
    for filters, kernel, stride, padding, pooled in (
        (96, 11, 4, 0, True),
        (256, 5, 1, 2, True),
        (384, 3, 1, 0, False),
        (384, 3, 1, 0, False),
        (256, 3, 1, 0, True),
    ):
        stages += [nn.Conv2d(maps, filters, kernel, stride, padding), nn.ReLU(inplace=True)]
        stages += [nn.MaxPool2d(3, 2)] if pooled else []
        stages += [nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)]
        maps = filters
    stages += [nn.Flatten()]
    for inputs in (1024, 4096):
        stages += [nn.Linear(inputs, 4096), nn.ReLU(inplace=True), nn.Dropout(0.4)]
        stages += [nn.BatchNorm1d(4096, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*stages, nn.Linear(4096, 17))


def mnist() -> nn.Sequential:
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *convolutions, nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)
    )


network, shape, classes = {
    "notebook-flowers": (flowers, (3, 224, 224), 17),
    "notebook-mnist": (mnist, (1, 28, 28), 10),
}[asked["network"]]
model = network()
layout = getattr(torch, {"channels_first": "contiguous_format"}.get(asked["layout"], asked["layout"]))
model.to(memory_format=layout)
optimizer = torch.optim.Adadelta(model.parameters(), lr=asked["rate"], rho=0.95, eps=1e-7)
criterion = nn.CrossEntropyLoss()
count = asked["steps"] * asked["batch"]
generator = np.random.default_rng(0)
pictures = torch.from_numpy(generator.random((count, *shape), dtype=np.float32)).contiguous(memory_format=layout)
labels = torch.from_numpy(generator.integers(0, classes, count))


def turn() -> dict[str, float]:
    model.train()
    losses = 0.0
    for start in range(0, count, asked["batch"]):
        images, targets = pictures[start : start + asked["batch"]], labels[start : start + asked["batch"]]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=asked["precision"] == "bf16"):
            loss = criterion(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += loss.item()
    return {"work": count, "loss": losses / asked["steps"]}


turn()
take_turns(
    turn,
    parameters=sum(p.numel() for p in model.parameters()),
    version=f"PyTorch {torch.__version__}",
    precision=asked["precision"],
    flop=asked["flop"],
)
