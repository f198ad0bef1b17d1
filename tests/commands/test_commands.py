"""The command line as people meet it: exit codes, one line for an error, JSON alone on standard output."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import alexnet
from alexnet.commands.main import VERBS, cli
from alexnet.models.published import PUBLISHED
from alexnet.models.variants import VARIANTS
from alexnet.run import Run
from tests.conftest import Call, Result

Colours = tuple[Path, Run]
FAST = ("--device", "cpu", "--no-amp")


def installed(*arguments: str, cwd: Path) -> Result:
    """The installed command, in a process and with a cache of its own."""
    command = Path(sys.executable).parent / ("alexnet.exe" if sys.platform == "win32" else "alexnet")
    environment = {**os.environ, "XDG_CACHE_HOME": str(cwd / "cache")}
    done = subprocess.run(
        [command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    return Result(done.returncode, done.stdout, done.stderr)


# ---- the installed command ---------------------------------------------------------------------------------


def test_version(tmp_path: Path) -> None:
    result = installed("--version", cwd=tmp_path)
    assert (result.code, result.out, result.err) == (0, f"alexnet {alexnet.__version__}\n", "")


def test_help_does_not_import_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "alexnet", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "alexnet.commands.main" in imported
    assert not {"torch", "numpy", "matplotlib", "sklearn", "PIL"} & imported
    assert all(verb in done.stdout for verb in VERBS)
    assert "Exit codes: 0 ok, 2 usage" in done.stdout


def test_unknown_verb(tmp_path: Path) -> None:
    result = installed("trian", cwd=tmp_path)
    assert result.code == 2
    assert result.out == ""
    assert result.error.startswith("error: unknown command 'trian'. Did you mean 'train'?")
    assert "Traceback" not in result.err


@pytest.mark.fault("C14")
def test_training_that_diverges(tmp_path: Path) -> None:
    """A learning rate of 1e30: exit 5, no weights are left."""
    result = installed("train", "--lr", "1e30", "--epochs", "1", *FAST, "--project", "runs", cwd=tmp_path)
    assert result.code == 5
    assert result.error.startswith("error: training diverged in epoch 1")
    run = tmp_path / "runs" / "exp"
    assert (run / "args.yaml").is_file()
    assert not list(run.rglob("*.safetensors"))


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.fault("C21")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "mnits"], 2, "unknown data set 'mnits'. Did you mean 'mnist'?"),
        (["train", "--model", "notebook-mnits"], 2, "Did you mean 'notebook-mnist'?"),
        (["train", "--recipe", "modren"], 2, "Did you mean 'modern'?"),
        (["train", "--set", "epocs=3"], 2, "Did you mean 'epochs'?"),
        (["train", "--set", "optimizer=sgd", "--lr", "0.1"], 2, "optimizer has several fields"),
        (
            ["train", "digits", "--set", "data.size=1"],
            2,
            "data has no fields, but data.size was given: give data itself",
        ),
        (["train", "--set", "display=1"], 2, "unknown option or recipe field 'display'"),
        (["train", "--set", "nonsense"], 2, "--set wants FIELD=VALUE"),
        (["train", "--epochs", "0"], 2, "epochs: input should be greater than or equal to 1, not 0"),
        (["train", "--device", "gpu"], 2, "unknown device 'gpu'"),
        (["train", "--imgsz", "3"], 2, "The smallest side is"),
        (["train", "--config", "gone.yaml"], 2, "--config gone.yaml cannot be read"),
        (["train", "--freeze", "conv9"], 2, "which needs --weights"),
        (["val", "gone"], 2, "gone is no run directory"),
        (["predict", "last", "a.png"], 3, "a.png does not exist"),
        (["summary", "paper-2040"], 2, "unknown model 'paper-2040'"),
        (["plot", "last"], 2, "there is no trained run below"),
        (["train", "./gone/folder"], 3, "does not exist"),
        (["train", "."], 3, "at least 2 are needed"),
        (["train", "--weights", "gone.safetensors"], 4, "gone.safetensors: give a run"),
        (["train", "--project", "file"], 6, "file: file exists"),
    ],
)
def test_errors_are_one_line(call: Call, tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    """Wrong names, options and files for several verbs: one line each, with its exit code."""
    (tmp_path / "file").write_text("in the way")
    result = call(*arguments, *(("--quiet",) if arguments[0] in ("train", "val", "predict") else ()))
    assert result.code == code
    assert result.error.startswith("error: ")
    assert message in result.error
    assert result.out == ""


def test_damaged_weights(call: Call, digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "half.safetensors").write_bytes(digits_run.best.read_bytes()[:1000])
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    result = call("predict", "half.safetensors", "a.png")
    assert result.code == 4
    assert "half.safetensors is damaged" in result.error


def test_debug_shows_the_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALEXNET_DEBUG", "")  # so that what --debug sets is undone afterwards
    result = call("--debug", "summary", "paper-2040")
    assert result.code == 2
    assert "Traceback" in result.err
    assert "unknown model" in result.err.splitlines()[-1]


def test_no_verb_shows_help(call: Call) -> None:
    result = call()
    assert result.code == 2
    assert "Commands:" in result.out + result.err


# ---- the verbs ---------------------------------------------------------------------------------------------


def test_train_json(call: Call, tmp_path: Path) -> None:
    result = call("train", "--epochs", 1, *FAST, "--json", "--set", "augment.rotate=0", "--lr", "0.003", "--seed", 1)
    assert result.code == 0
    run = Run(result.json["run"])
    assert run.path == Path("runs/train/exp")
    assert result.json == {"run": str(run.path), **run.metrics}
    assert run.args["optimizer"]["lr"] == 0.003
    assert run.args["augment"]["rotate"] == 0
    assert (run.args["epochs"], run.args["seed"], run.args["amp"]) == (1, 1, False)
    assert "epoch   1/1" in result.err  # for people, on the other stream
    assert "epoch   1/1" in run.log_file.read_text()
    found = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    promised = """args.yaml env.json summary.txt labels.txt split.csv train.log results.csv results.png
        curves_accuracy.png samples.png predictions.png confusion_matrix.png predictions.csv metrics.json
        weights/best.safetensors weights/last.safetensors"""
    assert set(promised.split()) <= found
    assert not [name for name in found if name.endswith(".tmp")]


def test_val_equals_the_runs_metrics(call: Call, digits_run: Run, tmp_path: Path) -> None:
    result = call("val", digits_run.path, "--device", "cpu", "--json", "--save-csv", "mine.csv")
    assert result.code == 0
    judged, trained = result.json, digits_run.metrics
    for key in ("split", "n", "accuracy_top1", "accuracy_top5", "interval95", "per_class", "confusion_matrix"):
        assert judged[key] == trained[key], key
    assert judged["loss"] == pytest.approx(trained["loss"], rel=1e-6)
    made = Run("runs/val/exp")
    assert made.metrics == judged
    assert (tmp_path / "mine.csv").read_bytes() == (made.path / "predictions.csv").read_bytes()
    assert [row["path"] for row in made.predictions] == [row["path"] for row in digits_run.predictions]


def test_val_of_other_parts(call: Call, digits_run: Run) -> None:
    parts = [row["split"] for row in digits_run.split]
    for part in ("test", "train"):
        result = call("val", digits_run.path, "--device", "cpu", "--split", part, "--batch-size", 500)
        assert result.code == 0
        assert f"{part} accuracy" in result.out
        assert f"{parts.count(part):,} pictures" in result.out
        assert "precision" in result.out
    assert Run("runs/val/exp2").metrics["split"] == "train"


def test_predict_agrees_with_val(call: Call, colours_run: Colours) -> None:
    folder, run = colours_run
    assert call("val", run.path, "--data", folder, "--device", "cpu", "--quiet").code == 0
    judged = {row["path"]: row for row in Run("runs/val/exp").predictions}
    assert len(judged) == 24
    answers = call("predict", run.path, folder, "--device", "cpu", "--json", "--batch-size", 5).json
    assert len(answers) == 24
    for answer in answers:
        row = judged[Path(answer["path"]).relative_to(folder).as_posix()]
        assert answer["predictions"][0]["label"] == row["predicted"]
        assert answer["predictions"][0]["score"] == pytest.approx(float(row["score"]), abs=1e-6)


def test_predict_prints_a_table(call: Call, colours_run: Colours, tmp_path: Path) -> None:
    folder, run = colours_run
    (tmp_path / "[red]bad.png").write_bytes(b"")
    result = call("predict", run.path, folder / "red" / "000.png", "[red]bad.png", "--device", "cpu", "--topk", 2)
    assert result.code == 0
    assert "000.png" in result.out
    assert "[red]bad.png" in result.out  # a name, not a colour
    assert "written to runs/predict/exp" in result.out
    assert call("predict", run.path, "[red]bad.png", "--quiet").code == 3


def test_plot_draws_anew(call: Call, digits_run: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "copy")
    for name in ("args.yaml", "results.csv", "labels.txt"):
        (copy.path / name).parent.mkdir(exist_ok=True)
        (copy.path / name).write_bytes((digits_run.path / name).read_bytes())
    assert call("plot", "copy", "--json").json == {
        "curves_accuracy": "copy/curves_accuracy.png",
        "results": "copy/results.png",
    }
    assert call("plot", "copy").out.split() == ["copy/curves_accuracy.png", "copy/results.png"]


def test_preview(call: Call, colours_run: Colours, tmp_path: Path) -> None:
    result = call("preview", colours_run[0], "--model", "notebook-mnist", "--out", "look.png", "--seed", 3)
    assert result.code == 0
    assert "written to look.png" in result.out
    with Image.open(tmp_path / "look.png") as image:
        assert image.size == (1600, 880)


def test_summary() -> None:
    text = CliRunner().invoke(cli, ["summary", "notebook-flowers", "--style", "keras"])
    assert text.exit_code == 0
    assert "Total params: 24,834,833" in text.output
    table = json.loads(CliRunner().invoke(cli, ["summary", "notebook-mnist", "--classes", "3", "--json"]).output)
    assert table["total"] == table["trainable"] == 225_034 - 7 * 129
    assert table["layers"][-1]["shape"] == [3]


def test_models_and_datasets() -> None:
    models = {row["name"]: row for row in json.loads(CliRunner().invoke(cli, ["models", "--json"]).output)}
    assert list(models) == list(VARIANTS)
    flowers = models["notebook-flowers"]
    assert flowers["parameters"] + flowers["running_statistics"] == 24_834_833
    assert (models["owt-bn"]["parameters"], models["owt-bn"]["running_statistics"]) == (61_119_528, 18_688)
    assert models["torchvision"]["accuracy_top1"] == 56.522
    shown = CliRunner().invoke(cli, ["models"]).output
    assert all(name in shown for name in VARIANTS)
    assert "24,815,697" in shown
    assert "pytorch/vision" in CliRunner().invoke(cli, ["models", "--sources"]).output
    datasets = json.loads(CliRunner().invoke(cli, ["datasets", "--json"]).output)
    assert [row["name"] for row in datasets] == alexnet.list_datasets() == ["digits", "flowers17", "mnist"]
    assert "or a folder of class folders" in CliRunner().invoke(cli, ["datasets"]).output


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(cli, [verb, "-h"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: cli {verb}")


def test_odd_file_names_survive_the_whole_way(
    call: Call, folder_of_colours: Callable[..., Path], tmp_path: Path
) -> None:
    """Bytes that are not UTF-8, line ends and formulas in the names of files and classes."""
    folder = folder_of_colours(count=6, side=16)
    (folder / "red").rename(folder / "$\\frac$ [red]")
    (folder / "blue").rename(folder / os.fsdecode(b"bl\xe9"))
    for path in [path for path in folder.rglob("*.png") if path.stem != "000"]:
        path.rename(path.with_name(os.fsdecode(b"caf\xe9\r") + path.name))
    result = call("train", folder, "--model", "notebook-mnist", "--epochs", 1, *FAST, "--json", "--val-split", 0.3)
    assert result.code == 0
    run = Run(result.json["run"])
    assert run.classes == ["$\\frac$ [red]", os.fsdecode(b"bl\xe9"), "green"]
    assert {row["path"] for row in run.split} == {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    again = call("val", run.path, "--device", "cpu")
    assert again.code == 0
    assert "bl\\udce9" in again.out
    assert call("predict", run.path, folder, "--device", "cpu").code == 0


def test_models_check_proves_every_count(call: Call) -> None:
    shown = call("models", "--check")
    assert shown.code == 0
    assert shown.out.count("✓") == len(VARIANTS)
    assert "61,100,840" in shown.out
    proofs = call("models", "--check", "--json").json
    assert [proof["name"] for proof in proofs] == list(VARIANTS)
    assert all(proof["counted"] == proof["reference"] and not proof["faults"] for proof in proofs)


def test_models_check_fails_where_a_count_differs(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "owt", replace(PUBLISHED["owt"], total=61_100_841))
    shown = call("models", "--check")
    assert shown.code == 4
    assert shown.error == "error: counts differ from the reference tables: owt"
    assert "total 61,100,840, reference 61,100,841" in shown.out


def test_diff_shows_what_differs(call: Call) -> None:
    shown = call("diff", "bvlc", "caffenet")
    assert shown.code == 0
    assert "norm1" in shown.out
    assert "conv3" not in shown.out
    assert "conv3" in call("diff", "bvlc", "caffenet", "--all").out
    lines = call("diff", "paper", "torchvision", "--json").json
    assert {line["kind"] for line in lines} == {"same", "sized", "changed", "left", "right"}
    assert "the same network" in call("diff", "paper", "paper").out
    assert call("diff", "paper", "papr").code == 2


def test_summary_shows_costs_sight_and_the_arithmetic(call: Call) -> None:
    shown = call("summary", "paper").out
    assert "(224 + 0 + 3 - 11) / 4 + 1 = 55" in shown
    assert "Multiply-adds a picture: 724,406,816" in shown
    assert call("summary", "torchvision", "--imgsz", "62").error.endswith("The smallest side is 63 (--imgsz 63)")
