"""Ours answers: the Classifier of a run, from stored pictures to probabilities."""

import numpy as np
import torch
from turns import settings, take_turns

from alexnet import __version__, device, load

asked = settings()
device.keep_memory()
classifier = load(asked["run"], device="cpu", amp=asked["precision"] == "bf16")
pictures = np.load(asked["pictures"], mmap_mode="r")
count = asked["batch"]
answers = []
for start in range(0, asked["judged"], count):
    answers += [int(row.argmax()) for row in classifier.scores(list(pictures[start : start + count]))]
batches = [list(pictures[start : start + count].copy()) for start in range(0, asked["times"] * count, count)]


def turn() -> dict[str, float]:
    for batch in batches:
        classifier.scores(batch)
    return {"work": len(batches) * count}


turn()
take_turns(
    turn, version=f"alexnet {__version__}, torch {torch.__version__}", precision=asked["precision"], answers=answers
)
