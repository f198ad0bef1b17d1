"""The layer tables against the notebook's printed ones."""

import pytest

from alexnet.errors import UsageError
from alexnet.models.network import create_model, parameter_count
from alexnet.models.summary import as_text, summarise

# What the notebook prints, row by row: name, output shape (H, W, C), parameters
FLOWERS = """
conv2d                 54,54,96  34944
activation             54,54,96  0
max_pooling2d          26,26,96  0
batch_normalization    26,26,96  384
conv2d_1               26,26,256 614656
activation_1           26,26,256 0
max_pooling2d_1        12,12,256 0
batch_normalization_1  12,12,256 1024
conv2d_2               10,10,384 885120
activation_2           10,10,384 0
batch_normalization_2  10,10,384 1536
conv2d_3               8,8,384   1327488
activation_3           8,8,384   0
batch_normalization_3  8,8,384   1536
conv2d_4               6,6,256   884992
activation_4           6,6,256   0
max_pooling2d_2        2,2,256   0
batch_normalization_4  2,2,256   1024
flatten                1024      0
dense                  4096      4198400
activation_5           4096      0
dropout                4096      0
batch_normalization_5  4096      16384
dense_1                4096      16781312
activation_6           4096      0
dropout_1              4096      0
batch_normalization_6  4096      16384
dense_2                17        69649
activation_7           17        0
"""

MNIST = """
conv2d           26,26,32 320
max_pooling2d    13,13,32 0
conv2d_1         11,11,64 18496
max_pooling2d_1  5,5,64   0
flatten          1600     0
dense            128      204928
dropout          128      0
dense_1          10       1290
"""


def rows(text: str) -> list[tuple[str, tuple[int, ...], int]]:
    cells = [line.split() for line in text.strip().splitlines()]
    return [(name, tuple(int(side) for side in shape.split(",")), int(count)) for name, shape, count in cells]


@pytest.mark.parametrize(("name", "printed"), [("notebook-flowers", FLOWERS), ("notebook-mnist", MNIST)])
def test_keras_style_is_the_notebooks_table(name: str, printed: str) -> None:
    table = summarise(name, style="keras")
    assert [(row.name, row.shape, row.parameters) for row in table.rows] == rows(printed)


@pytest.mark.parametrize(
    ("name", "total", "trainable", "fixed"),
    [("notebook-flowers", 24_834_833, 24_815_697, 19_136), ("notebook-mnist", 225_034, 225_034, 0)],
)
def test_totals_are_the_printed_ones(name: str, total: int, trainable: int, fixed: int) -> None:
    table = summarise(name)
    assert (table.total, table.trainable, table.non_trainable) == (total, trainable, fixed)


@pytest.mark.parametrize("name", ["notebook-flowers", "notebook-mnist"])
@pytest.mark.parametrize(("classes", "channels"), [(2, 1), (10, 3), (1000, 4)])
def test_the_table_counts_what_the_built_network_has(name: str, classes: int, channels: int) -> None:
    network = create_model(name, num_classes=classes, in_channels=channels)
    statistics = sum(b.numel() for n, b in network.named_buffers() if "running" in n)
    table = summarise(name, num_classes=classes, in_channels=channels)
    assert table.trainable == parameter_count(network)
    assert table.non_trainable == statistics
    assert [row.name for row in table.rows] == [child for child, _ in network.named_children()]


def test_text_has_keras_columns_and_commas() -> None:
    text = as_text(summarise("notebook-flowers"))
    for part in ("Layer (type)", "Output Shape", "Param #", "16,781,312", "Total params: 24,834,833"):
        assert part in text
    assert "Non-trainable params: 19,136" in text


def test_json_form_repeats_the_totals() -> None:
    values = summarise("notebook-mnist").to_dict()
    assert values["total"] == sum(layer["parameters"] for layer in values["layers"]) == 225_034


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="notebook-mnist"):
        summarise("notebook-mnits")


def test_a_narrow_terminal_gets_fewer_columns() -> None:
    table = summarise("paper")
    wide = as_text(table).splitlines()
    assert wide[2].split()[-3:] == ["field", "Stride", "Side"]
    for width, last in ((100, "Stride"), (72, "field"), (60, "Mult-adds"), (20, "#")):
        narrow = as_text(table, width).splitlines()
        assert narrow[2].split()[-1] == last, width
        assert width < 50 or max(map(len, narrow)) <= width
    assert "724,406,816" in as_text(table, 20)
