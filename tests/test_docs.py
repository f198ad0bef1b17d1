"""Documents agree with the code: the atlas is written from it, the map names its files, commands are real ones."""

import re
import runpy
from pathlib import Path

import click
import pytest

from alexnet.commands.main import VERBS, cli

DOCS = Path(__file__).parent.parent / "docs"


def test_the_atlas_is_up_to_date() -> None:
    script = runpy.run_path(str(DOCS / "write_variants.py"))
    assert script["page"]() == (DOCS / "variants.md").read_text(encoding="utf-8"), "run: python docs/write_variants.py"


def test_every_file_stands_in_the_map_of_the_rooms() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    rooms = DOCS.parent / "src" / "alexnet"
    recipes_and_variants = {"training/recipes", "models/variants"}  # named there by folder
    for file in rooms.rglob("*.py"):
        place = file.relative_to(rooms)
        if file.name != "__init__.py" and place.parent.as_posix() not in recipes_and_variants:
            assert file.name in text, f"{place} is not in docs/architecture.md"


COMMAND = re.compile(r"^ *(?:\$ )?alexnet ([a-z][a-z-]*)((?: [^#`\n]*)?)", re.MULTILINE)


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_commands_in_documents_are_real_ones(page: Path) -> None:
    """Every verb exists and knows the options that are written behind it."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for verb, rest in COMMAND.findall("\n".join(blocks)):
        assert verb in VERBS, f"{page.name}: alexnet {verb}"
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        for option in re.findall(r"(?<!\S)--[a-z0-9-]+", rest):
            assert option in known, f"{page.name}: alexnet {verb} {option}"
