"""What the tests of foreign weights share: the command line, and weights that are all different."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from alexnet.commands.main import main
from alexnet.models.network import AlexNet, create_model

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Refused:
    """Runs `alexnet convert FILE OUT` and gives the one line it is refused with; exit code 4, nothing written."""
    monkeypatch.delenv("ALEXNET_DEBUG", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    out = tmp_path / "refused" / "out.safetensors"

    def run(file: Path, *options: str, code: int = 4) -> str:
        monkeypatch.setattr(sys, "argv", ["alexnet", "convert", str(file), str(out), *options])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert left.value.code == code, said.err
        assert said.err.count("\n") == 1, said.err
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
        assert not out.exists()
        return said.err.removeprefix("error: ").rstrip("\n")

    return run


def uneven(network: AlexNet, seed: int = 0) -> AlexNet:
    """Weights, biases and statistics of which no two are alike, small enough for values to stay in range."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if "running_var" in name or (name.startswith("bn") and name.endswith("weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.ndim > 1:
            fan = tensor[0].numel()
            tensor.normal_(0, (2 / fan) ** 0.5, generator=generator)
        else:
            tensor.normal_(0, 0.1, generator=generator)
    return network.eval()


def made(name: str, seed: int = 0, **sizes: int) -> AlexNet:
    """A variant with uneven weights."""
    return uneven(create_model(name, **sizes), seed)


def picture(shape: tuple[int, ...], seed: int = 1) -> Tensor:
    """One random picture, float32 (1, C, H, W), values in [0, 1]."""
    return torch.from_numpy(np.random.default_rng(seed).random((1, *shape), dtype=np.float32))


def answer(state: dict[str, Tensor], name: str, batch: Tensor, classes: int) -> Tensor:
    """Logits of a variant with these weights."""
    network = create_model(name, num_classes=classes, in_channels=batch.shape[1], image_size=batch.shape[2]).eval()
    network.load_weights(state, "the test's weights")
    with torch.no_grad():
        logits: Tensor = network(batch)
    return logits
