"""modern-long: `modern` with time on its hands; the same networks, the same rules, more epochs.

    alexnet train flowers17 --recipe modern-long    300 epochs, over an hour on two cores
    alexnet train mnist --recipe modern-long        40 epochs, some ten minutes
Not measured yet.
"""

from alexnet.training.recipes import modern

FORMS = {
    data: recipe.model_copy(update={"name": "modern-long", "epochs": epochs})
    for data, recipe, epochs in (
        ("digits", modern.FORMS["digits"], 100),
        ("mnist", modern.FORMS["mnist"], 40),
        ("flowers17", modern.FORMS["flowers17"], 300),
        ("folder", modern.FORMS["folder"], 300),
    )
}
