from statistics import fmean

import pytest

from cellcls.ops.imaging.corruptions.baselines import ALEXNET, ALEXNET_CLEAN, relative_balanced_error

PUBLISHED = {
    "defocus": 22.4,
    "stain_deposit": 18.5,
    "motion": 18.5,
    "jpeg": 14.0,
    "bubble": 12.9,
    "contrast_down": 8.0,
    "brightness_down": 7.9,
    "brightness_up": 6.9,
    "pixelate": 6.0,
    "contrast_up": 5.2,
    "saturate": 3.5,
}
"""AlexNet's balanced errors on MedMNIST-C's blood cells in percent, to one decimal."""


def test_published_figures_are_the_published_ones():
    assert {name: round(100 * error, 1) for name, error in ALEXNET.items()} == PUBLISHED
    assert 100 * fmean(ALEXNET.values()) == pytest.approx(11.25, abs=0.01)
    assert round(100 * ALEXNET_CLEAN, 2) == 1.84


@pytest.mark.parametrize("corruption", ALEXNET)
def test_alexnet_itself_has_100_percent_and_the_clean_error_none(corruption):
    assert relative_balanced_error(corruption, [ALEXNET[corruption]] * 5, ALEXNET_CLEAN) == pytest.approx(100)
    assert relative_balanced_error(corruption, [0.01] * 5, 0.01) == pytest.approx(0)


def test_errors_are_averaged_over_the_severities():
    error = relative_balanced_error("jpeg", [0.02, 0.04, 0.06, 0.08, 0.10], 0.01)
    assert error == pytest.approx(100 * (0.06 - 0.01) / (0.13976 - 0.01837))


def test_a_corruption_without_figures_is_refused():
    with pytest.raises(KeyError):
        relative_balanced_error("competition", [0.1], 0.1)
