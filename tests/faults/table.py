"""A pytest plugin: which rows of the matrix the tests that ran have proven; printed, and written as a page.

make faults            every row, in its long form; writes docs/faults.md
"""

import datetime
import platform
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.matrix import GROUPS, MATRIX, Fault


@dataclass
class Proofs:
    """What the tests that claim one row came to."""

    outcomes: list[str] = field(default_factory=list)
    deeds: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """What was done, and in how many cases."""

    def verdict(self, fault: Fault) -> str:
        if fault.absent:
            return "cannot happen"
        if not self.outcomes:
            return "not tried"
        return next((word for word in ("failed", "skipped") if word in self.outcomes), "passed")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--long", action="store_true", help="repeat faults as often as the matrix says, in all forms")
    group.addoption("--faults", metavar="PAGE", help="print the matrix of faults and write it to PAGE")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The rows that a test claims travel with its report (also between processes)."""
    if not config.getoption("--long"):
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    for item in items:
        for mark in item.iter_markers("fault"):
            if unknown := set(mark.args) - MATRIX.keys():
                raise pytest.UsageError(f"{item.nodeid}: no such row: {', '.join(unknown)}")
            item.user_properties += [("fault", row) for row in mark.args]
        item.user_properties.append(("deed", _deed(item)))


def _deed(item: pytest.Item) -> str:
    """A test in words: the first line of its docstring, or its name."""
    function = getattr(item, "function", None)
    said = (getattr(function, "__doc__", None) or "").strip().splitlines()
    return said[0] if said else item.name.split("[")[0].removeprefix("test_").replace("_", " ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    page = config.getoption("--faults")
    if not page:
        return
    proofs: dict[str, Proofs] = defaultdict(Proofs)
    for outcome in ("passed", "failed", "skipped", "error"):
        for report in terminalreporter.getreports(outcome):
            if not hasattr(report, "user_properties") or (outcome == "passed" and report.when != "call"):
                continue  # a file that could not be collected claims no row
            deed = next(value for name, value in report.user_properties if name == "deed")
            for name, row in report.user_properties:
                if name == "fault":
                    proofs[row].outcomes.append("failed" if outcome == "error" else outcome)
                    proofs[row].deeds[deed] += 1
    lines = [_line(row, fault, proofs[row]) for row, fault in MATRIX.items()]
    terminalreporter.section("faults")
    for line in lines:
        terminalreporter.line(line)
    terminalreporter.line(_count(proofs))
    Path(page).write_text(_page(lines, _count(proofs)), encoding="utf-8")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A row that blocks a release and was skipped is a failure where the matrix is asked for."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--faults") or reporter is None:
        return
    skipped = {
        row for report in reporter.getreports("skipped") for name, row in report.user_properties if name == "fault"
    }
    if any(MATRIX[row].blocks for row in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _deeds(fault: Fault, proofs: Proofs) -> str:
    if fault.absent:
        return fault.absent
    return "; ".join(f"{deed} ({count} cases)" if count > 1 else deed for deed, count in proofs.deeds.items()) or "-"


def _line(row: str, fault: Fault, proofs: Proofs) -> str:
    cells = row, fault.what, fault.promise or "-", _deeds(fault, proofs), proofs.verdict(fault)
    return f"| {' | '.join(cells)} |"


def _count(proofs: dict[str, Proofs]) -> str:
    verdicts = {row: proofs[row].verdict(fault) for row, fault in MATRIX.items()}
    passed, impossible = (list(verdicts.values()).count(word) for word in ("passed", "cannot happen"))
    blocking = [row for row, fault in MATRIX.items() if fault.blocks]
    held = sum(verdicts[row] in ("passed", "cannot happen") for row in blocking)
    return (
        f"{passed} of {len(MATRIX)} rows passed, {impossible} cannot happen here, "
        f"{len(MATRIX) - passed - impossible} are open; of the {len(blocking)} that block a release {held} hold"
    )


def _page(lines: list[str], count: str) -> str:
    """docs/faults.md."""
    today, machine = datetime.date.today().isoformat(), f"{platform.system()}, Python {platform.python_version()}"
    text = [
        "# Faults, and what becomes of them",
        "",
        "Each row is brought about for real: kills, full disks, damaged files, broken pipes. `make faults` runs them",
        "all and writes this page; the test suite runs them in a shorter form. Bold rows block a release.",
        "",
        f"Last run: {today}, {machine}. {count}.",
    ]
    for group, title in GROUPS.items():
        text += [
            "",
            f"## {group}. {title}",
            "",
            "| row | fault | promise | what was done | verdict |",
            "|---|---|---|---|---|",
        ]
        for line in lines:
            row = line.split(" | ")[0].removeprefix("| ")
            if row.startswith(group):
                text.append(line.replace(f"| {row} |", f"| **{row}** |", 1) if MATRIX[row].blocks else line)
    return "\n".join(text) + "\n"
