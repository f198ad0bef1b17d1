"""The thousand classes: their order, and names of which no two are alike."""

from alexnet import imagenet
from tests.models.foreign import torchvision_alexnet


def test_classes_are_in_the_order_of_their_numbers() -> None:
    wnids = imagenet.wnids()
    assert len(wnids) == 1000
    assert list(wnids) == sorted(wnids)
    assert all(wnid[0] == "n" and wnid[1:].isdigit() and len(wnid) == 9 for wnid in wnids)
    assert (wnids[0], wnids[207], wnids[281], wnids[999]) == ("n01440764", "n02099601", "n02123045", "n15075141")


def test_no_two_names_are_alike() -> None:
    names = imagenet.names()
    assert tuple(names) == imagenet.wnids()
    assert len({name.casefold() for name in names.values()}) == 1000
    assert all(name == name.strip() and name.isprintable() and name for name in names.values())
    assert (names["n02012849"], names["n03126707"]) == ("crane (bird)", "crane (machine)")
    assert (names["n02099601"], names["n02123045"]) == ("golden retriever", "tabby")


def test_the_order_is_torchvisions() -> None:
    """Its names, written down by others, differ from ours in the five that we made distinct and nowhere else."""
    pairs = zip(imagenet.names().values(), torchvision_alexnet.categories(), strict=True)
    different = {ours for ours, theirs in pairs if ours != theirs}
    assert different == {
        *("crane (bird)", "crane (machine)", "maillot (tights)", "maillot (swimsuit)", "Cardigan Welsh corgi")
    }
