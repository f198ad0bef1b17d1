"""The named recipes, one file each: its source, expected result, time and command.

A recipe has a form for each named data set and one for folders.
"""

from alexnet.errors import UsageError, unknown
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import modern, notebook

RECIPES = {"modern": modern.FORMS, "notebook": notebook.FORMS}
FOLDER = "folder"


def find(name: str, data: str) -> Recipe:
    """The recipe called `name` in its form for the data set `data` (any other data: its form for folders).

    Errors: UsageError that suggests the nearest name.
    """
    if name not in RECIPES:
        raise UsageError(unknown("recipe", name, RECIPES))
    forms = RECIPES[name]
    return forms.get(data, forms[FOLDER])
