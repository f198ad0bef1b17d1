"""Every remedy is one command that can be pasted."""

import shlex
from collections.abc import Callable
from typing import Any

import click
import pytest

from alexnet import settings
from alexnet.commands import options
from alexnet.commands.main import cli
from alexnet.doctor import AILMENTS, examine, stuck
from alexnet.models.summary import summarise
from alexnet.run import Run
from tests.doctor.conftest import rows, vitals

STANDS = [(2.3, 0.1, 2.3, 0.1)] * 3
LINE = [(2.3 - 0.1 * epoch, 0.3, 2.3 - 0.1 * epoch, 0.3) for epoch in range(6)]
RISES = [(1.0 - 0.1 * epoch, 0.8, 0.5 + 0.2 * abs(epoch - 1), 0.8) for epoch in range(8)]
LAGS = vitals(batch={"accuracy": 0.9}, evaluation={"accuracy": 0.2}, batch_norms=[])
CHANCE = {"accuracy": 0.1}
RELU = {"name": "relu1", "kind": "relu", "units": 96, "dead": 0.8, "saturated": 0.0}
TANH = {**RELU, "name": "tanh1", "kind": "tanh", "dead": 0.0, "saturated": 0.8}

PATIENTS: list[tuple[str, dict[str, Any]]] = [
    ("learning rate too high", {"history": [(9, 0.1, 9, 0.1)] * 2, "inside": vitals(evaluation=CHANCE)}),
    ("stuck at chance", {"history": STANDS, "inside": vitals(evaluation=CHANCE)}),
    *(
        (
            "stuck at chance",
            {
                "history": STANDS,
                "args": {"imgsz": side, "model": "paper", "data": "flowers17"},
                "inside": vitals(evaluation=CHANCE, biases_at_one=["conv2"], output_spread=0.0),
            },
        )
        for side in (None, 163, 162, 62)
    ),
    ("lagging statistics", {"history": LINE[:3], "inside": LAGS}),
    ("learning rate too low", {"history": LINE, "args": {"optimizer": {"name": "adamw", "lr": 0.0002}}}),
    ("training too short", {"history": LINE}),
    ("training too short", {"history": LINE, "args": {"time": 90.0}}),
    ("over-fitting", {"history": RISES, "args": {"augment": {"rotate": 0, "translate": 0, "zoom": 0}}}),
    ("over-fitting", {"history": RISES, "args": {"augment": {"zoom": 0.1}}}),
    ("over-fitting", {"history": RISES, "args": {"augment": {"zoom": 0.1}, "mixing": {"mixup": 0.2}}}),
    ("dead units", {"history": LINE[:1], "inside": vitals(activations=[RELU])}),
    ("saturated units", {"history": LINE[:1], "inside": vitals(activations=[TANH])}),
    ("class imbalance", {"history": LINE[:1], "train": (600, 30), "val": (9, 9)}),
    ("not finished", {"history": LINE[:1], "accuracy": None}),
]


@pytest.mark.parametrize(("name", "patient"), PATIENTS)
def test_it_can_be_pasted(written: Callable[..., Run], name: str, patient: dict[str, Any]) -> None:
    run = written(rows(patient["history"]), **{key: value for key, value in patient.items() if key != "history"})
    finding = next(finding for finding in examine(run) if finding.name == name)
    program, verb, *words = shlex.split(finding.remedy)
    assert program == "alexnet"
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    given = command.make_context(verb, words).params
    if verb == "recalibrate":
        assert given["run"] == str(run.path)
        return
    assert verb == "train"
    assert str(given.pop("config")) == str(run.args_file)
    assignments = given.pop("assignments")
    asked = {
        key: value for key, value in options.said(given).items() if key not in ("as_json", "quiet", "verbose", "live")
    }
    _, recipe = settings.resolve(asked, run.args_file, assignments)
    before = settings.resolve({}, run.args_file)
    assert (settings.resolve(asked, run.args_file, assignments) != before) == (name != "not finished")
    summarise(recipe.model, image_size=recipe.imgsz)  # the network takes such pictures
    if isinstance(finding.mend, dict):
        assert settings.resolve(finding.mend, run.args_file) == settings.resolve(asked, run.args_file, assignments)


def test_all_that_propose_a_command_are_tried() -> None:
    """The others need a person: `leak`, `unlike`, `waiting`."""
    assert len({name for name, _ in PATIENTS}) == len(AILMENTS) - 3 + 1  # `slow` goes by two names


def test_networks_that_are_proposed_start_with_biases_of_0_and_take_small_pictures() -> None:
    from alexnet.models import variants

    for smallest, name in stuck.INSTEAD:
        variant = variants.find(name)
        assert all(variant.init.bias_of(stage) != 1 for stage in variant.stages)
        summarise(name, image_size=max(smallest, 10))
