"""Two patients for each threshold, one on either side."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from alexnet.doctor import (
    Chart,
    Finding,
    dead,
    divergence,
    imbalance,
    lagging,
    leak,
    overfitting,
    saturated,
    slow,
    stuck,
    unfinished,
    unlike,
    waiting,
)
from alexnet.doctor.records import Asked, Verdict, Vitals
from tests.doctor.conftest import rows, vitals

GUESSING = math.log(10)
MIXED = {"mixing": {"mixup": 0.2}}


def at_rate(rate: float) -> dict[str, Any]:
    return {"optimizer": {"name": "adamw", "lr": rate}}


def chart(
    history: Sequence[Sequence[float]] = (),
    args: dict[str, Any] | None = None,
    *,
    train: Sequence[int] = (600,) * 10,
    val: Sequence[int] = (100,) * 10,
    verdict: dict[str, Any] | None = None,
    columns: dict[str, float] | None = None,
    inside: bool = True,
    **changed: Any,
) -> Chart:
    """Of a run with (loss, acc, val_loss, val_acc) for rows; what is `changed` in the vitals of a healthy one."""
    parts = {"train": train, "val": val}
    judged = {"split": "val", "n": sum(val), "accuracy_top1": 0.9, **(verdict or {})}
    return Chart(
        where="run",
        args_file="args.yaml",
        asked=Asked.model_validate({"model": "a", **at_rate(0.001), **(args or {})}),
        history=tuple(rows(history, **(columns or {}))),
        verdict=Verdict.model_validate(judged),
        vitals=Vitals.model_validate(vitals(**changed)) if inside else None,
        counts={part: {str(label): count for label, count in enumerate(counts)} for part, counts in parts.items()},
    )


# ---- divergence --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("losses", "ill"), [((2.3, 6.95), True), ((2.3, 6.85), False), ((6.95,), False)])
def test_three_times_the_loss_of_guessing(losses: Sequence[float], ill: bool) -> None:
    finding = divergence.look(chart([(loss, 0.1, 2.3, 0.1) for loss in losses]))
    assert (finding is not None) == ill


@pytest.mark.parametrize(
    ("rule", "rate", "smaller"),
    [
        ("adamw", 0.002, "0.0002"),
        ("adamw", 0.1, "0.001"),
        ("sgd", 1.0, "0.01"),
        ("paper", 1.0, "0.01"),
        ("adadelta", 50.0, "1"),
        ("another", 1.0, "0.01"),
    ],
)
def test_a_smaller_rate_is_a_tenth_or_the_usual_one(rule: str, rate: float, smaller: str) -> None:
    finding = divergence.look(chart([(9, 0.1, 9, 0.1)] * 3, {"optimizer": {"name": rule, "lr": rate}}))
    assert finding is not None
    assert finding.remedy == f"alexnet train --config args.yaml --lr {smaller}"
    assert finding.mend == {"lr": float(smaller)}


# ---- stuck -------------------------------------------------------------------------------------------------

CHANCE = {"accuracy": 0.1, "loss": 2.3}


def standing(
    *, loss: float = 2.3, accuracy: float = 0.1, epochs: int = 3, peak: float = 2.31, **given: Any
) -> Finding | None:
    """What `stuck` says of so many epochs at chance."""
    table = [(peak, 0.1, 2.3, 0.1)] + [(loss, accuracy, 2.3, 0.1)] * (epochs - 1)
    asleep: dict[str, Any] = {"evaluation": CHANCE}
    return stuck.look(chart(table, **(asleep | given)))


@pytest.mark.parametrize(
    ("healthy", "ill"),
    [
        ({"epochs": 2}, {"epochs": 3}),
        ({"loss": 0.965 * GUESSING}, {"loss": 0.975 * GUESSING}),
        ({"accuracy": 0.133}, {"accuracy": 0.131}),  # 0.02 and three standard errors of 6,000 pictures
        ({"evaluation": {"accuracy": 0.161}}, {"evaluation": {"accuracy": 0.159}}),  # of 512
        ({"batch": {"accuracy": 0.161}}, {"batch": {"accuracy": 0.159}}),
        ({"args": at_rate(1.9e-5)}, {"args": at_rate(2.1e-5)}),
    ],
)
def test_standing_at_chance(healthy: dict[str, Any], ill: dict[str, Any]) -> None:
    assert standing(**healthy) is None
    finding = standing(**ill)
    assert finding is not None
    assert finding.name == "stuck at chance"
    assert finding.severity == 1


ONES: dict[str, Any] = {"biases_at_one": ["conv2", "fc6"], "output_spread": 0.049}
RANDOM: dict[str, Any] = {"neighbours": {"accuracy": 0.126, "chance": 0.1}}


def relu(share: float) -> dict[str, Any]:
    return {"activations": [{"name": "relu1", "kind": "relu", "units": 96, "dead": share, "saturated": 0.0}]}


@pytest.mark.parametrize(
    ("cause", "other", "this"),
    [
        ("The learning rate is too high", {"peak": 1.49 * GUESSING}, {"peak": 1.51 * GUESSING}),
        (
            "The learning rate is too high",
            {"args": at_rate(0.0099)},
            {"args": at_rate(0.0101)},
        ),
        ("Dead ReLUs", relu(0.94), relu(0.95)),
        ("Biases that start at 1", ONES | {"output_spread": 0.051}, ONES),
        ("Biases that start at 1", ONES | {"args": {"weights": "elsewhere"}}, ONES),
        (
            "Biases that start at 1",
            ONES | {"verdict": {"temperature": 1.03}},
            ONES | {"verdict": {"temperature": 0.97}},
        ),
        ("The labels seem wrong", {"neighbours": {"accuracy": 0.127, "chance": 0.1}}, RANDOM),
        ("The labels seem wrong", RANDOM | {"pictures": 49}, RANDOM | {"pictures": 50}),
    ],
)
def test_why_it_stands(cause: str, other: dict[str, Any], this: dict[str, Any]) -> None:
    otherwise, finding = standing(**other), standing(**this)
    assert otherwise is not None
    assert otherwise.cause == "No sign tells why; a learning rate that is too high is the most frequent reason."
    assert otherwise.sure == 0.5
    assert otherwise.mend is not None
    assert finding is not None
    assert finding.cause.startswith(cause)
    assert finding.sure > 0.5
    assert len(finding.evidence) > len(otherwise.evidence)


@pytest.mark.parametrize(
    ("side", "other"),
    [
        (None, "notebook-flowers"),
        (163, "notebook-flowers"),
        (162, "owt-bn"),
        (63, "owt-bn"),
        (62, "notebook-mnist"),
    ],
)
def test_another_network_for_pictures_of_that_size(side: int | None, other: str) -> None:
    finding = standing(args={"imgsz": side}, **ONES)
    assert finding is not None
    assert finding.remedy == f"alexnet train --config args.yaml --model {other}"
    assert finding.mend is None


# ---- lagging -----------------------------------------------------------------------------------------------


def lag(gap: float, **changed: Any) -> dict[str, Any]:
    """Vitals in which so much accuracy is lost."""
    norms = [{"name": "bn1", "momentum": 0.01, "steps": 10, "held": 0.9}]
    return {"evaluation": {"accuracy": 0.25}, "batch": {"accuracy": 0.25 + gap}, "batch_norms": norms} | changed


@pytest.mark.parametrize(
    ("healthy", "ill"),
    [
        (lag(0.14), lag(0.16)),
        (lag(0.5, pictures=7), lag(0.5, pictures=8)),
        ({**lag(0.5), "verdict": {"statistics_over": 90}}, lag(0.5)),
    ],
)
def test_statistics_that_lag(healthy: dict[str, Any], ill: dict[str, Any]) -> None:
    assert lagging.look(chart(**healthy)) is None
    finding = lagging.look(chart(**ill))
    assert finding is not None
    assert finding.evidence[1].startswith("bn1: momentum 0.01, 10 steps: it still holds 90%")


def test_what_is_not_known_of_the_start_is_not_said() -> None:
    unknown = {"name": "bn1", "momentum": 0.01, "steps": None, "held": None}
    finding = lagging.look(chart(**lag(0.5, batch_norms=[unknown])))
    assert finding is not None
    assert len(finding.evidence) == 1
    half = {"name": "bn2", "momentum": 0.1, "steps": 6, "held": 0.5}
    finding = lagging.look(chart(**lag(0.5, batch_norms=[unknown, half, {**half, "name": "bn3", "held": 0.4}])))
    assert finding is not None
    assert finding.evidence[1].startswith("bn2: momentum 0.1, 6 steps: it still holds 50%")


# ---- slow --------------------------------------------------------------------------------------------------


def falling(
    losses: Sequence[float], rate: float = 0.0002, args: dict[str, Any] | None = None, **given: Any
) -> Finding | None:
    """What `slow` says of these losses."""
    asked = at_rate(rate) | (args or {})
    return slow.look(chart([(loss, 0.3, loss, 0.3) for loss in losses], asked, **given))


def line(start: float, end: float, epochs: int = 6, late: float = 1.0) -> list[float]:
    """Losses along a line from `start` to `end`, of which the last third falls `late` times as fast as the whole."""
    third = epochs // 3
    step = (start - end) / (epochs - 1)
    early = (start - end - late * step * third) / (epochs - 1 - third)
    bend = epochs - 1 - third
    return [start - early * min(e, bend) - late * step * max(e - bend, 0) for e in range(epochs)]


@pytest.mark.parametrize(
    ("healthy", "ill"),
    [
        ({"losses": line(2.3, 1.8, epochs=5)}, {"losses": line(2.3, 1.8, epochs=6)}),
        ({"losses": line(2.3, 0.39 * GUESSING)}, {"losses": line(2.3, 0.41 * GUESSING)}),
        ({"losses": line(2.3, 1.8, late=0.78)}, {"losses": line(2.3, 1.8, late=0.82)}),
        ({"losses": line(2.3, 2.3 - 0.019 * GUESSING)}, {"losses": line(2.3, 2.3 - 0.021 * GUESSING)}),
        ({"losses": [2.3] * 3, "rate": 2.1e-5}, {"losses": [2.3] * 3, "rate": 1.9e-5}),
        ({"losses": [2.3] * 2, "rate": 1.9e-5}, {"losses": [2.3] * 3, "rate": 1.9e-5}),
        ({"losses": [2.3] * 3, "rate": 1.9e-5, **relu(0.95)}, {"losses": [2.3] * 3, "rate": 1.9e-5, **relu(0.94)}),
        (
            {"losses": [2.3, 2.3, 2.3 - 0.021 * GUESSING], "rate": 1.9e-5},
            {"losses": [2.3, 2.3, 2.3 - 0.019 * GUESSING], "rate": 1.9e-5},
        ),
        ({"losses": line(2.3, 1.8), "rate": 0}, {"losses": line(2.3, 1.8)}),
    ],
)
def test_a_straight_line(healthy: dict[str, Any], ill: dict[str, Any]) -> None:
    assert falling(**healthy) is None
    finding = falling(**ill)
    assert finding is not None
    assert finding.name == "learning rate too low"


@pytest.mark.parametrize(
    ("rate", "remedy", "mend", "sure"),
    [
        (0.0001, "--lr 0.001", {"lr": 0.001}, 0.9),
        (0.00011, "--lr 0.00033", {"lr": 0.00033}, 0.6),
        (0.0003, "--lr 0.0009", {"lr": 0.0009}, 0.6),
        (0.0005, "--lr 0.001", {"lr": 0.001}, 0.6),
        (0.001, "--epochs 12", {"epochs": 12}, 0.6),
        (0.008, "--epochs 12", {"epochs": 12}, 0.6),
    ],
)
def test_never_above_the_usual_rate(rate: float, remedy: str, mend: dict[str, Any], sure: float) -> None:
    finding = falling(line(2.3, 1.8), rate)
    assert finding is not None
    assert finding.remedy == f"alexnet train --config args.yaml {remedy}"
    assert finding.mend == mend
    assert finding.sure == sure
    assert finding.severity == 0.8
    assert finding.name == ("learning rate too low" if rate < 0.001 else "training too short")


def test_twice_the_time_where_time_was_given() -> None:
    finding = falling(line(2.3, 1.8), 0.001, {"time": 90.0})
    assert finding is not None
    assert finding.remedy == "alexnet train --config args.yaml --time 180s"
    assert finding.mend == {"time": 180.0}


# ---- unlike ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("healthy", "ill"),
    [
        ({"evaluation": {"accuracy": 0.59}}, {"evaluation": {"accuracy": 0.61}}),
        ({"verdict": {"accuracy_top1": 0.149}}, {"verdict": {"accuracy_top1": 0.148}}),  # of 1,000 pictures
        ({"verdict": {"accuracy_top1": 0.1, "split": "test"}}, {"verdict": {"accuracy_top1": 0.1, "split": "val"}}),
        ({"batch": {"accuracy": 0.99}, "evaluation": {"accuracy": 0.83}}, {"batch": {"accuracy": 0.99}}),
        (
            {"train": (350, 325, 325), "val": (35, 35, 30), "evaluation": {"accuracy": 0.69}},
            {"train": (350, 325, 325), "val": (35, 35, 30), "evaluation": {"accuracy": 0.71}},
        ),
    ],
)
def test_known_pictures_and_guessed_ones(healthy: dict[str, Any], ill: dict[str, Any]) -> None:
    guessed: dict[str, Any] = {"verdict": {"accuracy_top1": 0.1}}
    assert unlike.look(chart(**(guessed | healthy))) is None
    finding = unlike.look(chart(**(guessed | ill)))
    assert finding is not None
    assert "mixed up" in finding.cause
    assert finding.advice


@pytest.mark.parametrize(
    ("train", "val", "severity"),
    [((9, 9), (9, 9, 9), 0.9), ((9,) * 10, (9,) * 9, 0.4), ((9,) * 10, (9,), 0.9)],
)
def test_classes_that_one_part_lacks(train: Sequence[int], val: Sequence[int], severity: float) -> None:
    finding = unlike.look(chart(train=train, val=val))
    assert finding is not None
    assert finding.severity == pytest.approx(severity)
    assert unlike.look(chart(train=train, val=train)) is None
    assert unlike.look(chart(train=train, val=(), inside=False)) is None


# ---- leak --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "of", "ill"), [(99, 10_000, False), (100, 10_000, True), (0, 0, False), (1, 50, True)]
)
def test_the_same_picture_once_in_a_hundred(count: int, of: int, ill: bool) -> None:
    finding = leak.look(chart(twins={"count": count, "of": of, "pairs": []}))
    assert (finding is not None) == ill
    assert leak.look(chart(twins=None)) is None


# ---- over-fitting ------------------------------------------------------------------------------------------


def rising(
    after: int = 4,
    *,
    before: int = 2,
    low: float = 1.0,
    high: float = 1.5,
    gained: float = 0.0,
    trained: float = 0.5,
    given: dict[str, Any] | None = None,
    **changed: Any,
) -> Finding | None:
    """What `overfitting` says of a validation loss that is `low` after `before` epochs, then `high` for `after`."""
    falls = [(1.0 + 0.1 * (before - epoch), 0.6, low + 0.1 * (before - epoch), 0.7) for epoch in range(before)]
    rises = [(trained, 0.9, high, 0.7 + gained)] * after
    return overfitting.look(chart([*falls, (1.0, 0.6, low, 0.7), *rises], given, **changed))


@pytest.mark.parametrize(
    ("healthy", "ill"),
    [
        ({"after": 2}, {"after": 3}),
        ({"after": 3, "before": 9}, {"after": 3, "before": 8}),  # a quarter of 12 epochs
        ({"low": 1.5, "high": 1.64}, {"low": 1.5, "high": 1.66}),
        ({"low": 0.5, "high": 0.5 + 0.049 * GUESSING}, {"low": 0.5, "high": 0.5 + 0.051 * GUESSING}),
        ({"gained": 0.011}, {"gained": 0.009}),
        ({"trained": 0.91}, {"trained": 0.89}),
        (lag(0.16), lag(0.14)),
    ],
)
def test_a_validation_loss_that_rises(healthy: dict[str, Any], ill: dict[str, Any]) -> None:
    assert rising(**healthy) is None
    finding = rising(**ill)
    assert finding is not None
    assert finding.sure == 0.85
    assert finding.severity == 0.4


@pytest.mark.parametrize("dip", [-1, -2])
def test_a_validation_loss_that_comes_down_again(dip: int) -> None:
    ill = chart([(1.0, 0.6, 1.0, 0.7), *[(0.5, 0.9, 1.5, 0.7)] * 4])
    assert overfitting.look(ill) is not None
    table = [dict(row) for row in ill.history]
    table[dip]["val/loss"] = 1.05
    assert overfitting.look(replace(ill, history=tuple(table))) is None


def test_over_fitting_weighs_more_where_the_last_epoch_is_kept() -> None:
    finding = rising(given={"keep": "last"})
    assert finding is not None
    assert finding.severity == 0.6
    assert finding.cause.endswith("others.")


MOVED = {"augment": {"zoom": 0.1}}


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({}, "--set augment.rotate=10 --set augment.translate=0.07 --set augment.zoom=0.1"),
        ({"augment": {"flip": True}}, "--set augment.rotate=10 --set augment.translate=0.07 --set augment.zoom=0.1"),
        *(
            ({"augment": augment}, "--set mixing.mixup=0.2")
            for augment in (
                {"rotate": 5.0},
                {"translate": 0.1},
                {"zoom": 0.1},
                {"crop": "random"},
                {"crop_area": (0.35, 1.0)},
            )
        ),
        ({**MOVED, **MIXED}, "--patience 3"),
        ({**MOVED, "mixing": {"cutmix": 1.0}}, "--patience 3"),
    ],
)
def test_what_has_not_been_tried_against_over_fitting(given: dict[str, Any], change: str) -> None:
    finding = rising(given=given, evaluation={"accuracy": 0.99})
    assert finding is not None
    assert finding.remedy == f"alexnet train --config args.yaml {change}"


def test_patience_of_a_fifth_of_the_run() -> None:
    finding = rising(after=13, before=6, given={**MOVED, **MIXED}, evaluation={"accuracy": 0.99})
    assert finding is not None
    assert finding.remedy.endswith("--patience 4")


def test_no_mirrored_digits() -> None:
    def advice(**given: Any) -> str:
        finding = rising(given=given)
        assert finding is not None
        assert "flip" not in finding.remedy
        return finding.advice

    assert "augment.flip=true" in advice(data="/home/birds")
    for tried in ({"data": "digits"}, {"data": "mnist"}, {"data": "/home/birds", "augment": {"flip": True}}):
        assert "flip" not in advice(**tried)
    assert "--weights" in advice()
    assert "--weights" not in advice(weights="elsewhere")


# ---- dead, saturated, imbalance, waiting -------------------------------------------------------------------


def test_half_of_a_layer() -> None:
    assert dead.look(chart(**relu(0.49))) is None
    assert dead.look(chart(**relu(0.5))) is not None
    assert dead.look(chart(**relu(0.5), pictures=199)) is None
    assert dead.look(chart(**relu(0.5), pictures=200)) is not None
    assert saturated.look(chart(**relu(0.9))) is None

    def tanh(share: float) -> Chart:
        layer = {"name": "tanh1", "kind": "tanh", "units": 96, "dead": 0.0, "saturated": share}
        return chart(activations=[layer], pictures=20)

    assert saturated.look(tanh(0.49)) is None
    finding = saturated.look(tanh(0.5))
    assert finding is not None
    assert finding.evidence == ("tanh1: 50% of 96 units are beyond ±0.99 nearly always, on 20 pictures (vitals)",)
    assert finding.sure == pytest.approx(0.6)
    assert finding.severity == 0.6
    assert dead.look(tanh(0.9)) is None


@pytest.mark.parametrize(("recall", "sure", "severity"), [(0.49, 0.9, 0.7), (0.51, 0.6, 0.3), (None, 0.6, 0.3)])
def test_ten_to_one(recall: float | None, sure: float, severity: float) -> None:
    judged = {"per_class": [{"label": "0", "recall": 1.0}, {"label": "1", "recall": recall}]}
    assert imbalance.look(chart(train=(100, 10), verdict=judged)) is None
    assert imbalance.look(chart((), {"class_weights": "auto"}, train=(101, 10), verdict=judged)) is None
    finding = imbalance.look(chart(train=(101, 10), verdict=judged))
    assert finding is not None
    assert (finding.sure, finding.severity) == (sure, severity)


@pytest.mark.parametrize(
    ("wait", "speed", "ill"),
    [(9.9, 1000.0, False), (10.1, 1000.0, True), (10.1, 119.0, True), (10.1, 118.0, False)],
)
def test_a_fifth_of_the_time(wait: float, speed: float, ill: bool) -> None:
    found = waiting.look(chart([(2.3, 0.1, 2.3, 0.1)], columns={"images_per_second": speed, "data_wait": wait}))
    assert (found is not None) == ill


# ---- mixed pictures ----------------------------------------------------------------------------------------

LEARNING = {"evaluation": {"accuracy": 0.5}}


def test_guessing_costs_the_same_on_mixed_pictures() -> None:
    assert chart(args=MIXED).chance_loss == pytest.approx(GUESSING)


@pytest.mark.parametrize("whole", [{"evaluation": {"accuracy": 0.161}}, {"inside": False}])
def test_mixed_pictures_at_chance_are_not_enough_to_be_stuck(whole: dict[str, Any]) -> None:
    """Whole pictures, of the vitals or of validation, must be at chance as well: 0.161 and 0.15 are more."""
    learns = [(2.3, 0.1, 2.3, 0.1), (2.3, 0.1, 2.2, 0.15), (2.3, 0.1, 2.2, 0.15)]
    assert stuck.look(chart(learns, MIXED, **whole)) is None
    stands = [(2.3, 0.1, 2.3, 0.1)] * 3
    found = stuck.look(chart(stands, MIXED, evaluation=CHANCE))
    assert found is not None
    assert found.evidence[0].startswith("training loss on mixed pictures: 2.300 in the first epoch")
    unjudged = chart(stands, MIXED, inside=False)
    rows_alone = tuple({key: value for key, value in row.items() if "val" not in key} for row in unjudged.history)
    assert not Chart("run", "args.yaml", unjudged.asked, rows_alone, counts=unjudged.counts).learnt_nothing


def test_mixed_pictures_keep_their_loss_and_that_is_not_slow() -> None:
    """Mixed labels cannot be told: the loss stays high. Validation's tells whether the training has ended."""
    stays = [(2.2 - 0.05 * epoch, 0.4, 2.3 * 0.6**epoch, 0.9) for epoch in range(8)]
    assert slow.look(chart(stays)) is not None
    assert slow.look(chart(stays, MIXED)) is None
    straight = [(2.2, 0.2, loss, 0.3) for loss in line(2.3, 1.8)]
    found = slow.look(chart(straight, MIXED))
    assert found is not None
    assert found.evidence[0].startswith("validation loss 2.300 to 1.800")
    assert slow.look(chart(straight, MIXED, **lag(0.16))) is None
    assert slow.look(chart(straight, MIXED, **lag(0.14))) is not None


def test_over_fitting_on_mixed_pictures_shows_on_whole_ones() -> None:
    """Of 0.3 errors in validation, half as many on training pictures; what is trained on mixed ones does not count."""
    assert rising(given=MIXED, evaluation={"accuracy": 0.84}) is None
    found = rising(given=MIXED, evaluation={"accuracy": 0.86}, trained=1.0)
    assert found is not None
    assert found.evidence[1].startswith("right answers: 0.860 on whole training pictures (vitals), 0.700")
    assert rising(given=MIXED, inside=False) is None


# ---- how sure, how grave -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ailment", "patient", "sure", "severity"),
    [
        (divergence, {"history": [(9, 0.1, 9, 0.1)] * 2}, 0.9, 1.0),
        (stuck, {"history": [(2.3, 0.1, 2.3, 0.1)] * 3, "evaluation": CHANCE, **relu(0.95)}, 0.9, 1.0),
        (stuck, {"history": [(2.3, 0.1, 2.3, 0.1)] * 3, "evaluation": CHANCE, **ONES}, 0.85, 1.0),
        (stuck, {"history": [(2.3, 0.1, 2.3, 0.1)] * 3, "evaluation": CHANCE, **RANDOM}, 0.75, 1.0),
        (stuck, {"history": [(9, 0.1, 9, 0.1), *[(2.3, 0.1, 2.3, 0.1)] * 2], "evaluation": CHANCE}, 0.95, 1.0),
        (lagging, lag(0.15), 0.85, 0.95),
        (lagging, lag(0.5), 0.99, 1.0),
        (unlike, {"verdict": {"accuracy_top1": 0.1}}, 0.85, 0.9),
        (unlike, {"val": (100,) * 9}, 1.0, 0.4),
        (leak, {"twins": {"count": 10, "of": 100, "pairs": []}}, 1.0, 0.5),
        (leak, {"twins": {"count": 90, "of": 100, "pairs": []}}, 1.0, 0.9),
        (dead, relu(1.0), 0.8, 0.6),
        (waiting, {"history": [(2, 0.1, 2, 0.1)], "columns": {"images_per_second": 200, "data_wait": 11}}, 0.9, 0.3),
    ],
)
def test_how_sure_and_how_grave(ailment: ModuleType, patient: dict[str, Any], sure: float, severity: float) -> None:
    finding = ailment.look(chart(**patient))
    assert isinstance(finding, Finding)
    assert finding.sure == pytest.approx(sure)
    assert finding.severity == pytest.approx(severity)


def test_what_is_not_finished() -> None:
    table = [(2.3, 0.1, 2.3, 0.1)] * 2
    whole = chart(table, {"epochs": 30})
    stopped = replace(whole, verdict=None)
    finding = unfinished.look(stopped)
    assert finding is not None
    assert finding.evidence == ("2 of 30 epochs (results.csv), no verdict (metrics.json)",)
    assert (finding.sure, finding.severity) == (0.9, 0.5)
    assert unfinished.look(whole) is None
    diverged = replace(stopped, log=("run: here", "training diverged in epoch 3: the loss is nan. Try a smaller --lr"))
    assert unfinished.look(diverged) is None
    said = divergence.look(diverged)
    assert said is not None
    assert said.evidence[0] == "epoch 3: the loss is nan (train.log)"
    assert said.evidence[1] == "training loss before: 2.3 in epoch 2 (results.csv)"
    assert said.sure == 1


def test_at_most_five_classes_are_named() -> None:
    def named(count: int) -> str:
        finding = unlike.look(chart(train=(9,), val=(9,) * (1 + count)))
        assert finding is not None
        return finding.evidence[0]

    assert named(5) == "in validation only: 1, 2, 3, 4, 5 (split.csv)"
    assert named(6) == "in validation only: 1, 2, 3, 4, 5 and 1 more (split.csv)"


def test_random_labels_that_were_learnt_by_heart() -> None:
    finding = unlike.look(chart(verdict={"accuracy_top1": 0.1}, **RANDOM))
    assert finding is not None
    assert finding.cause == "The labels seem wrong: they were learnt by heart and say nothing of other pictures."
    assert finding.evidence[-1].endswith("random labels would give 0.100 (vitals)")
