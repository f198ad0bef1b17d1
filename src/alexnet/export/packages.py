"""Packages that exporting needs and training does not."""

from importlib.util import find_spec

from alexnet.errors import UsageError


def require(*names: str) -> None:
    """Errors: UsageError with the command that installs what is missing."""
    if missing := [name for name in names if find_spec(name) is None]:
        which = " and ".join(missing)
        raise UsageError(f"{which} {'is' if len(missing) == 1 else 'are'} not installed: pip install 'alexnet[export]'")
