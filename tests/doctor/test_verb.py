"""alexnet doctor RUN: measured anew, mended as a new run, said as JSON; errors in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alexnet import checkup, mending, weights
from alexnet.doctor import Finding, examine
from alexnet.errors import UsageError
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.validation import validate
from tests.conftest import Call
from tests.doctor.conftest import Ward, by_colour, copy_of, digests

QUIET = Display(quiet=True)
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(call: Call) -> Ask:
    """`alexnet doctor`: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        said = call("doctor", *arguments)
        return said.code, said.out, said.err

    return run


def test_training_says_the_first_finding(lagging: Run) -> None:
    told = [line for line in lagging.log_file.read_text("utf-8").splitlines() if line.startswith("doctor: ")]
    assert len(told) == 1
    assert told[0].startswith("doctor: lagging statistics (")
    assert told[0].endswith(f"More: alexnet doctor {lagging.path}")


def test_fix_recalibrates(lagging: Run, ask: Ask, tmp_path: Path) -> None:
    patient = copy_of(lagging, tmp_path / "patient")
    before = digests(patient)
    code, out, err = ask(patient.path, "--fix", "--device", "cpu")
    assert (code, err) == (0, "")
    assert "1. lagging statistics (" in out
    new = Run(out.strip().splitlines()[-1])
    assert new.path == tmp_path / "patient-recalibrated"
    assert digests(patient) == before
    assert f"before: val accuracy {patient.metrics['accuracy_top1']:.4f}" in out
    assert f"after:  val accuracy {new.metrics['accuracy_top1']:.4f}" in out
    assert new.metrics["accuracy_top1"] >= patient.metrics["accuracy_top1"] + 0.2
    vitals = checkup.of_run(new, device="cpu", display=QUIET)
    assert vitals["evaluation"]["accuracy"] >= vitals["batch"]["accuracy"] - 0.1
    assert "lagging statistics" not in [finding.name for finding in examine(new, vitals)]
    old, _ = weights.load(patient.best)
    made, _ = weights.load(new.best)
    assert all((made[name] == tensor).all() for name, tensor in old.items() if name.endswith((".weight", ".bias")))


def test_fix_trains_again_at_a_better_rate(ward: Ward, colours: Path, ask: Ask) -> None:
    slow = ward.train("plain", colours, lr=1e-8)
    code, out, _ = ask(slow.path, "--fix", "--device", "cpu")
    assert code == 0
    new = Run(out.strip().splitlines()[-1])
    assert new.path.name == f"{slow.path.name}-mended"
    assert new.args["optimizer"] == {**slow.args["optimizer"], "lr": 0.001}
    assert {**new.args, "optimizer": 0} == {**slow.args, "optimizer": 0}
    assert new.history[-1]["train/loss"] < 0.9 * slow.history[-1]["train/loss"]
    assert f"before: val accuracy {slow.metrics['accuracy_top1']:.4f}" in out
    assert f"after:  val accuracy {new.metrics['accuracy_top1']:.4f}" in out


def test_fix_after_a_divergence(ward: Ward, colours: Path, ask: Ask) -> None:
    broken = ward.train("plain", colours, optimizer={"name": "sgd", "lr": 1e20})
    code, out, _ = ask(broken.path, "--fix", "--json", "--device", "cpu")
    assert code == 0
    fixed = json.loads(out)["fixed"]
    assert fixed["before"] == {}
    assert Run(fixed["run"]).args["optimizer"]["lr"] == 0.01
    assert fixed["after"]["accuracy_top1"] == Run(fixed["run"]).metrics["accuracy_top1"]


def test_what_needs_a_person(lagging: Run, ask: Ask, tmp_path: Path) -> None:
    finding = Finding("over-fitting", ("seen",), "why", "look", 0.5, 0.5)
    with pytest.raises(UsageError, match="over-fitting cannot be mended automatically: look"):
        mending.mend(lagging, finding, display=QUIET)
    stopped = copy_of(lagging, tmp_path / "stopped", "metrics.json", "vitals.json", "results.csv")
    shutil.rmtree(stopped.path / "weights")
    code, out, _ = ask(stopped.path, "--fix")
    assert code == 0
    assert out.strip().splitlines()[-1] == "not finished cannot be mended automatically"
    assert [path.name for path in tmp_path.iterdir()] == ["stopped"]


def test_json(lagging: Run, ask: Ask) -> None:
    code, out, _ = ask(lagging.path, "--json")
    said: dict[str, Any] = json.loads(out)
    assert code == 0
    assert said.keys() == {"run", "findings", "vitals"}
    assert said["run"] == str(lagging.path)
    first = said["findings"][0]
    assert first.keys() == {"name", "evidence", "cause", "remedy", "advice", "sure", "severity", "can_be_mended"}
    assert (first["name"], first["can_be_mended"]) == ("lagging statistics", True)
    assert said["vitals"] == lagging.vitals


def test_nothing_found(healthy: Run, ask: Ask) -> None:
    assert ask(healthy.path) == (0, "nothing found\n", "")
    assert ask(healthy.path, "--fix")[1] == "nothing found\nnothing to mend\n"
    assert json.loads(ask(healthy.path, "--json")[1])["findings"] == []


def test_errors_are_one_line(lagging: Run, ask: Ask, tmp_path: Path) -> None:
    code, out, err = ask(tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_what_cannot_be_measured_is_said_and_the_rest_is_looked_at(ward: Ward, ask: Ask, tmp_path: Path) -> None:
    folder = ward.folder(**{"": by_colour})
    trained = ward.train("plain", folder, epochs=1)
    bare = copy_of(trained, tmp_path / "bare", "vitals.json", "metrics.json", "weights/best.safetensors")
    code, out, err = ask(bare.path)
    assert (code, err) == (0, "")
    assert out.startswith(
        f"{bare.path} has no weights: what happens inside the network is not measured\n1. not finished"
    )
    folder.rename(folder.with_name("moved"))
    stopped = copy_of(trained, tmp_path / "stopped", "vitals.json", "metrics.json")
    code, out, err = ask(stopped.path)
    assert (code, err) == (0, "")
    first, second = out.splitlines()[:2]
    assert first.startswith(f"what happens inside the network is not measured: {folder} does not exist")
    assert second.startswith("1. not finished")
    said = json.loads(ask(stopped.path, "--json")[1])
    assert said["vitals"] == {}
    assert ask(stopped.path, "--device", "cuda:99")[0] == 2


def test_a_judged_part_is_no_training(lagging: Run, ask: Ask, tmp_path: Path) -> None:
    judged = validate(lagging.path, device="cpu", project=tmp_path, name="val", display=QUIET)
    code, out, err = ask(judged.path)
    assert (code, err) == (0, "")
    assert out.endswith("has no weights: what happens inside the network is not measured\nnothing found\n")
