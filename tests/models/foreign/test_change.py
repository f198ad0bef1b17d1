"""Weights made to fit grey pictures, other classes, other names."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alexnet.errors import ModelFileError
from alexnet.models.foreign import change
from alexnet.weights import Card
from tests.models.foreign.conftest import answer, made


def card_of(name: str, classes: int) -> Card:
    return Card(name, tuple(f"class {index}" for index in range(classes)), made(name).variant.preprocess)


def grey_picture(side: int) -> torch.Tensor:
    """Random grey levels, uint8 (1, 1, side, side)."""
    return torch.randint(0, 256, (1, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "side", "tolerance"), [("bvlc", 227, 1e-4), ("torchvision", 224, 0.05)])
def test_a_grey_picture_gives_what_it_gave_as_three_equal_colours(name: str, side: int, tolerance: float) -> None:
    """Exactly where conv1 does not pad, as in bvlc; torchvision's pads with each colour's own mean."""
    state = dict(made(name, num_classes=5).state_dict())
    card = card_of(name, 5)
    state["conv1.weight"] = state["conv1.weight"] * card.preprocess.std[0]  # small enough for raw pixels too
    grey, changed = change.to_grey(state, card)
    assert (changed.preprocess.channels, len(changed.preprocess.mean), len(changed.preprocess.std)) == (1, 1, 1)
    assert grey["conv1.weight"].shape[1] == 1
    levels = grey_picture(side)
    in_colour = answer(state, name, card.preprocess.normalise(levels.expand(1, 3, side, side)), 5)
    in_grey = answer(grey, name, changed.preprocess.normalise(levels), 5)
    assert (in_grey - in_colour).abs().max() < tolerance * in_colour.abs().max()
    assert in_colour.std() > 0.1
    assert change.to_grey(grey, changed) == (grey, changed)


def test_a_network_that_begins_otherwise_cannot_be_made_grey() -> None:
    state = dict(made("cvgj", num_classes=2).state_dict())
    with pytest.raises(ModelFileError, match="cannot be made grey: bn0 comes before its first convolution"):
        change.to_grey(state, card_of("cvgj", 2))


def test_a_fresh_head_depends_on_its_seed_alone() -> None:
    state = dict(made("notebook-mnist").state_dict())
    card = replace(card_of("notebook-mnist", 10), measured={"accuracy_top1": 0.9})
    before = torch.random.get_rng_state()
    first, changed = change.with_fresh_head(state, card, 4, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's random numbers are used up"
    torch.rand(5)
    again, _ = change.with_fresh_head(state, card, 4, seed=1)
    other, _ = change.with_fresh_head(state, card, 4, seed=2)
    assert (changed.classes, changed.measured) == (("0", "1", "2", "3"), {})
    assert first["fc4.weight"].shape == (4, 128)
    assert torch.equal(first["fc4.weight"], again["fc4.weight"])
    assert not torch.equal(first["fc4.weight"], other["fc4.weight"])
    assert all(torch.equal(first[name], state[name]) for name in state if not name.startswith("fc4"))
    _, thousand = change.with_fresh_head(state, card, 1000, seed=1)
    assert thousand.classes[:2] == ("0", "1"), "fresh classes are numbered, they are not ImageNet's"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", "has 2 names, the weights have 3 classes"),
        ("a\nb\nc\nd\n", "has 4 names, the weights have 3 classes"),
        ("a\nb\na\n", "must all be different"),
        ("a\n\nc\n", "none empty"),
        (b"\xff\xfea".decode("latin1"), "has 1 names"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ModelFileError, match=message):
        change.named(card_of("notebook-mnist", 3), file)


def test_labels_are_taken_with_any_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeffdaisy\r\nlily of the valley \r\n\r\n".encode())
    assert change.named(card_of("notebook-mnist", 2), file).classes == ("daisy", "lily of the valley")
    with pytest.raises(ModelFileError, match="cannot be read"):
        change.named(card_of("notebook-mnist", 2), tmp_path / "gone.txt")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match="cannot be read"):
        change.named(card_of("notebook-mnist", 2), file)
