"""modern-long: `modern` with time on its hands; the same networks and rules, more epochs, and so less decay a step.

    alexnet train flowers17 --recipe modern-long    240 epochs; about an hour on two free cores, two on one
    alexnet train mnist --recipe modern-long        40 epochs, some ten minutes
Of flowers17 one seed is measured (docs/results.md); of the others none. What counts is rate × decay × steps (see
there): with more steps colour pictures take half the decay of `modern`.
"""

from alexnet.training.recipe import Recipe
from alexnet.training.recipes import modern


def _longer(recipe: Recipe, epochs: int, weight_decay: float) -> Recipe:
    optimizer = recipe.optimizer.model_copy(update={"weight_decay": weight_decay})
    return recipe.model_copy(update={"name": "modern-long", "epochs": epochs, "optimizer": optimizer})


FORMS = {
    "digits": _longer(modern.FORMS["digits"], 100, modern.FORMS["digits"].optimizer.weight_decay),
    "mnist": _longer(modern.FORMS["mnist"], 40, modern.FORMS["mnist"].optimizer.weight_decay),
    "flowers17": _longer(modern.FORMS["flowers17"], 240, 0.25),
    "folder": _longer(modern.FORMS["folder"], 240, 0.25),
}
