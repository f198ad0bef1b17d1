"""The layer table: rows as data; printing them is another matter."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from alexnet.models import variants
from alexnet.models.arithmetic import counts, multiply_adds, receptive_field, side
from alexnet.models.layers import Layer, Shape, channels_last
from alexnet.models.placing import Placed, place, smallest_side
from alexnet.models.variants import Variant

Style = Literal["torch", "keras"]

_KERAS_TYPES = {
    "conv": ("Conv2D", "conv2d"),
    "relu": ("Activation", "activation"),
    "tanh": ("Activation", "activation"),
    "norm": ("LocalResponseNormalization", "local_response_normalization"),
    "mapnorm": ("MapNormalization", "map_normalization"),
    "avgpool": ("AdaptiveAveragePooling2D", "adaptive_average_pooling2d"),
    "pool": ("MaxPooling2D", "max_pooling2d"),
    "bn": ("BatchNormalization", "batch_normalization"),
    "flatten": ("Flatten", "flatten"),
    "fc": ("Dense", "dense"),
    "drop": ("Dropout", "dropout"),
}


@dataclass(frozen=True)
class Row:
    """One layer of the table. Shapes are (C, H, W) in style torch and (H, W, C) in style keras."""

    name: str
    type: str
    shape: Shape
    parameters: int
    trainable: int
    multiply_adds: int = 0
    """For one picture; biases, norms and pooling are not counted, as the sources do not."""
    receptive_field: int | None = None
    """Side in pixels of what one output value sees, the picture's edge left aside; None behind the flatten."""
    stride: int | None = None
    """Pixels of the picture from one output value to the next; None where there is no next."""
    arithmetic: str = ""
    """How the side of the output follows from that of the input, where it changes or is padded."""


@dataclass(frozen=True)
class Summary:
    """The table of one network and its totals; running statistics count as non-trainable, as in Keras."""

    model: str
    input: Shape
    rows: tuple[Row, ...]

    @property
    def total(self) -> int:
        """All numbers, running statistics included."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """Those that the optimizer sets."""
        return sum(row.trainable for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) for one picture."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def non_trainable(self) -> int:
        """The moving means and variances."""
        return self.total - self.trainable

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "model": self.model,
            "input": self.input,
            "layers": [asdict(row) for row in self.rows],
            "total": self.total,
            "trainable": self.trainable,
            "non_trainable": self.non_trainable,
            "multiply_adds": self.multiply_adds,
        }


def summarise(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | None = None,
    style: Style = "torch",
) -> Summary:
    """The table of the variant called `name`, by arithmetic alone (nothing is built).

    Errors: UsageError for an unknown name or too small a picture.
    """
    return tabulate(
        variants.find(name), num_classes=num_classes, in_channels=in_channels, image_size=image_size, style=style
    )


def tabulate(
    variant: Variant,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | None = None,
    style: Style = "torch",
) -> Summary:
    """As `summarise`, of a variant that need not be among the named ones."""
    channels, height, width = variant.input
    shape = (in_channels or channels, image_size or height, image_size or width)
    layers = place(variant, num_classes or variant.classes, shape)
    if style == "keras":
        rows = _keras_rows(layers, variant.keras_activations)
        return Summary(variant.name, channels_last(shape), tuple(rows))
    return Summary(variant.name, shape, tuple(_torch_rows(layers)))


def _torch_rows(layers: list[Placed]) -> Iterator[Row]:
    field: int | None = 1
    stride: int | None = 1
    for each in layers:
        field, stride = receptive_field(each, field, stride)
        yield Row(
            each.name,
            _torch_type(each.layer),
            each.output,
            *counts(each),
            multiply_adds(each),
            field,
            stride,
            side(each),
        )


def _torch_type(layer: Layer) -> str:
    names = {"Conv": "Conv2d", "MaxPool": "MaxPool2d", "Dense": "Linear", "AdaptiveAveragePool": "AdaptiveAvgPool2d"}
    return names.get(type(layer).__name__, type(layer).__name__)


def _keras_rows(layers: list[Placed], activations: Literal["layers", "arguments"]) -> list[Row]:
    """Rows named as Keras numbers its layers, the softmax of the last one included."""
    seen: dict[str, int] = {}
    rows = []
    for each in layers:
        if each.layer.kind in ("relu", "tanh") and activations == "arguments":
            continue
        kind, base = _KERAS_TYPES[each.layer.kind]
        rows.append(Row(_numbered(base, seen), kind, channels_last(each.output), *counts(each)))
    if activations == "layers":
        kind, base = _KERAS_TYPES["relu"]
        rows.append(Row(_numbered(base, seen), kind, layers[-1].output, 0, 0))
    return rows


def _numbered(base: str, seen: dict[str, int]) -> str:
    number = seen.get(base, 0)
    seen[base] = number + 1
    return f"{base}_{number}" if number else base


def overview() -> list[dict[str, Any]]:
    """One row a variant: name, input, classes, sizes, what sets it apart, published accuracy, sources.

    Parameters are those that are trained; running statistics stand beside them.
    """
    return [_overview(variant) for variant in variants.VARIANTS.values()]


def _overview(variant: Variant) -> dict[str, Any]:
    table, accuracy = tabulate(variant), variant.accuracy
    return {
        "name": variant.name,
        "input": "×".join(str(side) for side in variant.input),
        "smallest_side": smallest_side(variant),
        "classes": variant.classes,
        "parameters": table.trainable,
        "running_statistics": table.non_trainable,
        "multiply_adds": table.multiply_adds,
        "note": variant.note,
        "source": variant.source,
        "accuracy_top1": accuracy.top1 if accuracy else None,
        "accuracy_top5": accuracy.top5 if accuracy else None,
        "accuracy_on": accuracy.on if accuracy else None,
        "accuracy_source": accuracy.source if accuracy else None,
    }


def as_text(table: Summary, width: int | None = None) -> str:
    """The table as plain text with Keras's columns and totals; in style torch also what each layer costs and sees,
    and the arithmetic of its size. Of these, the last columns are left out where `width` (characters) is too small.
    """
    header: tuple[str, ...] = ("Layer (type)", "Output Shape", "Param #")
    cells: list[tuple[str, ...]] = [
        (f"{row.name} ({row.type})", _shape_text(row.shape), f"{row.parameters:,}") for row in table.rows
    ]
    if table.multiply_adds:
        header = (*header, "Mult-adds", "Rec. field", "Stride", "Side")
        cells = [(*cell, *_extra_cells(row)) for cell, row in zip(cells, table.rows, strict=True)]
    widths = [max(len(line[column]) for line in [header, *cells]) for column in range(len(header))]
    while width is not None and len(widths) > 3 and sum(widths) + 2 * (len(widths) - 1) > width:
        widths.pop()
    signs = "<<>>>><"  # names and shapes to the left, numbers to the right

    def line(values: tuple[str, ...]) -> str:
        return "  ".join(f"{v:{sign}{w}}" for v, sign, w in zip(values, signs, widths, strict=False)).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    title = f'Model: "{table.model}", input {_shape_text(table.input)}'
    totals = [
        f"Total params: {table.total:,}",
        f"Trainable params: {table.trainable:,}",
        f"Non-trainable params: {table.non_trainable:,}",
    ]
    if table.multiply_adds:
        totals.append(f"Multiply-adds a picture: {table.multiply_adds:,}")
    return "\n".join([title, rule, line(header), rule, *map(line, cells), rule, *totals])


def _extra_cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.multiply_adds:,}" if row.multiply_adds else "",
        f"{row.receptive_field}" if row.receptive_field else "",
        f"{row.stride}" if row.stride else "",
        row.arithmetic,
    )


def _shape_text(shape: Shape) -> str:
    return f"({', '.join(str(side) for side in shape)})"
