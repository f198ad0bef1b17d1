"""The plan: the recipe's epochs, or as many as fit."""

from alexnet.training.plan import ASIDE, Plan


def test_without_a_time_it_stays_as_it_is() -> None:
    plan = Plan(epochs=7)
    assert plan.after(1, 1e9, 1.0) is plan


def test_as_many_epochs_as_fit_are_planned_beside_the_verdict() -> None:
    plan = Plan(epochs=7, seconds=100 + ASIDE, pictures_afterwards=300)
    assert plan.after(1, elapsed=7.0, images_per_second=100).epochs == 1 + (100 - 3 - 7) // 7


def test_a_machine_that_slows_down_shortens_the_plan() -> None:
    plan = Plan(epochs=7, seconds=100 + ASIDE)
    plan = plan.after(1, elapsed=10.0, images_per_second=100)
    assert plan.epochs == 10
    assert plan.after(2, elapsed=40.0, images_per_second=100).epochs == 5


def test_what_does_not_fit_ends_after_the_epoch_at_hand() -> None:
    assert Plan(epochs=7, seconds=3).after(1, elapsed=10.0, images_per_second=100).epochs == 1
