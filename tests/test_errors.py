"""Exit codes are a promise."""

import pytest

from alexnet import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.DataError, 3),
        (errors.ModelFileError, 4),
        (errors.DivergedError, 5),
        (errors.ResourceError, 6),
    ],
)
def test_exit_codes(kind: type[errors.AlexNetError], code: int) -> None:
    assert kind("text").exit_code == code
    assert isinstance(kind("text"), errors.AlexNetError)


def test_unknown_suggests_the_nearest() -> None:
    text = errors.unknown("recipe", "modren", ["notebook", "modern"])
    assert text == "unknown recipe 'modren'. Did you mean 'modern'? There are: modern, notebook"


def test_unknown_does_not_guess_wildly() -> None:
    assert errors.unknown("recipe", "zzz", ["modern"]) == "unknown recipe 'zzz'. There are: modern"
