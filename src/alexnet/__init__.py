"""AlexNet as software: from pictures to a trained, judged and pictured classifier.

>>> import alexnet
>>> run = alexnet.train("digits")              # doctest: +SKIP
>>> alexnet.load(run.path).predict("a.png")    # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Classifier", "Run", "create_model", "list_datasets", "list_models", "load", "resume", "train"]

if TYPE_CHECKING:
    from alexnet.data.sources import list_datasets
    from alexnet.experiment import train
    from alexnet.models.network import create_model, list_models
    from alexnet.predict import Classifier, load
    from alexnet.resumption import resume
    from alexnet.run import Run

_ROOMS = {
    "Classifier": "alexnet.predict",
    "Run": "alexnet.run",
    "create_model": "alexnet.models.network",
    "list_datasets": "alexnet.data.sources",
    "list_models": "alexnet.models.network",
    "load": "alexnet.predict",
    "resume": "alexnet.resumption",
    "train": "alexnet.experiment",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a module attribute may be anything)
    """Load a public name when it is first used, so that importing the package stays cheap."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'alexnet' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return __all__
