"""Ours trains with the product's own loop: stored pictures, the recipe notebook, precision as this machine chooses."""

import numpy as np
import torch
from turns import settings, take_turns

from alexnet import __version__, device
from alexnet.data.batches import Batches
from alexnet.models.network import create_model, parameter_count
from alexnet.progress import Display
from alexnet.training.loop import Setting, fit
from alexnet.training.recipes import find
from alexnet.training.world import World

asked = settings()
device.keep_memory()
if "threads" in asked:
    torch.set_num_threads(asked["threads"])
cpu = torch.device("cpu")
precision = device.choose_precision(cpu, None if asked["precision"] == "auto" else asked["precision"] == "bf16")
torch.manual_seed(0)
network = create_model(asked["network"]).on(cpu)
recipe = find("notebook", {"notebook-flowers": "flowers17", "notebook-mnist": "mnist"}[asked["network"]])
recipe = recipe.model_copy(update={"epochs": 2})
channels, side, _ = network.input_shape
count = asked["steps"] * asked["batch"]
generator = np.random.default_rng(0)
pixels = generator.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
labels = generator.integers(0, network.classes, count)
batches = Batches(pixels, labels, np.arange(count), batch_size=asked["batch"], seed=0, device=cpu)
setting = Setting(cpu, precision, World(), Display(quiet=True))


def turn() -> dict[str, float]:
    """The second of two epochs counts: the optimizer is as new in every turn."""
    _, row = fit(
        network, batches, None, network.variant.preprocess, recipe, setting, class_weights=None, save=lambda *_: None
    )
    return {"work": count, "seconds": count / row["images_per_second"], "loss": row["train/loss"]}


turn()
take_turns(
    turn,
    parameters=parameter_count(network),
    version=f"alexnet {__version__}",
    precision=precision,
    flop=asked["flop"],
)
