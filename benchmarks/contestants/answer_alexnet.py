"""Ours answers: the Classifier of a run, from stored pictures to probabilities."""

import numpy as np
import torch
from turns import settings, take_turns

from alexnet import __version__, device, load

asked = settings()
device.keep_memory()
classifier = load(asked["run"], device="cpu", amp=asked["precision"] == "bf16")
pictures = np.load(asked["pictures"], mmap_mode="r")
answers = [int(row.argmax()) for row in classifier.scores(list(pictures[: asked["judged"]]))]
batch = list(pictures[: asked["batch"]].copy())


def turn() -> dict[str, float]:
    for _ in range(asked["times"]):
        classifier.scores(batch)
    return {"work": asked["times"] * len(batch)}


turn()
take_turns(
    turn, version=f"alexnet {__version__}, torch {torch.__version__}", precision=asked["precision"], answers=answers
)
