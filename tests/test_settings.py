"""Options and recipe: who wins, what comes back, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alexnet import settings
from alexnet.errors import ModelFileError, UsageError
from alexnet.run import Run
from alexnet.training import recipes


def config(path: Path, values: object) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def test_defaults() -> None:
    options, recipe = settings.resolve({})
    assert options == settings.Options()
    assert recipe == recipes.find("modern", "digits")


def test_command_line_before_config_before_recipe(tmp_path: Path) -> None:
    file = config(tmp_path / "a.yaml", {"epochs": 7, "batch_size": 9, "seed": 3, "optimizer": {"lr": 0.5}})
    options, recipe = settings.resolve({"epochs": 5, "optimizer": {"weight_decay": 0.25}}, file)
    base = recipes.find("modern", "digits")
    assert recipe.epochs == 5  # command line
    assert (recipe.batch_size, options.seed, recipe.optimizer.lr) == (9, 3, 0.5)  # config
    assert recipe.optimizer.weight_decay == 0.25  # a nested field given in part
    assert recipe.label_smoothing == base.label_smoothing == 0.05  # recipe
    assert recipe.optimizer.name == base.optimizer.name
    assert recipe.patience is None  # default


def test_a_config_for_another_recipe_is_refused(tmp_path: Path) -> None:
    file = config(tmp_path / "a.yaml", {"recipe": "modern", "epochs": 7})
    assert settings.resolve({}, file)[1].epochs == 7
    with pytest.raises(UsageError, match="is for recipe modern"):
        settings.resolve({"recipe": "notebook"}, file)


def test_assignments_stand_between_options_and_config(tmp_path: Path) -> None:
    file = config(tmp_path / "a.yaml", {"epochs": 7, "batch_size": 9, "label_smoothing": 0.3})
    _, recipe = settings.resolve({"epochs": 5}, file, ["epochs=6", "batch_size=8", "batch_norm_momentum=null"])
    assert (recipe.epochs, recipe.batch_size, recipe.label_smoothing) == (5, 8, 0.3)
    folder = settings.resolve({"data": "flowers17"})[1]
    assert folder.batch_norm_momentum == 0.1
    assert settings.resolve({"data": "flowers17"}, None, ["batch_norm_momentum=null"])[1].batch_norm_momentum is None


def test_weights_bring_their_variant_and_size(digits_run: Run) -> None:
    options, recipe = settings.resolve({"data": "flowers17", "weights": digits_run.path})
    assert (recipe.model, recipe.imgsz, recipe.resize) == ("notebook-mnist", 28, "squash")
    assert options.weights == str(digits_run.best.absolute())
    with pytest.raises(UsageError, match="imgsz 40: the weights in"):
        settings.resolve({"data": "flowers17", "weights": digits_run.path, "imgsz": 40})
    with pytest.raises(ModelFileError, match="holds notebook-mnist, this run trains notebook-flowers"):
        settings.resolve({"data": "flowers17", "weights": digits_run.path, "model": "notebook-flowers"})


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a\0b", "a\nb"])
def test_a_run_is_called_by_one_name(name: str) -> None:
    with pytest.raises(UsageError, match="the name of one folder is needed"):
        settings.resolve({"name": name})


@pytest.mark.parametrize("field", ["lr=.inf", "schedule.warmup=.inf", "optimizer.weight_decay=.nan"])
def test_numbers_must_be_finite(field: str) -> None:
    with pytest.raises(UsageError, match="finite number"):
        settings.resolve({}, None, [field])


def test_paths_mean_the_same_from_any_folder(digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.safetensors").write_bytes(digits_run.best.read_bytes())
    (tmp_path / "pictures").mkdir()
    options, _ = settings.resolve({"data": "pictures", "data_dir": Path("sets"), "weights": "./w.safetensors"})
    assert options.data == str(tmp_path / "pictures")
    assert (options.data_dir, options.weights) == (tmp_path / "sets", str(tmp_path / "w.safetensors"))


def test_a_run_is_understood_when_the_weights_it_started_from_are_gone(digits_run: Run, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(digits_run.best.read_bytes())
    args = settings.as_args(*settings.resolve({"data": "digits", "weights": file}))
    file.unlink()
    assert settings.options_of(args).weights == str(file)
    with pytest.raises(ModelFileError, match="no weights file at"):
        settings.resolve(args)


@pytest.mark.parametrize(("said", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), (45, 45), ("45", 45)])
def test_times_are_read_with_their_units(said: str | int, seconds: float) -> None:
    assert settings.resolve({"time": said})[0].time == seconds


@pytest.mark.parametrize("said", ["soon", "m", "-5m", "0s", "5d"])
def test_times_that_are_none_are_refused(said: str) -> None:
    with pytest.raises(UsageError, match="time: "):
        settings.resolve({"time": said})


def test_lr_is_short_for_the_optimizers(tmp_path: Path) -> None:
    file = config(tmp_path / "a.yaml", {"lr": 0.5, "optimizer": {"weight_decay": 0.1}})
    _, recipe = settings.resolve({}, file)
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (0.5, 0.1)
    _, recipe = settings.resolve({"lr": 0.25}, file)
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (0.25, 0.1)


def test_recipe_takes_the_form_for_the_data() -> None:
    assert settings.resolve({"data": "mnist"})[1] == recipes.find("modern", "mnist")
    assert settings.resolve({"data": "flowers17", "recipe": "notebook"})[1].optimizer.lr == 0.01


def test_another_model_drops_the_recipes_size() -> None:
    assert settings.resolve({"data": "flowers17"})[1].imgsz == 224
    assert settings.resolve({"data": "flowers17", "model": "notebook-mnist"})[1].imgsz is None
    assert settings.resolve({"data": "flowers17", "model": "notebook-mnist", "imgsz": 40})[1].imgsz == 40
    assert settings.resolve({"data": "flowers17", "model": "notebook-flowers"})[1].imgsz == 224


def test_folders_become_absolute(folder_of_colours: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of_colours(count=1)
    monkeypatch.chdir(folder.parent)
    assert settings.resolve({"data": "colours"})[0].data == str(folder)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"data": "mnist", "epochs": 3, "lr": 0.125, "seed": 5, "amp": False, "name": "x", "project": "y"},
        {
            "data": "flowers17",
            "recipe": "notebook",
            "device": "cpu",
            "freeze": "conv1-conv5",
        },
        {"data": "flowers17", "model": "notebook-mnist", "protocol": "oxford-1", "exist_ok": True},
        {"data": "flowers17", "model": "notebook-mnist", "imgsz": 32, "augment": {"flip": False, "rotate": 5}},
        {"class_weights": "auto", "patience": 4, "val_split": 0, "views": 10, "bad_files": 0, "workers": 2},
    ],
)
def test_args_passed_back_resolve_to_the_same(tmp_path: Path, given: dict[str, Any]) -> None:
    options, recipe = settings.resolve(given)
    Run(tmp_path).write_args(settings.as_args(options, recipe))
    again, same = settings.resolve({}, tmp_path / "args.yaml")
    assert same == recipe
    own: dict[str, Any] = {"name": None, "project": Path("runs/train"), "exist_ok": False}
    assert again == options.model_copy(update=own)


def test_args_of_version_0_1_are_understood(tmp_path: Path) -> None:
    for standardise, values in ((True, "standardised"), (False, "unit")):
        file = config(tmp_path / "args.yaml", {"data": "flowers17", "recipe": "modern", "standardise": standardise})
        assert settings.resolve({}, file)[1].values == values


def test_args_of_a_real_run_passed_back(digits_run: Run) -> None:
    _, recipe = settings.resolve({}, digits_run.args_file)
    assert settings.resolve(digits_run.args)[1] == recipe
    assert recipe == recipes.find("modern", "digits").model_copy(update={"epochs": 2})


@pytest.mark.fault("C21")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epocs": 3}, "unknown option or recipe field 'epocs'. Did you mean 'epochs'?"),
        (
            {"optimizer": {"momentun": 0.5}},
            "unknown recipe field 'optimizer.momentun'. Did you mean 'optimizer.momentum'?",
        ),
        ({"recipe": "modren"}, "unknown recipe 'modren'. Did you mean 'modern'?"),
        ({"epochs": "many"}, "epochs: input should be a valid integer"),
        ({"epochs": 0}, "epochs: input should be greater than or equal to 1, not 0"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0, not -1"),
        ({"lr": "fast"}, "optimizer.lr: input should be a valid number"),
        ({"optimizer": "sgd"}, "optimizer has several fields"),
        ({"optimizer": "sgd", "lr": 0.1}, "optimizer has several fields"),
        ({"augment": {"flip": "perhaps"}}, "augment.flip: input should be a valid boolean"),
        ({"views": 3}, "views: input should be 1, 2 or 10, not 3"),
        ({"workers": 0}, "workers: input should be greater than or equal to 1"),
    ],
)
def test_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    """Unknown fields, wrong types and impossible values from Python: one line each, the nearest name suggested."""
    with pytest.raises(UsageError) as caught:
        settings.resolve(given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.fault("C21")
@pytest.mark.parametrize("content", ["a: [1\nb: 2\n", "- 1\n- 2\n", "", "1: 2\n", "\xff\xfe"])
def test_configs_that_are_none(tmp_path: Path, content: str) -> None:
    """Files given as --config that are no YAML, no mapping, no text, or not there: one line."""
    (tmp_path / "a.yaml").write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        settings.resolve({}, tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        settings.resolve({}, tmp_path / "missing.yaml")
