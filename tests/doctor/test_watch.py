"""What is said while a training runs: only what is hopeless, and not too early."""

from typing import Any

import pytest

from alexnet.doctor import Chart, hopeless
from alexnet.doctor.records import Asked
from tests.doctor.conftest import rows


def begun(**args: Any) -> Chart:
    """Ten classes, thirty epochs unless told otherwise."""
    counts = {"train": {str(label): 60 for label in range(10)}, "val": {str(label): 10 for label in range(10)}}
    asked = {"epochs": 30, "optimizer": {"name": "sgd", "lr": 0.1}, **args}
    return Chart("run", "args.yaml", Asked.model_validate(asked), counts=counts)


def after(*losses: float, **args: Any) -> str | None:
    """The name of what is said after epochs with these training losses, all accuracies at chance."""
    finding = hopeless(begun(**args), rows([(loss, 0.1, 2.3, 0.1) for loss in losses]))
    return finding.name if finding is not None else None


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ((9.0,), None),
        ((7.0, 7.0), "learning rate too high"),
        ((6.5, 7.0), "learning rate too high"),
        ((7.1, 7.0), None),
        ((6.5, 6.8), None),  # below three times guessing's
        ((2.3, 9.0, 7.0), "stuck at chance"),
    ],
)
def test_a_loss_far_above_chance_that_rises(losses: tuple[float, ...], said: str | None) -> None:
    assert after(*losses) == said


@pytest.mark.parametrize(
    ("earliest", "args"),
    [
        (3, {}),
        (3, {"epochs": 4}),
        (4, {"epochs": 40}),
        (5, {"epochs": 43}),
        (10, {"epochs": 100}),
        (5, {"schedule": {"name": "cosine", "warmup": 2}}),
        (9, {"epochs": 30, "schedule": {"warmup": 8}}),  # a fifth of the run at most, as in the loop
    ],
)
def test_three_epochs_at_chance_and_a_tenth_of_the_run(earliest: int, args: dict[str, Any]) -> None:
    assert after(*[2.3] * (earliest - 1), **args) is None
    assert after(*[2.3] * earliest, **args) == "stuck at chance"


def test_what_may_yet_become_something() -> None:
    assert after(2.3, 2.25, 2.2) is None
    assert after(2.3, 2.3, 2.3, optimizer={"name": "sgd", "lr": 0.0001}) is None
    better = rows([(2.3, 0.1, 2.3, 0.1), (2.3, 0.1, 2.3, 0.1), (2.3, 0.1, 2.2, 0.3)])
    assert hopeless(begun(mixing={"mixup": 1.0}), better) is None
    assert hopeless(begun(), better) is not None


def test_what_is_over_is_examined_instead() -> None:
    assert after(2.3, 2.3, 2.3, epochs=3) is None
    assert after(6.5, 7.0, epochs=2) is None
    assert after(2.3, 2.3, 2.3, epochs=None) is None


def test_the_command_to_type_instead() -> None:
    finding = hopeless(begun(), rows([(2.3, 0.1, 2.3, 0.1)] * 3))
    assert finding is not None
    assert finding.remedy == "alexnet train --config args.yaml --lr 0.01"
