"""Every published count is reproduced, and the proof would notice if one was not."""

from dataclasses import replace

import pytest

from alexnet.models import variants
from alexnet.models.layers import Conv
from alexnet.models.proof import prove, prove_all
from alexnet.models.published import PUBLISHED
from alexnet.models.variants import VARIANTS, Variant


@pytest.mark.parametrize("variant", [pytest.param(variant, id=name) for name, variant in VARIANTS.items()])
def test_counts_are_the_published_ones(variant: Variant) -> None:
    assert prove(variant).faults == ()


def test_the_printed_tables_add_up_to_their_totals() -> None:
    for name, table in PUBLISHED.items():
        figures = [int(line.split()[2].replace(",", "")) for line in table.rows.strip().splitlines()]
        assert sum(figures) == table.total, name


def test_totals_that_people_know() -> None:
    totals = {each.name: each.counted for each in prove_all()}
    assert list(totals) == list(VARIANTS)
    assert totals["torchvision"] == 61_100_840
    assert totals["paper"] == totals["bvlc"] == 60_965_224
    assert totals["owt"] / totals["paper"] == pytest.approx(1.00222, abs=1e-5)
    blog = prove(VARIANTS["keras-blog"])
    assert blog.counted + blog.moving == 28_096_769


def changed(stage: str, layer: Conv) -> Variant:
    paper = VARIANTS["paper"]
    return replace(paper, stages={**paper.stages, stage: (layer, *paper.stages[stage][1:])})


def test_a_wrong_group_is_noticed() -> None:
    faults = prove(changed("conv4", Conv(384, 3, padding=1))).faults
    assert faults[0] == "conv4 has 1,327,488 parameters, printed 663,936"
    assert "total 61,628,776, reference 60,965,224" in faults
    assert any("multiply-adds" in fault for fault in faults)


def test_a_wrong_padding_is_noticed() -> None:
    faults = prove(changed("conv1", Conv(96, 11, stride=4))).faults
    assert faults[0] == "conv1 gives 96×54×54, printed 96×55×55"


def test_a_forgotten_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = PUBLISHED["paper"]
    less = replace(table, rows="\n".join(line for line in table.rows.splitlines() if not line.startswith("fc7")))
    more = replace(table, rows=table.rows + "fc9  10  10\n")
    for changed_table, fault in ((less, "fc7 is not printed"), (more, "fc9 is printed and not there")):
        monkeypatch.setitem(PUBLISHED, "paper", changed_table)
        assert fault in prove(variants.find("paper")).faults
