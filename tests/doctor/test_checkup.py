"""Vitals measured after a training or later: the same, and nothing said of batch norm that is not so."""

import json
from pathlib import Path
from typing import Any

import pytest

from alexnet import checkup
from alexnet.doctor import examine
from alexnet.progress import Display
from alexnet.run import Run
from tests.doctor.conftest import SLOW_STATISTICS, Ward, copy_of, digests

QUIET = Display(quiet=True)


def test_vitals_measured_later_are_those_written(lagging: Run, tmp_path: Path) -> None:
    """The recipe's momentum included, which the weights do not know."""
    old = copy_of(lagging, tmp_path / "old", "vitals.json")
    before = digests(old)
    found = checkup.of_run(old, device="cpu", display=QUIET)
    written = lagging.vitals
    for place in ("evaluation", "batch"):
        assert found[place]["accuracy"] == written[place]["accuracy"]
        assert found[place]["loss"] == pytest.approx(written[place]["loss"], rel=1e-5)
    assert {**found, "evaluation": 0, "batch": 0, "output_spread": 0} == {
        **written, "evaluation": 0, "batch": 0, "output_spread": 0
    }  # fmt: skip
    assert {norm["momentum"] for norm in found["batch_norms"]} == {0.001}
    assert examine(old, found)[0].name == examine(lagging)[0].name
    assert digests(old) == before


def test_statistics_that_a_training_began(lagging: Run) -> None:
    steps = 4 * 4  # epochs of batches of 16
    for norm in lagging.vitals["batch_norms"]:
        assert (norm["steps"], norm["held"]) == (steps, pytest.approx(0.999**steps))
    assert "16 steps: it still holds 98% of mean 0 and variance 1" in examine(lagging)[0].evidence[1]


@pytest.mark.parametrize("given", [{"weights": ""}, {"average": 0.5}, {"recalibrate": True}])
def test_statistics_that_came_about_otherwise(
    ward: Ward, colours: Path, lagging: Run, tmp_path: Path, given: dict[str, Any]
) -> None:
    """Loaded, averaged once more, or measured anew: what they hold of their start is not known, or nothing."""
    asked = {key: str(lagging.path) if key == "weights" else value for key, value in given.items()}
    run = ward.train("deep", colours, epochs=1, **SLOW_STATISTICS, **asked)
    later = checkup.of_run(copy_of(run, tmp_path / "later", "vitals.json"), device="cpu", display=QUIET)
    for norms in (run.vitals["batch_norms"], later["batch_norms"]):
        assert {(norm["momentum"], norm["steps"], norm["held"]) for norm in norms} == {(0.001, None, None)}
    assert not any("started from" in json.dumps(finding.to_dict()) for finding in examine(run))


def test_a_damaged_momentum_is_left_to_the_doctor(lagging: Run, tmp_path: Path) -> None:
    odd = copy_of(lagging, tmp_path / "odd", "vitals.json")
    odd.write_args({**odd.args, "batch_norm_momentum": "much"})
    assert checkup.of_run(odd, device="cpu", display=QUIET)["batch_norms"][0]["momentum"] == 0.1
