"""The doors of the house: who may import whom, and that nothing heavy is imported unasked."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from alexnet.run import Run

ROOT = Path(__file__).parents[1]


def test_contracts_are_kept(tmp_path: Path) -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ["--config", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout
    assert "0 kept" not in result.stdout


def test_importing_the_package_is_cheap() -> None:
    program = "import sys, alexnet; print(*sorted(name for name in sys.modules if '.' not in name))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = result.stdout.split()
    assert "alexnet" in loaded
    assert not {"torch", "numpy", "sklearn", "matplotlib", "PIL", "click"} & set(loaded)


HEAVY = {"matplotlib", "sklearn", "pydantic", "pooch", "requests", "h5py", "keras", "IPython", "rich"}


def loaded_by(program: str, *arguments: object) -> set[str]:
    """The packages that a process has loaded when it has run `program`."""
    ending = "\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", f"import sys\n{program}{ending}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


def test_help_loads_little() -> None:
    program = "from alexnet.commands.main import cli\ncli.main(['--help'], standalone_mode=False)"
    loaded = loaded_by(program)
    assert "click" in loaded
    assert not (HEAVY | {"torch", "numpy", "PIL", "yaml", "safetensors", "platformdirs", "filelock"}) & loaded


def test_a_classifier_loads_torch_and_little_else(digits_run: Run, tmp_path: Path) -> None:
    """Neither what draws nor what trains: a picture is answered as soon as torch is there."""
    picture = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(picture)
    program = (
        "import alexnet\nprint(alexnet.load(sys.argv[1]).predict(sys.argv[2], topk=1))\nimport alexnet.predict_files"
    )
    loaded = loaded_by(program, digits_run.path, picture)
    assert "torch" in loaded
    assert not HEAVY & loaded
