import pytest
import torch

from cellcls.api.operations import Batch, Colour, Geometric
from cellcls.engine.pipeline import Pipeline
from cellcls.ops.draws import draws
from cellcls.ops.imaging.colour import brightness, contrast, from_uint8, hue, recolour
from cellcls.ops.imaging.geometry import compose, crop, quarter_turns, rotation, warp

HUE = Colour(draws=1, matrix=lambda drawn: hue(40 * drawn[:, 0]))
CONTRAST = Colour(draws=1, matrix=lambda drawn: contrast(0.8 + 0.2 * drawn[:, 0]))
ROTATE = Geometric(draws=1, matrix=lambda drawn: rotation(360 * drawn[:, 0]))
CROP = Geometric(draws=2, matrix=lambda drawn: crop(torch.full((len(drawn),), 0.8), drawn[:, 0], drawn[:, 1]))
INVERT = Batch(draws=0, apply=lambda images, targets, _: (1 - images, targets.flip(1)))
BRIGHT = Colour(draws=0, matrix=lambda drawn: brightness(torch.full((len(drawn),), 3.0)))


@pytest.fixture
def images():
    return torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2


@pytest.fixture
def targets():
    return torch.eye(8).repeat(5, 1)


def run(pipeline, images, targets, ids=None, **what):
    ids = torch.arange(len(images)) if ids is None else ids
    return pipeline(images, targets, **({"seed": 1, "epoch": 2} | what), sample_ids=ids)


def drawn(place, count, samples=40):
    """What the pipeline documents: the first draw of a place tells whether it acts, the others are its own."""
    return draws(1, 2, torch.arange(samples), place, 1 + count)[:, 1:]


def test_each_operation_gets_the_draws_of_its_place(images, targets):
    changed, _ = run(Pipeline([(1.0, HUE), (1.0, ROTATE)]), images, targets)
    oracle = warp(recolour(images, HUE.matrix(drawn(0, 1))), ROTATE.matrix(drawn(1, 1)))
    torch.testing.assert_close(changed, oracle, atol=1e-6, rtol=0)


def test_colours_compose_in_the_order_of_the_recipe_across_geometry(images, targets):
    changed, _ = run(Pipeline([(1.0, CONTRAST), (1.0, ROTATE), (1.0, HUE)]), images, targets)
    step = recolour(images, CONTRAST.matrix(drawn(0, 1)))
    step = warp(step, ROTATE.matrix(drawn(1, 1)))
    step = recolour(step, HUE.matrix(drawn(2, 1)))
    torch.testing.assert_close(changed, step, atol=1e-5, rtol=0)


def test_geometry_is_resampled_once(images, targets):
    changed, _ = run(Pipeline([(1.0, CROP), (1.0, HUE), (1.0, ROTATE)]), images, targets)
    matrices = compose(CROP.matrix(drawn(0, 2)), ROTATE.matrix(drawn(2, 1)))
    oracle = warp(recolour(images, HUE.matrix(drawn(1, 1))), matrices)
    torch.testing.assert_close(changed, oracle, atol=1e-5, rtol=0)
    there_and_back = [
        (1.0, Geometric(draws=0, matrix=lambda none, t=turns: quarter_turns(torch.full((len(none),), t))))
        for turns in (1, 3)
    ]
    torch.testing.assert_close(run(Pipeline(there_and_back), images, targets)[0], images, atol=1e-5, rtol=0)


def test_an_operation_acts_on_its_share_and_the_rest_passes_bit_by_bit(images, targets):
    for sort in (HUE, ROTATE, INVERT):
        changed, changed_targets = run(Pipeline([(0.3, sort)]), images, targets)
        acts = draws(1, 2, torch.arange(40), 0, 1)[:, 0] < 0.3
        assert 4 < acts.sum() < 20
        same = (changed == images).flatten(1).all(1)
        assert torch.equal(same, ~acts)
        if sort is INVERT:
            assert torch.equal(changed_targets[acts], targets[acts].flip(1))
        assert torch.equal(changed_targets[~acts], targets[~acts])


def test_p_zero_never_acts_and_no_operation_changes_nothing(images, targets):
    for steps in ([(0.0, HUE), (0.0, ROTATE), (0.0, INVERT)], []):
        changed, changed_targets = run(Pipeline(steps), images, targets)
        assert torch.equal(changed, images)
        assert torch.equal(changed_targets, targets)


FULL = Pipeline([(0.7, HUE), (0.5, ROTATE), (0.5, INVERT), (0.8, CROP), (1.0, CONTRAST), (0.3, INVERT)])


def test_a_sample_does_not_depend_on_its_batch(images, targets):
    whole, whole_targets = run(FULL, images, targets)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    for part in (order, order[:17], order[:1]):
        alone, alone_targets = run(FULL, images[part], targets[part], part)
        torch.testing.assert_close(alone, whole[part], atol=1e-6, rtol=0)
        assert torch.equal(alone_targets, whole_targets[part])


def test_another_seed_or_epoch_draws_anew_and_the_same_repeats(images, targets):
    first, _ = run(FULL, images, targets)
    assert torch.equal(first, run(FULL, images, targets)[0])
    for other in ({"seed": 9}, {"epoch": 9}):
        assert (first - run(FULL, images, targets, **other)[0]).abs().mean() > 0.05


def test_torchs_generator_is_neither_read_nor_moved(images, targets):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, _ = run(FULL, images, targets)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    assert torch.equal(run(FULL, images, targets)[0], first)


def test_values_are_clamped_at_the_end_and_before_a_batch_operation_only(images, targets):
    dark = Colour(draws=0, matrix=lambda none: brightness(torch.full((len(none),), 1 / 3)))
    back = run(Pipeline([(1.0, BRIGHT), (1.0, dark)]), images, targets)[0]
    torch.testing.assert_close(back, images, atol=1e-6, rtol=0)
    assert run(Pipeline([(1.0, BRIGHT)]), images, targets)[0].max() == 1
    seen = []

    def look(part, part_targets, _):
        seen.append(part.max())
        return part, part_targets

    run(Pipeline([(1.0, BRIGHT), (1.0, Batch(draws=0, apply=look))]), images, targets)
    assert seen == [1]


def test_what_was_given_stays_as_it_is(images, targets):
    for given in (images, images.to(memory_format=torch.channels_last)):
        before = given.clone()
        changed, _ = run(FULL, given, targets)
        assert torch.equal(given, before)
        assert changed.is_contiguous()


def test_bytes_and_floats_give_the_same(targets):
    bytes_ = torch.randint(0, 256, (40, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(run(FULL, bytes_, targets)[0], run(FULL, from_uint8(bytes_), targets)[0])


def test_zeros_padding_stays_black_whatever_the_order(images, targets):
    lift = Colour(draws=0, matrix=lambda none: contrast(torch.full((len(none),), 0.1)))
    turn = Geometric(draws=0, matrix=lambda none: rotation(torch.full((len(none),), 45.0)))
    for steps in ([(1.0, lift), (1.0, turn)], [(1.0, turn), (1.0, lift)]):
        assert run(Pipeline(steps, padding="zeros"), images, targets)[0][..., 0, 0].max() == 0
        assert run(Pipeline(steps), images, targets)[0].min() > 0.4
