import numpy as np
import pydantic
import pytest
import torch
from torch import Generator, Tensor

from alexnet.data.augment import (
    COLOUR_AXES,
    Augment,
    ColourNoise,
    add_colour_noise,
    augment,
    colour,
    colour_offsets,
    draw_bends,
    draw_maps,
    warp,
)
from alexnet.data.crops import cut
from alexnet.preprocess import GREY, Preprocess


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
    result = augment(batch, 4, Augment(flip=True), seeded())
    share = (result == batch.flip(3)).flatten(1).all(dim=1).float().mean()
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


def test_the_random_stream_of_the_recipes_before_is_the_same() -> None:
    """Numbers of version 0.1: a run with the same seed meets the same pictures."""
    settings = Augment(crop_area=(0.3, 0.9), flip=True, rotate=20, translate=0.1, zoom=0.2)
    generator = seeded()
    first = draw_maps(2, 100, 80, settings, generator)[0]
    wanted = torch.tensor([[-0.73065847, 0.02868998, -0.20306534], [0.02264123, 0.92585856, 0.07649756]])
    torch.testing.assert_close(first, wanted, rtol=0, atol=1e-5)
    before = generator.get_state()
    augment(stored(), 8, Augment(), generator)
    assert torch.equal(generator.get_state(), before), "the centre crop draws nothing"


def test_random_crops_are_places_too_where_pictures_are_turned() -> None:
    maps = draw_maps(500, 12, 9, Augment(crop="random", rotate=1e-6), seeded())
    batch = stored(500)
    torch.testing.assert_close(
        warp(batch, maps, 9), cut(batch, 9, seeded(), random=True, flip=False).float(), rtol=0, atol=0.1
    )


def test_torchvision_s_random_resized_crop_can_be_said() -> None:
    """Areas of 8 to 100 %, sides of 3/4 to 4/3, each evenly (of area, and of the ratio's logarithm)."""
    settings = Augment(crop_area=(0.08, 1.0), crop_ratio=(3 / 4, 4 / 3), flip=True)
    maps = draw_maps(20_000, 256, 224, settings, seeded())
    width, height = maps[:, 0, 0].abs(), maps[:, 1, 1]
    inside = (width < 1) & (height < 1)  # those that do not fit are clamped here, and drawn again there
    area, ratio = (width * height)[inside], (width / height)[inside].log()
    assert 0.0799 < float(area.min()) < 0.081
    small = area[area < 0.7]  # of these nothing is clamped
    assert float(small.mean()) == pytest.approx(0.39, abs=0.01)
    assert abs(float(ratio.mean())) < 0.01
    assert float(ratio.abs().max()) <= np.log(4 / 3) + 1e-5


# --- colour noise ----------------------------------------------------------------------------------------------------

READINGS: list[tuple[ColourNoise, tuple[float, float, float]]] = [
    ("cuda-convnet", (12.178006, 3.709389, 1.972083)),
    ("lighting", (5.54625, 0.4794, 0.11475)),
    ("paper", (5.815837, 0.539591, 0.152514)),
]
"""Standard deviations in levels along the three axes, grey first, at strength 0.1."""


@pytest.mark.parametrize(("reading", "wanted"), READINGS)
def test_colour_noise_has_its_source_s_standard_deviations(
    reading: ColourNoise, wanted: tuple[float, float, float]
) -> None:
    offsets = colour_offsets(100_000, Augment(colour_noise=0.1, colour_noise_reading=reading), seeded()).double()
    axes = torch.tensor(COLOUR_AXES[reading], dtype=torch.float64)[:, 1:]
    along = offsets @ axes.T
    for axis, deviation in enumerate(wanted):
        assert float(along[:, axis].std()) == pytest.approx(deviation, rel=0.01)
    assert along.mean(dim=0).abs().max() < 5 * wanted[0] / 100_000**0.5
    correlations = torch.corrcoef(along.T) - torch.eye(3, dtype=torch.float64)
    assert float(correlations.abs().max()) < 0.02, "a factor an axis"


def test_the_figures_that_people_know_the_readings_by() -> None:
    strengths = {reading: 0.1 * axes[0][0] for reading, axes in COLOUR_AXES.items()}
    assert strengths == pytest.approx({"cuda-convnet": 12.18, "lighting": 5.55, "paper": 5.8}, rel=0.004)
    assert 0.1 * COLOUR_AXES["cuda-convnet"][0][0] ** 2 == pytest.approx(1483, abs=0.5)


@pytest.mark.parametrize("reading", [reading for reading, _ in READINGS])
def test_the_axes_are_at_right_angles_and_grey_comes_first(reading: ColourNoise) -> None:
    axes = torch.tensor(COLOUR_AXES[reading], dtype=torch.float64)
    torch.testing.assert_close(axes[:, 1:] @ axes[:, 1:].T, torch.eye(3, dtype=torch.float64), rtol=0, atol=2e-3)
    assert list(axes[:, 0]) == sorted(axes[:, 0], reverse=True)
    assert float(axes[0, 1:].abs().min()) > 0.5


@pytest.mark.parametrize("reading", ["lighting", "paper"])
def test_colour_noise_moves_all_pixels_of_a_picture_alike_and_clamps_nothing(reading: ColourNoise) -> None:
    batch = stored(200)
    settings = Augment(colour_noise=2.0, colour_noise_reading=reading)
    result = augment(batch, 12, settings, seeded())
    offsets = colour_offsets(200, settings, seeded())
    torch.testing.assert_close(result, batch.float() + offsets.view(200, 3, 1, 1), rtol=0, atol=1e-3)
    assert float(result.min()) < 0
    assert float(result.max()) > 255
    assert len({tuple(offset) for offset in offsets.tolist()}) == 200


def test_cuda_convnet_s_noise_is_added_to_centred_pictures_then_all_is_divided_by_1_1() -> None:
    batch = stored(50)
    settings = Augment(colour_noise=0.1)
    mean = (0.5, 0.4, 0.3)
    centred = Preprocess(size=12, resize_to=12, mean=mean, std=(1 / 255,))
    result = centred.normalise(augment(batch, 12, settings, seeded(), mean))
    offsets = colour_offsets(50, settings, seeded()).view(50, 3, 1, 1)
    wanted = (batch.float() - 255 * torch.tensor(mean).view(1, 3, 1, 1) + offsets) / 1.1
    torch.testing.assert_close(result, wanted, rtol=0, atol=1e-3)


def test_grey_pictures_are_moved_by_the_grey_of_the_colour() -> None:
    """As if noise had come first and grey afterwards."""
    rgb = stored(20).float()
    weights = torch.tensor(GREY).view(1, 3, 1, 1)
    grey = (rgb * weights).sum(dim=1, keepdim=True)
    for reading in COLOUR_AXES:
        settings = Augment(colour_noise=0.1, colour_noise_reading=reading)
        after = (add_colour_noise(rgb, settings, seeded(), (0.5,)) * weights).sum(dim=1, keepdim=True)
        torch.testing.assert_close(add_colour_noise(grey, settings, seeded(), (0.5,)), after, rtol=0, atol=1e-2)


def test_no_colour_noise_draws_nothing() -> None:
    generator = seeded()
    before = generator.get_state()
    assert augment(stored(), 12, Augment(colour_noise_reading="paper"), generator).dtype == torch.uint8
    assert torch.equal(generator.get_state(), before)


def test_shifts_that_are_all_alike_move_the_picture_as_a_translation() -> None:
    batch, still = stored(4, 1, 12), torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(4, 2, 3)
    shift = torch.zeros(4, 2, 6, 6)
    shift[:, 0] = 2 * 2 / 12  # two pixels of twelve, to the right
    moved = warp(batch, still, 12, shift)
    torch.testing.assert_close(moved[..., :10], batch[..., 2:].float(), atol=1e-3, rtol=0)


def test_elastic_shifts_are_within_their_limit_and_smooth() -> None:
    settings = Augment(elastic=0.1)
    bends = draw_bends(500, settings, seeded())
    assert bends.abs().max() <= 0.2
    assert bends.abs().max() > 0.19
    ramp = torch.arange(28.0).expand(1, 1, 28, 28).repeat(50, 1, 1, 1)  # each value says its column
    bent = augment(ramp.to(torch.uint8), 28, settings, seeded())[:, :, 4:-4, 4:-4]
    columns = torch.arange(4.0, 24.0)
    assert (bent - columns).abs().max() < 2.8 * 1.3  # a cubic may overshoot its points a little
    assert (bent[:, :, 1:] - bent[:, :, :-1]).abs().max() < 2.5, "neighbours move together"
    assert (bent - columns).abs().mean() > 0.3, "and they do move"


def test_without_elastic_shifts_the_same_numbers_are_drawn_as_before() -> None:
    one, two = seeded(3), seeded(3)
    augment(stored(), 12, Augment(rotate=5), one)
    draw_maps(4, 12, 12, Augment(rotate=5), two)
    assert torch.equal(one.get_state(), two.get_state())


@pytest.mark.parametrize("shape", [(7, 1, 28, 28), (3, 3, 40, 40)])
def test_places_of_a_warp_are_those_of_pytorchs_own_grid(shape: tuple[int, int, int, int]) -> None:
    settings = Augment(crop_area=(0.3, 1.0), rotate=30, translate=0.1, zoom=0.2, flip=True)
    generator = Generator().manual_seed(0)
    stored = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    maps = draw_maps(shape[0], shape[-1], 24, settings, generator)
    grid = torch.nn.functional.affine_grid(maps, [*shape[:2], 24, 24], align_corners=False)
    expected = torch.nn.functional.grid_sample(stored.float(), grid, align_corners=False)
    assert torch.allclose(warp(stored, maps, 24), expected, atol=0.01)
