"""Two variants side by side: what is the same, what differs, what only one of them has."""

import difflib
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from alexnet.models import variants
from alexnet.models.arithmetic import counts
from alexnet.models.placing import Placed, place
from alexnet.models.summary import tabulate
from alexnet.models.variants import Variant

Kind = Literal["same", "sized", "changed", "left", "right"]
"""sized: the same layer, whose shape or count alone differs, because of what stands before it."""


@dataclass(frozen=True)
class Line:
    """One thing of both: its name, what it is on either side ("" where it is not)."""

    kind: Kind
    name: str
    left: str
    right: str

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def compare(left: str, right: str) -> list[Line]:
    """Everything about the variants called `left` and `right`, line by line, stage aligned with stage.

    >>> [line.name for line in compare("paper-run", "paper-conv6") if line.kind == "right"]
    ['conv6', 'relu_conv6']

    Errors: UsageError for an unknown name.
    """
    a, b = variants.find(left), variants.find(right)
    facts = _facts(a), _facts(b)
    lines = [_line(name, facts[0][name], facts[1][name]) for name in facts[0]]
    ours, theirs = _stages(a), _stages(b)
    for stage in _in_order(list(ours), list(theirs)):
        lines += _aligned(ours.get(stage, []), theirs.get(stage, []))
    return lines


def _facts(variant: Variant) -> dict[str, str]:
    table = tabulate(variant)
    return {
        "input": "×".join(str(side) for side in variant.input),
        "pictures": variant.preprocess.in_words,
        "classes": f"{variant.classes:,}",
        "parameters": f"{table.trainable:,}",
        "running statistics": f"{table.non_trainable:,}",
        "multiply-adds": f"{table.multiply_adds:,}",
        "start": str(variant.init),
        "published accuracy": f"{variant.accuracy} ({variant.accuracy.on})" if variant.accuracy else "none",
    }


def _stages(variant: Variant) -> dict[str, list[Placed]]:
    """The placed layers of each stage."""
    stages: dict[str, list[Placed]] = {stage: [] for stage in variant.stages}
    for each in place(variant, variant.classes, variant.input):
        stages[each.stage].append(each)
    return stages


def _in_order(left: list[str], right: list[str]) -> list[str]:
    """All stages, each in its place on both sides: convolutions first, then dense layers."""
    ranks = {"i": 0, "c": 1, "f": 2}
    return sorted({*left, *right}, key=lambda stage: (ranks[stage[0]], stage))


def _aligned(left: list[Placed], right: list[Placed]) -> list[Line]:
    ours, theirs = ([each.layer.kind for each in side] for side in (left, right))
    lines = []
    for tag, i, k, j, m in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [_pair(a, b) for a, b in zip(left[i:k], right[j:m], strict=True)]
        else:
            lines += [Line("left", each.name, _said(each), "") for each in left[i:k]]
            lines += [Line("right", each.name, "", _said(each)) for each in right[j:m]]
    return lines


def _pair(left: Placed, right: Placed) -> Line:
    line = _line(left.name, _said(left), _said(right))
    sized = line.kind == "changed" and str(left.layer) == str(right.layer)
    return replace(line, kind="sized") if sized else line


def _line(name: str, left: str, right: str) -> Line:
    return Line("same" if left == right else "changed", name, left, right)


def _said(placed: Placed) -> str:
    shape = "×".join(str(side) for side in placed.output)
    count = counts(placed)[0]
    return f"{placed.layer} → {shape}" + (f", {count:,}" if count else "")
