"""The named recipes, one file each: its source, expected result, time and command.

A recipe has a form for folders, which serves all data, and may have others for named data sets.
"""

from alexnet.errors import UsageError, unknown
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import caffe, modern, modern_long, notebook, owt, paper, torchvision

RECIPES = {
    "modern": modern.FORMS,
    "modern-long": modern_long.FORMS,
    "notebook": notebook.FORMS,
    "paper": paper.FORMS,
    "caffe": caffe.FORMS,
    "owt": owt.FORMS,
    "torchvision": torchvision.FORMS,
}
FOLDER = "folder"


def find(name: str, data: str) -> Recipe:
    """The recipe called `name` in its form for the data set `data` (any other data: its form for folders).

    Errors: UsageError that suggests the nearest name.
    """
    if name not in RECIPES:
        raise UsageError(unknown("recipe", name, RECIPES))
    forms = RECIPES[name]
    return forms.get(data, forms[FOLDER])
