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
    assert BASE.epochs == 100  # untouched


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": {"lr": 0}}, "optimizer.lr: input should be greater than 0, not 0"),
        ({"optimizer": {"lr": math.nan}}, "optimizer.lr: "),
        (
            {"optimizer": {"nesterow": 1}},
            "unknown recipe field 'optimizer.nesterow'. Did you mean 'optimizer.nesterov'?",
        ),
        ({"schedule": {"name": "cosin"}}, "schedule.name: input should be 'constant', 'cosine', 'steps' or 'plateau'"),
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


def test_rates_of_weights_and_biases_follow_their_schedules() -> None:
    recipe = merged(
        BASE,
        {"optimizer": {"lr": 0.01, "bias_lr": 2}, "schedule": {"name": "steps", "drops_at": [0.5], "drop": 0.1}},
    )
    assert recipe.rates(4, 10, 1) == pytest.approx({"weights": 0.01, "biases": 0.02})
    assert recipe.rates(5, 10, 1) == pytest.approx({"weights": 0.001, "biases": 0.002})
    own = merged(recipe, {"bias_schedule": {"name": "steps", "drops_at": [0.8], "drop": 0.5}})
    assert own.rates(5, 10, 1) == pytest.approx({"weights": 0.001, "biases": 0.02})
    assert own.rates(8, 10, 1) == pytest.approx({"weights": 0.001, "biases": 0.01})
    assert merged(own, {"bias_schedule": None}) == recipe


def test_rates_follow_the_validation_error_where_the_schedule_does() -> None:
    recipe = merged(BASE, {"optimizer": {"lr": 1.0}, "schedule": {"name": "plateau", "wait": 2, "warmup": 0}})
    assert recipe.needs_validation
    assert not BASE.needs_validation
    assert merged(BASE, {"bias_schedule": {"name": "plateau"}}).needs_validation
    assert recipe.rates(3, 10, 1, [0.5, 0.5, 0.5])["weights"] == pytest.approx(0.1)
    assert recipe.rates(3, 10, 1, [0.5, 0.5, 0.4])["weights"] == 1


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("bias_schedule.drop_at=[0.5]", "unknown recipe field 'bias_schedule.drop_at'. Did you mean"),
        ("schedule.drops_at=[0.5, 0.2]", "schedule.drops_at: shares of the run are needed"),
        ("augment.colour_noise_reading=krizhevsky", "augment.colour_noise_reading: input should be 'cuda-convnet'"),
        ("augment.crop=corner", "augment.crop: input should be 'centre' or 'random'"),
        ("values=255", "values: input should be 'unit', 'standardised' or 'centred'"),
        ("optimizer=null", "optimizer: "),
    ],
)
def test_new_fields_are_refused_in_one_line(assignment: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        merged(BASE, parse_assignments([assignment]))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
