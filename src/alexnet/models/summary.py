"""The layer table: rows as data; printing them is another matter."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from alexnet.models import variants
from alexnet.models.layers import BatchNorm, Conv, Dense, Layer, ReLU, Shape
from alexnet.models.network import Placed, place

Style = Literal["torch", "keras"]

_KERAS_TYPES = {
    "conv": ("Conv2D", "conv2d"),
    "relu": ("Activation", "activation"),
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


@dataclass(frozen=True)
class Summary:
    """The table of one network and its totals; moving statistics count as non-trainable, as in Keras."""

    model: str
    input: Shape
    rows: tuple[Row, ...]

    @property
    def total(self) -> int:
        """All numbers, moving statistics included."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """Those that the optimizer sets."""
        return sum(row.trainable for row in self.rows)

    @property
    def non_trainable(self) -> int:
        """The moving means and variances."""
        return self.total - self.trainable

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        totals = {"total": self.total, "trainable": self.trainable, "non_trainable": self.non_trainable}
        return {
            "model": self.model,
            "input": self.input,
            "layers": [asdict(row) for row in self.rows],
            **totals,
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
    variant = variants.find(name)
    channels, height, width = variant.input
    shape = (in_channels or channels, image_size or height, image_size or width)
    layers = place(variant, num_classes or variant.classes, shape)
    if style == "keras":
        return Summary(name, _channels_last(shape), tuple(_keras_rows(layers, variant.keras_activations)))
    return Summary(
        name, shape, tuple(Row(each.name, _torch_type(each.layer), each.output, *_counts(each)) for each in layers)
    )


def _torch_type(layer: Layer) -> str:
    names = {"conv": "Conv2d", "pool": "MaxPool2d", "fc": "Linear"}
    return names.get(layer.kind, type(layer).__name__)


def _keras_rows(layers: list[Placed], activations: Literal["layers", "arguments"]) -> list[Row]:
    """Rows named as Keras numbers its layers, the softmax of the last one included."""
    seen: dict[str, int] = {}
    rows = []
    for each in layers:
        if isinstance(each.layer, ReLU) and activations == "arguments":
            continue
        kind, base = _KERAS_TYPES[each.layer.kind]
        rows.append(Row(_numbered(base, seen), kind, _channels_last(each.output), *_counts(each)))
    if activations == "layers":
        kind, base = _KERAS_TYPES["relu"]
        rows.append(Row(_numbered(base, seen), kind, layers[-1].output, 0, 0))
    return rows


def _numbered(base: str, seen: dict[str, int]) -> str:
    number = seen.get(base, 0)
    seen[base] = number + 1
    return f"{base}_{number}" if number else base


def _channels_last(shape: Shape) -> Shape:
    return (*shape[1:], shape[0])


def _counts(placed: Placed) -> tuple[int, int]:
    """Parameters in all, and those trained."""
    layer, inputs = placed.layer, placed.input[0]
    if isinstance(layer, Conv):
        count = layer.filters * (inputs * layer.kernel**2 + 1)
        return count, count
    if isinstance(layer, Dense):
        count = placed.output[0] * (inputs + 1)
        return count, count
    if isinstance(layer, BatchNorm):
        return 4 * inputs, 2 * inputs
    return 0, 0


def overview() -> list[dict[str, Any]]:
    """One row a variant: name, input, classes, parameters, what sets it apart, source."""
    return [
        {
            "name": variant.name,
            "input": "×".join(str(side) for side in variant.input),
            "classes": variant.classes,
            "parameters": summarise(variant.name).total,
            "note": variant.note,
            "source": variant.source,
        }
        for variant in variants.VARIANTS.values()
    ]


def as_text(table: Summary) -> str:
    """The table as plain text with Keras's columns and totals."""
    header = ("Layer (type)", "Output Shape", "Param #")
    cells = [(f"{row.name} ({row.type})", _shape_text(row.shape), f"{row.parameters:,}") for row in table.rows]
    widths = [max(len(line[column]) for line in [header, *cells]) for column in range(3)]

    def line(values: tuple[str, ...]) -> str:
        return f"{values[0]:<{widths[0]}}  {values[1]:<{widths[1]}}  {values[2]:>{widths[2]}}"

    rule = "─" * len(line(header))
    title = f'Model: "{table.model}", input {_shape_text(table.input)}'
    totals = (
        f"Total params: {table.total:,}",
        f"Trainable params: {table.trainable:,}",
        f"Non-trainable params: {table.non_trainable:,}",
    )
    return "\n".join([title, rule, line(header), rule, *map(line, cells), rule, *totals])


def _shape_text(shape: Shape) -> str:
    return f"({', '.join(str(side) for side in shape)})"
