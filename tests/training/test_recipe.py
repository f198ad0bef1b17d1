"""Recipes: typed, merged field by field, and read from the command line."""

import math

import pytest

from alexnet.errors import UsageError
from alexnet.training import recipes
from alexnet.training.recipe import merged, parse_assignments

BASE = recipes.find("modern", "flowers17")


@pytest.mark.parametrize(
    ("assignments", "values"),
    [
        (["epochs=5"], {"epochs": 5}),
        (["optimizer.lr=0.02", "optimizer.name=sgd"], {"optimizer": {"lr": 0.02, "name": "sgd"}}),
        (["optimizer.epsilon=1e-7"], {"optimizer": {"epsilon": 1e-7}}),  # YAML 1.1 would call it a word
        (["augment.flip=true", "patience=null"], {"augment": {"flip": True}, "patience": None}),
        (["augment.crop_area=[0.5, 1]"], {"augment": {"crop_area": [0.5, 1]}}),
        ([" epochs = 5 "], {"epochs": 5}),
        (["epochs=5", "epochs=6"], {"epochs": 6}),
        (["keep=a=b"], {"keep": "a=b"}),
        ([], {}),
    ],
)
def test_assignments(assignments: list[str], values: dict[str, object]) -> None:
    assert parse_assignments(assignments) == values


@pytest.mark.parametrize(
    "assignments",
    [["epochs"], ["=5"], ["augment.crop_area=[1"], ["optimizer=sgd", "optimizer.lr=1"], ["a=1", "a.b.c=1"]],
)
def test_refused_assignments(assignments: list[str]) -> None:
    with pytest.raises(UsageError, match="--set") as caught:
        parse_assignments(assignments)
    assert "\n" not in str(caught.value)


def test_merged_keeps_what_is_not_said() -> None:
    changed = merged(BASE, {"optimizer": {"lr": 0.5}, "epochs": 3}, {"optimizer": {"momentum": 0.5}, "epochs": 4})
    assert changed.optimizer == BASE.optimizer.model_copy(update={"lr": 0.5, "momentum": 0.5})
    assert changed.epochs == 4
    assert changed.model_copy(update={"optimizer": BASE.optimizer, "epochs": BASE.epochs}) == BASE
    assert BASE.epochs == 60  # untouched


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": {"lr": 0}}, "optimizer.lr: input should be greater than 0, not 0"),
        ({"optimizer": {"lr": math.nan}}, "optimizer.lr: "),
        (
            {"optimizer": {"nesterow": 1}},
            "unknown recipe field 'optimizer.nesterow'. Did you mean 'optimizer.nesterov'?",
        ),
        ({"schedule": {"name": "cosin"}}, "schedule.name: input should be 'constant' or 'cosine', not 'cosin'"),
        ({"label_smoothing": 1}, "label_smoothing: input should be less than 1, not 1"),
        ({"margin": 3}, "margin: input should be less than or equal to 2, not 3"),
    ],
)
def test_refused_changes(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        merged(BASE, change)
    assert str(caught.value).startswith(message)


def test_every_recipe_has_a_form_for_folders() -> None:
    for name in recipes.RECIPES:
        assert recipes.find(name, "/some/folder") == recipes.find(name, recipes.FOLDER)
        assert recipes.find(name, "mnist").name == name


def test_the_notebooks_numbers() -> None:
    flowers, mnist = (recipes.find("notebook", data) for data in ("flowers17", "mnist"))
    assert [recipe.optimizer.lr for recipe in (flowers, mnist)] == [0.01, 0.001]
    for recipe in (flowers, mnist):
        assert (recipe.epochs, recipe.batch_size, recipe.validate_on, recipe.keep) == (12, 128, "test", "last")
        assert (recipe.optimizer.name, recipe.optimizer.rho, recipe.optimizer.epsilon) == ("adadelta", 0.95, 1e-7)
        assert recipe.label_smoothing == recipe.optimizer.weight_decay == 0
