"""Training: ours, Keras in both precisions, plain PyTorch, on the same network with the same batch and optimizer."""

from alexnet.models.arithmetic import flop
from alexnet.models.network import create_model
from benchmarks.contest import Contestant, Outcome, has_bf16, hold, table

BATCH = 128
NETWORKS = {"notebook-flowers": (0.01, 4), "notebook-mnist": (0.001, 150)}
"""The notebook's rate of Adadelta, and how many batches a turn has."""


def contestants(network: str) -> list[Contestant]:
    """Ours first."""
    rate, steps = NETWORKS[network]
    asked = {
        "network": network,
        "batch": BATCH,
        "rate": rate,
        "steps": steps,
        "flop": flop(create_model(network).layers, training=True),
    }
    plain = {**asked, "layout": "channels_first"}
    everybody = [
        Contestant("alexnet", "train_alexnet.py", {**asked, "precision": "auto"}),
        Contestant("Keras, mixed_bfloat16", "train_keras.py", {**asked, "precision": "mixed_bfloat16"}, peer=True),
        Contestant("Keras, float32", "train_keras.py", {**asked, "precision": "float32"}, peer=True),
        Contestant("PyTorch, bf16 autocast", "train_pytorch.py", {**plain, "precision": "bf16"}),
        Contestant(
            "PyTorch, bf16 autocast, channels last",
            "train_pytorch.py",
            {**plain, "precision": "bf16", "layout": "channels_last"},
        ),
        Contestant("PyTorch, float32", "train_pytorch.py", {**plain, "precision": "float32"}),
    ]
    return [each for each in everybody if has_bf16() or "float32" in each.name or each.name == "alexnet"]


def run(rounds: int, peak: dict[str, float]) -> tuple[list[str], dict[str, list[Outcome]]]:
    """All networks; lines to print, and what was measured."""
    lines: list[str] = []
    found = {}
    for network in NETWORKS:
        found[network] = hold(contestants(network), rounds)
        lines += [f"Training `{network}`, batch {BATCH}, Adadelta:", "", *table(found[network], "pictures/s", peak), ""]
    return lines, found
