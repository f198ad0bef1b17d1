"""Patients in good health: nothing is found."""

from collections.abc import Callable
from pathlib import Path

from alexnet.doctor import examine
from alexnet.run import Run
from tests.doctor.conftest import Ward, by_colour, rows, vitals


def test_digits(digits_run: Run) -> None:
    assert examine(digits_run) == []
    assert digits_run.vitals["neighbours"]["accuracy"] > 0.9


def test_a_folder_of_colours(colours_run: tuple[Path, Run]) -> None:
    assert examine(colours_run[1]) == []


def test_batch_norm_that_keeps_up(healthy: Run) -> None:
    assert examine(healthy) == []
    assert healthy.vitals["batch_norms"][0]["held"] < 0.05
    assert "doctor" not in healthy.log_file.read_text("utf-8")


def test_mixed_pictures(ward: Ward, colours: Path) -> None:
    """The training loss stays high, since mixed labels cannot be told; whole pictures are known."""
    run = ward.train("normed", colours, epochs=8, mixing={"mixup": 1.0, "cutmix": 1.0})
    assert run.history[-1]["train/loss"] > 0.5
    assert run.vitals["evaluation"]["accuracy"] > 0.95
    assert examine(run) == []
    assert "doctor" not in run.log_file.read_text("utf-8")


def test_relu_without_batch_norm(ward: Ward, colours: Path) -> None:
    run = ward.train("plain", colours, epochs=6)
    assert run.vitals["batch"] is None
    assert examine(run) == []


def test_tanh(ward: Ward, colours: Path) -> None:
    run = ward.train("bent", colours, epochs=6, lr=0.002)
    assert run.vitals["activations"][0]["saturated"] < 0.5
    assert examine(run) == []


def test_two_parts_of_their_own(ward: Ward) -> None:
    run = ward.train("normed", ward.folder(train=by_colour, val=by_colour), epochs=6)
    assert run.vitals["twins"] == {"count": 0, "of": 90, "pairs": []}
    assert examine(run) == []


def test_a_loss_that_rises_while_accuracy_does(written: Callable[..., Run]) -> None:
    """Validation grows more confident, and better: no over-fitting that anybody should mend."""
    table = [(2.0 * 0.7**e, 1 - 0.5 * 0.7**e, 1.0 + 0.08 * abs(e - 4), 0.6 + 0.02 * e) for e in range(12)]
    assert examine(written(rows(table))) == []


def test_unequal_classes_that_count_alike(written: Callable[..., Run]) -> None:
    table = [(2.0 * 0.6**e, 1 - 0.5 * 0.6**e, 2.0 * 0.7**e, 0.9) for e in range(8)]
    run = written(rows(table), train=(600, 30), val=(100, 10), args={"class_weights": "auto"}, inside=vitals())
    assert examine(run) == []


def test_wide_layers_on_few_pictures(written: Callable[..., Run]) -> None:
    """Thirty-four pictures alike do not wake most of the 4,096 units that ImageNet taught."""
    table = [(2.0 * 0.6**e, 1 - 0.5 * 0.6**e, 2.0 * 0.7**e, 0.9) for e in range(8)]
    asleep = [{"name": "relu6", "kind": "relu", "units": 4096, "dead": 0.61, "saturated": 0.0}]
    assert examine(written(rows(table), inside=vitals(pictures=34, activations=asleep))) == []
