import numpy as np
import pydantic
import pytest
import torch
from torch import Generator, Tensor

from alexnet.data.augment import Augment, augment, colour, draw_maps, flip, warp
from alexnet.preprocess import GREY


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def stored(count: int = 4, channels: int = 3, side: int = 12) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(99))


EVERYTHING = Augment(
    crop_area=(0.3, 0.9), flip=True, rotate=20, translate=0.1, zoom=0.2, brightness=0.4, contrast=0.4, saturation=0.4
)


@pytest.mark.parametrize("size", [12, 9, 8])
def test_settings_that_change_nothing_give_the_centre_crop_exactly(size: int) -> None:
    batch = stored()
    margin = (12 - size) // 2
    result = augment(batch, size, Augment(), seeded())
    assert result.dtype == torch.uint8
    assert torch.equal(result, batch[:, :, margin : margin + size, margin : margin + size])


def test_flips_alone_stay_exact() -> None:
    batch = stored(200)
    result = augment(batch, 12, Augment(flip=True), seeded())
    assert result.dtype == torch.uint8
    kept = (result == batch).flatten(1).all(dim=1)
    mirrored = (result == batch.flip(3)).flatten(1).all(dim=1)
    assert (kept ^ mirrored).all()


def test_about_half_are_mirrored() -> None:
    batch = stored(1, 1, 4).expand(4000, 1, 4, 4)
    share = (flip(batch, seeded()) == batch.flip(3)).flatten(1).all(dim=1).float().mean()
    assert abs(float(share) - 0.5) < 0.04  # five standard deviations
    maps = draw_maps(4000, 4, 4, Augment(flip=True), seeded())
    assert abs(float((maps[:, 0, 0] < 0).float().mean()) - 0.5) < 0.04


def test_the_same_generator_gives_the_same_pictures() -> None:
    batch = stored()
    one, same, other = (augment(batch, 8, EVERYTHING, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_global_generator_is_neither_used_nor_moved() -> None:
    before = torch.get_rng_state()
    one = augment(stored(), 8, EVERYTHING, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1234)
    assert torch.equal(augment(stored(), 8, EVERYTHING, seeded()), one)


def test_the_stored_pictures_stay_as_they_were() -> None:
    batch = stored()
    augment(batch, 12, EVERYTHING, seeded())
    augment(batch, 12, Augment(brightness=0.5), seeded())
    assert torch.equal(batch, stored())


def test_warping_by_the_identity_gives_the_pictures_back() -> None:
    batch = stored()
    identity = torch.eye(2, 3).expand(4, 2, 3)
    torch.testing.assert_close(warp(batch, identity, 12), batch.float(), rtol=0, atol=0.01)


def test_warping_by_a_mirror_and_by_half_turns_is_exact() -> None:
    batch = stored()
    mirror = torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).expand(4, 2, 3)
    turned = torch.tensor([[-1.0, 0, 0], [0, -1, 0]]).expand(4, 2, 3)
    torch.testing.assert_close(warp(batch, mirror, 12), batch.float().flip(3), rtol=0, atol=0.01)
    torch.testing.assert_close(warp(batch, turned, 12), batch.float().flip(2, 3), rtol=0, atol=0.01)


def test_warping_beyond_the_border_gives_black() -> None:
    away = torch.tensor([[1.0, 0, 3], [0, 1, 0]]).expand(4, 2, 3)
    assert (warp(stored(), away, 12) == 0).all()


def test_settings_that_move_nothing_draw_the_centre_crop() -> None:
    maps = draw_maps(3, 12, 9, Augment(), seeded())
    torch.testing.assert_close(maps, torch.tensor([[0.75, 0, 0], [0, 0.75, 0]]).expand(3, 2, 3))


def test_random_crops_lie_within_the_picture_and_keep_their_share() -> None:
    settings = Augment(crop_area=(0.25, 0.6), crop_ratio=(0.75, 4 / 3))
    maps = draw_maps(5000, 100, 80, settings, seeded())
    half_width, half_height, x, y = maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 2], maps[:, 1, 2]
    assert (x.abs() + half_width <= 1 + 1e-5).all()
    assert (y.abs() + half_height <= 1 + 1e-5).all()
    area, ratio = half_width * half_height, half_width / half_height
    assert 0.25 - 1e-5 <= float(area.min()) < 0.26
    assert 0.59 < float(area.max()) <= 0.6 + 1e-5
    assert 0.75 - 1e-5 <= float(ratio.min()) < 0.77
    assert 1.31 < float(ratio.max()) <= 4 / 3 + 1e-5
    assert maps[:, 0, 1].abs().max() == 0  # nothing is turned
    # of a picture that is white everywhere, nothing black is seen
    white = torch.full((500, 1, 16, 16), 255, dtype=torch.uint8)
    inner = augment(white, 16, settings, seeded())[:, :, 1:-1, 1:-1]
    assert float(inner.min()) > 254.9


def test_crops_of_nearly_everything_are_clamped_to_the_picture() -> None:
    maps = draw_maps(2000, 100, 80, Augment(crop_area=(0.95, 1.0), crop_ratio=(0.5, 2.0)), seeded())
    assert float(maps[:, 0, 0].max()) <= 1
    assert float(maps[:, 1, 1].max()) <= 1


def test_turns_and_enlargements_stay_within_their_bounds() -> None:
    maps = draw_maps(5000, 12, 12, Augment(rotate=30, zoom=0.2), seeded())
    angle = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    scale = maps[:, :, 0].norm(dim=1)
    assert 29 < float(angle.max()) <= 30.001
    assert -30.001 <= float(angle.min()) < -29
    assert 1 / 1.2 - 1e-5 <= float(scale.min()) < 0.84
    assert 1.24 < float(scale.max()) <= 1 / 0.8 + 1e-5


def test_shifts_are_shares_of_the_side() -> None:
    maps = draw_maps(5000, 12, 12, Augment(translate=0.1), seeded())
    for axis in (0, 1):
        assert 0.19 < float(maps[:, axis, 2].abs().max()) <= 0.2 + 1e-6


def test_a_quarter_turn_turns_the_picture() -> None:
    batch = stored(1)
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0]])[None]
    torch.testing.assert_close(warp(batch, quarter, 12), batch.float().rot90(1, (2, 3)), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    "settings", [Augment(brightness=0.9), Augment(contrast=0.9), Augment(saturation=0.9), EVERYTHING]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_values_stay_between_0_and_255(settings: Augment, channels: int) -> None:
    result = augment(stored(200, channels), 12, settings, seeded())
    assert result.dtype == torch.float32
    assert float(result.min()) >= 0
    assert float(result.max()) <= 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [12, 8])
def test_every_setting_gives_pictures_of_the_size_asked_for(channels: int, size: int) -> None:
    for settings in (Augment(), Augment(flip=True), Augment(rotate=5), Augment(brightness=0.2), EVERYTHING):
        assert augment(stored(5, channels), size, settings, seeded()).shape == (5, channels, size, size)


def test_brightness_multiplies_each_picture_by_its_own_factor() -> None:
    batch = torch.full((3000, 3, 2, 2), 100.0)
    result = colour(batch, Augment(brightness=0.3), seeded())
    factors = result[:, 0, 0, 0] / 100
    assert 0.7 - 1e-5 <= float(factors.min()) < 0.71
    assert 1.29 < float(factors.max()) <= 1.3 + 1e-5
    torch.testing.assert_close(result, factors.view(-1, 1, 1, 1) * batch)


def test_contrast_keeps_each_picture_s_mean() -> None:
    batch = 100 + 40 * torch.rand(50, 3, 8, 8, generator=seeded())
    result = colour(batch, Augment(contrast=0.5), seeded(1))
    torch.testing.assert_close(result.mean(dim=(1, 2, 3)), batch.mean(dim=(1, 2, 3)), rtol=0, atol=1e-2)
    strength = result.std(dim=(1, 2, 3)) / batch.std(dim=(1, 2, 3))
    assert 0.5 - 1e-3 <= float(strength.min()) < 0.6
    assert 1.4 < float(strength.max()) <= 1.5 + 1e-3


def test_saturation_keeps_the_grey_and_leaves_grey_pictures_alone() -> None:
    batch = 100 + 40 * torch.rand(50, 3, 8, 8, generator=seeded())
    result = colour(batch, Augment(saturation=0.5), seeded(1))
    weights = torch.tensor(GREY).view(1, 3, 1, 1)
    torch.testing.assert_close((result * weights).sum(1), (batch * weights).sum(1), rtol=0, atol=1e-2)
    assert not torch.allclose(result, batch, atol=1)
    grey = stored(5, 1).float()
    assert torch.equal(colour(grey, Augment(saturation=0.5), seeded()), grey)


def test_colour_draws_the_same_numbers_for_grey_as_for_rgb() -> None:
    grey = stored(5, 1).float() / 4 + 60
    settings = Augment(brightness=0.2)
    torch.testing.assert_close(
        colour(grey, settings, seeded()).expand(-1, 3, -1, -1), colour(grey.expand(-1, 3, -1, -1), settings, seeded())
    )


@pytest.mark.parametrize("field", ["brightness", "contrast", "saturation", "zoom", "translate", "rotate"])
@pytest.mark.parametrize("value", [-0.1, 200.0, float("nan")])
def test_strengths_out_of_range_are_refused(field: str, value: float) -> None:
    with pytest.raises(pydantic.ValidationError):
        Augment.model_validate({field: value})


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(pydantic.ValidationError):
        Augment.model_validate({"flipp": True})


def test_maps_are_float32_on_the_cpu() -> None:
    maps = draw_maps(2, 12, 8, EVERYTHING, seeded())
    assert maps.dtype == torch.float32
    assert maps.shape == (2, 2, 3)
    assert maps.device.type == "cpu"
    assert np.isfinite(maps.numpy()).all()
