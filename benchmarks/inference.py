"""Answering: ours, Keras, onnxruntime, with the same trained weights on the same pictures, one at a time and by 64.

alexnet train flowers17 --model torchvision --set optimizer.name=adamw --lr 0.0003 --epochs 24 --name answers
python -m benchmarks inference --run runs/train/answers --data ~/.cache/alexnet
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alexnet import load, weights
from alexnet.data import images
from alexnet.data.sources import open_source
from alexnet.models.network import AlexNet
from benchmarks.contest import Contestant, Outcome, has_bf16, hold, table

TIMES = {1: 200, 64: 4}
"""Batches of different pictures a turn, by their size."""


def prepare(run: Path, data: Path, folder: Path) -> dict[str, str]:
    """The pictures as stored and as floats, and the network in the peers' formats."""
    classifier = load(run, device="cpu")
    preprocess = replace(classifier.card.preprocess, views=1)  # the peers answer from one view
    weights.save(
        folder / "one_view.safetensors",
        classifier.network.state_dict(),
        replace(classifier.card, preprocess=preprocess),
    )
    stored = folder / "stored.npy"
    source = open_source("flowers17", data_dir=data)
    pixels = np.stack(
        [
            preprocess.fit(images.read(content, name))
            for name, content in zip(source.names, source.contents(), strict=True)
        ]
    )
    np.save(stored, pixels)
    ready = np.lib.format.open_memmap(
        folder / "ready.npy", "w+", np.float32, (len(pixels), preprocess.size, preprocess.size, 3)
    )
    for start in range(0, len(pixels), 64):
        batch = torch.from_numpy(pixels[start : start + 64]).permute(0, 3, 1, 2)
        ready[start : start + 64] = preprocess.test_views(batch)[0].permute(0, 2, 3, 1).numpy()
    ready.flush()
    keras_file, onnx_file = folder / "network.keras", folder / "network.onnx"
    subprocess.run([sys.executable, "-m", "alexnet", "convert", str(run), str(keras_file), "-q"], check=True)
    _export(classifier.network, onnx_file)
    return {
        "run": str(folder / "one_view.safetensors"),
        "pictures": str(stored),
        "ready": str(folder / "ready.npy"),
        "keras": str(keras_file),
        "onnx": str(onnx_file),
    }


def _export(network: AlexNet, file: Path) -> None:
    """The plain network, its batch free, as anybody exports it."""
    example = torch.zeros(2, *network.input_shape)
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        network, (example,), str(file), dynamo=True, dynamic_shapes=({0: batch},), external_data=False, verbose=False
    )


def contestants(files: dict[str, str], batch: int) -> list[Contestant]:
    """Ours with --amp first. Where bf16 is emulated, Keras in bf16 is left out: it takes a multiple of the time."""
    judged = len(np.load(files["pictures"], mmap_mode="r"))
    ours = {"batch": batch, "times": TIMES[batch], "judged": judged, "run": files["run"], "pictures": files["pictures"]}
    asked = {"batch": batch, "times": TIMES[batch], "judged": judged if batch == max(TIMES) else 0}
    keras = {**asked, "model": files["keras"], "ready": files["ready"]}
    onnx = {**asked, "model": files["onnx"], "ready": files["ready"], "threads": len(os.sched_getaffinity(0))}
    return [
        Contestant(
            f"alexnet, {'bf16' if has_bf16() else 'fp16'} (--amp)", "answer_alexnet.py", {**ours, "precision": "bf16"}
        ),
        Contestant("alexnet, float32", "answer_alexnet.py", {**ours, "precision": "float32"}),
        Contestant("onnxruntime, float32", "answer_onnx.py", onnx, peer=True),
        *(
            Contestant(
                f"Keras {way}, {precision}",
                "answer_keras.py",
                {**keras, "way": way, "precision": precision},
                peer=True,
            )
            for way in ("predict", "call")
            for precision in ("float32", "mixed_bfloat16")
            if precision == "float32" or has_bf16()
        ),
    ]


def run(rounds: int, files: dict[str, str]) -> tuple[list[str], dict[str, list[Outcome]]]:
    """Both batch sizes; lines to print, and what was measured."""
    lines: list[str] = []
    found = {}
    for batch in TIMES:
        found[f"batch {batch}"] = outcomes = hold(contestants(files, batch), rounds)
        lines += [f"Answering, `torchvision` with 17 classes, batch {batch}:", "", *table(outcomes, "pictures/s"), ""]
    answers = {
        f"{outcome.name}, {batch}": np.array(outcome.about["answers"])
        for batch, outcomes in found.items()
        for outcome in outcomes
        if outcome.about["answers"]
    }
    theirs = next(named for name, named in answers.items() if name.startswith("onnxruntime"))
    for name, named in answers.items():
        equal = float(np.mean(named == theirs))
        lines.append(f"- {name}: the same class as onnxruntime for {equal:.2%} of {len(theirs):,} pictures")
    return [*lines, ""], found
