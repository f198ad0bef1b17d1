"""How a network starts: weights from elsewhere, and layers that stand still."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alexnet import weights
from alexnet.errors import ModelFileError, UsageError
from alexnet.experiment import train
from alexnet.models import variants
from alexnet.models.initial import Fill, Init
from alexnet.models.layers import BatchNorm, Conv, Dense, Dropout, MaxPool, ReLU
from alexnet.models.modules import KerasBatchNorm
from alexnet.models.network import AlexNet, create_model
from alexnet.models.variants import Variant
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.training import recipes, start
from alexnet.weights import Card

CHILDREN = ["conv1", "relu1", "pool1", "bn1", "conv2", "relu2", "flatten", "fc3", "drop3", "bn3", "fc4"]

TINY = Variant(
    name="tiny",
    source="made up for this test",
    preprocess=Preprocess(16, 16),
    classes=3,
    stages={
        "conv1": (Conv(4, 3), ReLU(), MaxPool(2, 2), BatchNorm()),
        "conv2": (Conv(4, 3), ReLU(), BatchNorm()),
        "fc3": (Dense(8), ReLU(), Dropout(0.5), BatchNorm()),
        "fc4": (Dense(None),),
    },
    init=Init(Fill("glorot-uniform")),
    note="",
)


def momenta(network: AlexNet) -> list[float | None]:
    return [module.momentum for module in network.modules() if isinstance(module, KerasBatchNorm)]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(variants.VARIANTS, "tiny", TINY)


STAGES = ["input", "conv1", "conv2", "fc3", "fc4"]


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        ("conv1", {"input", "conv1"}),
        ("conv1-conv2", {"input", "conv1", "conv2"}),
        ("conv2-fc3", {"conv2", "fc3"}),
        ("fc4", {"fc4"}),
        ("conv1, fc3", {"input", "conv1", "fc3"}),
        ("fc3,conv1", {"input", "conv1", "fc3"}),
        ("conv1-fc4", set(STAGES)),
    ],
)
def test_frozen_stages(freeze: str, frozen: set[str]) -> None:
    assert start.frozen_stages(freeze, STAGES) == frozen


@pytest.mark.parametrize(
    "freeze", ["conv9", "conv1-conv9", "relu1", "", "conv2-conv1", "conv1,,fc3", "conv1-", "input"]
)
def test_layers_that_are_not_there(freeze: str) -> None:
    with pytest.raises(UsageError, match="--freeze"):
        start.frozen_stages(freeze, STAGES)


@pytest.mark.parametrize("variant", variants.VARIANTS.values(), ids=lambda variant: variant.name)
def test_frozen_convolutions_leave_the_dense_layers_alone(variant: Variant) -> None:
    """Dropout before fc6 belongs to fc6: it goes on dropping when the convolutions are frozen."""
    with torch.device("meta"):
        network = AlexNet(variant, 3, variant.input)
    last = max(stage for stage in variant.stages if stage.startswith("conv"))
    names = set(start.freeze(network, f"conv1-{last}"))
    trained = {name.partition(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    first_dense = next(stage for stage in variant.stages if stage.startswith("fc"))
    assert (
        trained
        == {each.name for each in network.layers if each.name not in names and each.stage.startswith("fc")} & trained
    )
    assert first_dense in trained
    assert not any(name.startswith("drop") for name in names)
    assert "bn0" not in trained


def test_something_must_be_left_to_train() -> None:
    with pytest.raises(UsageError, match="leaves nothing to train"):
        start.freeze(create_model("notebook-mnist"), "conv1-fc4")


def test_batch_norm_momentum() -> None:
    network = AlexNet(TINY, 3, (3, 16, 16))
    assert momenta(network) == [0.01] * 3
    start.set_batch_norm_momentum(network, 0.25)
    assert momenta(network) == [0.25] * 3


@pytest.mark.usefixtures("tiny")
def test_frozen_layers_stand_still_in_real_training(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of_colours(count=6)

    def trained(**given: Any) -> Run:
        quiet = Display(io.StringIO(), quiet=True)
        return train(
            folder, model="tiny", epochs=2, batch_size=4, amp=False, project=tmp_path / "runs", display=quiet, **given
        )

    first = trained()
    second = trained(weights=first.path, freeze="conv1-conv2")
    before, _ = weights.load(first.best)
    after, _ = weights.load(second.last)
    assert any("running_mean" in name for name in before)
    for name, tensor in before.items():
        frozen = name.split(".")[0] in ("conv1", "bn1", "conv2", "bn2")
        assert torch.equal(tensor, after[name]) is frozen, name
    assert (second.args["weights"], second.args["freeze"]) == (str(first.best), "conv1-conv2")


def test_other_classes_make_the_head_anew(digits_run: Run) -> None:
    stream = io.StringIO()
    network = create_model("notebook-mnist", num_classes=3)
    fresh = network.state_dict()["fc4.weight"].clone()
    start.start_from(network, ("a", "b", "c"), digits_run.best, Display(stream))
    loaded, _ = weights.load(digits_run.best)
    assert torch.equal(network.state_dict()["conv1.weight"], loaded["conv1.weight"])
    assert torch.equal(network.state_dict()["fc3.bias"], loaded["fc3.bias"])
    assert torch.equal(network.state_dict()["fc4.weight"], fresh)
    assert "fc4 is initialised anew" in stream.getvalue()
    assert "knows 10 classes, the data have 3" in stream.getvalue()
    assert f"weights from {digits_run.best}" in stream.getvalue()


def test_as_many_classes_by_other_names_make_the_head_anew(digits_run: Run) -> None:
    loaded, card = weights.load(digits_run.best)
    for classes, same in ((card.classes, True), (card.classes[::-1], False), (tuple("abcdefghij"), False)):
        stream = io.StringIO()
        network = create_model("notebook-mnist")
        start.start_from(network, classes, digits_run.best, Display(stream))
        assert torch.equal(network.state_dict()["fc4.weight"], loaded["fc4.weight"]) is same
        assert ("fc4 is initialised anew" in stream.getvalue()) is not same


def test_another_variant_is_refused(digits_run: Run) -> None:
    network = AlexNet(TINY, 10, (3, 16, 16))
    with pytest.raises(ModelFileError, match="holds notebook-mnist, not tiny: use --model notebook-mnist"):
        start.start_from(network, tuple("abcdefghij"), digits_run.best, Display(quiet=True))


def test_another_size_is_refused(digits_run: Run) -> None:
    network = create_model("notebook-mnist", image_size=32)
    _, card = weights.load(digits_run.best)
    with pytest.raises(ModelFileError, match=r"does not fit notebook-mnist: fc3\.weight is"):
        start.start_from(network, card.classes, digits_run.best, Display(quiet=True))


@pytest.mark.usefixtures("tiny")
def test_prepare_does_all(tmp_path: Path) -> None:
    source = AlexNet(TINY, 3, (3, 16, 16))
    card = Card("tiny", ("a", "b", "c"), Preprocess(size=16, resize_to=16))
    weights.save(tmp_path / "w.safetensors", source.state_dict(), card)
    network = AlexNet(TINY, 3, (3, 16, 16))
    recipe = recipes.find("modern", "folder")
    frozen = start.prepare(
        network, ("a", "b", "c"), recipe, str(tmp_path / "w.safetensors"), "conv1", Display(quiet=True)
    )
    assert frozen == ("conv1", "relu1", "pool1", "bn1")
    assert recipe.batch_norm_momentum == 0.1
    assert momenta(network) == [0.1] * 3
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), source.state_dict().values(), strict=True)
    )
