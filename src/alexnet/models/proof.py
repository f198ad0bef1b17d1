"""The proof that the variants have the counts of the reference tables."""

from dataclasses import dataclass
from typing import Any

import torch

from alexnet.models import variants
from alexnet.models.network import AlexNet, parameter_count
from alexnet.models.published import PUBLISHED, Published
from alexnet.models.summary import Row, Summary, tabulate
from alexnet.models.variants import Variant


@dataclass(frozen=True)
class Proof:
    """One variant against its published table."""

    name: str
    layers: tuple[tuple[str, int], ...]
    """Counts of the layers with parameters, as recomputed here."""
    counted: int
    """Their sum: trainable ones alone, or all, as the table counts."""
    moving: int
    """Moving statistics beside it (or within, where the table counts all)."""
    multiply_adds: int
    published: Published
    faults: tuple[str, ...]
    """Where the two differ; empty is the proof."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "name": self.name,
            "layers": dict(self.layers),
            "counted": self.counted,
            "running_statistics": self.moving,
            "multiply_adds": self.multiply_adds,
            "reference": self.published.total,
            "reference_multiply_adds_millions": self.published.multiply_adds,
            "reference_counts": self.published.counts,
            "origin": self.published.origin,
            "faults": list(self.faults),
        }


def prove(variant: Variant) -> Proof:
    """Recompute every count of `variant` at its source's input and classes, by arithmetic and from a network that is
    really built (without memory for its weights), and compare them with the printed table.
    """
    published = PUBLISHED[variant.name]
    table = tabulate(variant)
    with torch.device("meta"):
        network = AlexNet(variant, variant.classes, variant.input)
    built = parameter_count(network)
    counted = table.trainable if published.counts == "trainable" else table.total
    faults = _row_faults(table, published)
    if counted != published.total:
        faults.append(f"total {counted:,}, reference {published.total:,}")
    if table.non_trainable != published.moving:
        faults.append(f"running statistics {table.non_trainable:,}, reference {published.moving:,}")
    if built != table.trainable:
        faults.append(f"the network holds {built:,} trainable numbers, the table {table.trainable:,}")
    millions = f"{table.multiply_adds / 1e6:.1f}"
    if published.multiply_adds is not None and millions != f"{published.multiply_adds:.1f}":
        faults.append(f"multiply-adds {millions} million, reference {published.multiply_adds:.1f}")
    return Proof(
        variant.name,
        tuple((row.name, _figure(row, published)) for row in table.rows if _figure(row, published)),
        counted,
        table.non_trainable,
        table.multiply_adds,
        published,
        tuple(faults),
    )


def prove_all() -> list[Proof]:
    """Every variant, in the order of the list."""
    return [prove(variant) for variant in variants.VARIANTS.values()]


def _row_faults(table: Summary, published: Published) -> list[str]:
    ours = {row.name: row for row in table.rows}
    printed: dict[str, int] = {}
    faults = []
    for line in published.rows.strip().splitlines():
        name, shape, figure = line.split()
        count = printed[name] = int(figure.replace(",", ""))
        row = ours.get(name)
        if row is None:
            faults.append(f"{name} is printed and not there")
        elif shape != (have := "×".join(str(side) for side in row.shape)) and not (
            row.name.startswith("bn") and shape == str(row.shape[0])
        ):
            faults.append(f"{name} gives {have}, printed {shape}")
        elif (figured := _figure(row, published)) != count:
            faults.append(f"{name} has {figured:,} parameters, printed {count:,}")
    faults += [
        f"{name} is not printed" for name, row in ours.items() if _figure(row, published) and name not in printed
    ]
    return faults


def _figure(row: Row, published: Published) -> int:
    return row.trainable if published.counts == "trainable" else row.parameters
