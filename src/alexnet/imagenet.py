"""The 1000 classes of ILSVRC-2012 in the order that networks answer in: sorted by WNID.

torchvision, Caffe and most others count the classes 0 to 999 by their sorted WordNet numbers ("n01440764" is
0, "n15075141" is 999). The competition's own development kit counts 1 to 1000 in another order.

The names are the first words that WordNet 3.0 (Princeton University) has for each number; five, which would
be alike but for capitals, are made longer (two cranes, two maillots, one Cardigan).
"""

from functools import cache
from importlib import resources


def wnids() -> tuple[str, ...]:
    """The 1000 WordNet numbers; a class's place here is its number in weights trained by others.

    >>> wnids()[0], wnids()[999]
    ('n01440764', 'n15075141')
    """
    return tuple(names())


@cache
def names() -> dict[str, str]:
    """A short English name for each WordNet number, no two alike, in the order of the classes.

    >>> names()["n02012849"], names()["n03126707"]
    ('crane (bird)', 'crane (machine)')
    """
    text = resources.files("alexnet").joinpath("imagenet.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.splitlines())
