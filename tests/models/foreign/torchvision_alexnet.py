"""torchvision's own AlexNet, from the file that it ships, without its compiled operators.

The whole of torchvision cannot be imported beside a PyTorch that it was not compiled for; the one file of the network
needs nothing of that. What it imports beside torch is the registry of published weights, for which stand-ins do.
"""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

PACKAGE = "torchvision_without_operators"
STAND_INS = {
    "transforms._presets": ("ImageClassification",),
    "utils": ("_log_api_usage_once",),
    "models._api": ("register_model", "Weights", "WeightsEnum"),
    "models._meta": ("_IMAGENET_CATEGORIES",),
    "models._utils": ("_ovewrite_named_param", "handle_legacy_interface"),
}


class _Anything:
    """Can be called, decorated with, derived from and asked for any attribute."""

    def __init__(self, *arguments: object, **named: object) -> None:
        """Nothing is kept."""

    def __call__(self, function: object = None) -> object:
        return function


def network(classes: int = 1000) -> nn.Module:
    """A fresh network. Skips the test where torchvision is not installed."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("torchvision is not installed: pip install --no-deps torchvision (see the Makefile)")
    module = _module(Path(found.origin).parent)
    built: nn.Module = module.AlexNet(num_classes=classes)
    return built


def categories() -> list[str]:
    """torchvision's names of the thousand classes."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("torchvision is not installed: pip install --no-deps torchvision (see the Makefile)")
    text = (Path(found.origin).parent / "models" / "_meta.py").read_text(encoding="utf-8")
    lists = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.List)
    }
    return list(lists["_IMAGENET_CATEGORIES"])


def _module(folder: Path) -> Any:
    for name in ("", "transforms", "models"):
        package = ModuleType(f"{PACKAGE}.{name}".rstrip("."))
        package.__path__ = []
        sys.modules[package.__name__] = package
    for name, attributes in STAND_INS.items():
        module = ModuleType(f"{PACKAGE}.{name}")
        for attribute in attributes:
            setattr(module, attribute, _Anything)
        sys.modules[module.__name__] = module
    spec = importlib.util.spec_from_file_location(f"{PACKAGE}.models.alexnet", folder / "models" / "alexnet.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
