"""Mixing: whose pixels are where, that shares say so, and that nothing is mixed unless asked for."""

import numpy as np
import pytest
import torch
from torch import Generator

from alexnet.data.mixing import Mixing, draw_rectangle, mix

LABELS = torch.arange(6)
PICTURES = torch.arange(6).float().view(6, 1, 1, 1).expand(6, 3, 40, 60).clone()  # each filled with its label


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def test_nothing_is_mixed_unless_asked_for() -> None:
    generator = seeded(0)
    before = generator.get_state()
    mixed = mix(PICTURES, LABELS, Mixing(), generator)
    assert mixed.pictures is PICTURES
    assert mixed.share == 1.0
    assert torch.equal(generator.get_state(), before), "a recipe without mixing draws what it drew before"


def test_mixup_fades_two_pictures_by_the_share() -> None:
    mixed = mix(PICTURES, LABELS, Mixing(mixup=0.4), seeded(3))
    expected = mixed.share * mixed.labels + (1 - mixed.share) * mixed.partners
    assert 0 < mixed.share < 1
    assert sorted(mixed.partners.tolist()) == LABELS.tolist()
    torch.testing.assert_close(mixed.pictures[:, 1, 7, 9], expected.float())


def test_the_share_of_mixup_follows_its_beta_distribution() -> None:
    shares = [mix(PICTURES[:2], LABELS[:2], Mixing(mixup=0.2), seeded(seed)).share for seed in range(4000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * 0.2 + 1)), abs=0.01)  # of Beta(a, a)


def test_cutmix_pastes_a_rectangle_and_counts_its_pixels() -> None:
    for seed in range(20):
        mixed = mix(PICTURES, LABELS, Mixing(cutmix=1.0), seeded(seed))
        own = (mixed.pictures == mixed.labels.view(6, 1, 1, 1)).float().mean(dim=(1, 2, 3))
        others = mixed.partners != mixed.labels
        torch.testing.assert_close(own[others], torch.full_like(own[others], mixed.share))
        pasted = mixed.pictures != mixed.labels.view(6, 1, 1, 1)
        expected = mixed.partners.view(6, 1, 1, 1).expand_as(pasted)[pasted]
        assert torch.equal(mixed.pictures[pasted], expected.float())
    assert torch.equal(PICTURES[:, 0, 0, 0], LABELS.float()), "the batch itself is not changed"


def test_a_rectangle_stays_within_and_has_its_area_when_it_does_not_touch_the_border() -> None:
    sizes = []
    for seed in range(300):
        top, bottom, left, right = draw_rectangle(40, 60, 0.25, seeded(seed))
        assert 0 <= top <= bottom <= 40
        assert 0 <= left <= right <= 60
        sizes.append((bottom - top) * (right - left))
    assert max(sizes) == 20 * 30


def test_both_take_turns() -> None:
    settings = Mixing(mixup=0.5, cutmix=0.5)
    faded = [
        float(mix(PICTURES, LABELS, settings, seeded(seed)).pictures.remainder(1).max()) > 0 for seed in range(200)
    ]
    assert 70 < sum(faded) < 130


def test_the_same_generator_gives_the_same_mixture() -> None:
    one, two = (mix(PICTURES, LABELS, Mixing(mixup=0.2, cutmix=1), seeded(5)) for _ in range(2))
    assert one.share == two.share
    assert torch.equal(one.pictures, two.pictures)


@pytest.mark.parametrize("settings", [Mixing(mixup=0.4), Mixing(cutmix=1.0)])
def test_borrowed_pictures_are_nobodys_partner(settings: Mixing) -> None:
    for seed in range(20):
        mixed = mix(PICTURES, LABELS, settings, seeded(seed), own=4)
        assert sorted(mixed.partners[:4].tolist()) == [0, 1, 2, 3]
        assert mixed.partners[4:].tolist() == [4, 5]
        torch.testing.assert_close(mixed.pictures[4:], PICTURES[4:])


def test_where_all_count_nothing_is_drawn_otherwise() -> None:
    one, other = (mix(PICTURES, LABELS, Mixing(mixup=0.4), seeded(3), own) for own in (None, 6))
    assert torch.equal(one.pictures, other.pictures)
