import torch

from cellcls.ops.imaging.erasing import aspects, erase


def test_a_rectangle_of_the_area_and_aspect_is_hidden_where_it_is_placed():
    images = torch.rand(2, 3, 40, 40)
    area, aspect = torch.tensor([0.1, 0.25]), torch.tensor([2.5, 1.0])  # 20 x 8 pixels, 20 x 20 pixels
    place, fill = torch.tensor([[0.0, 1.0], [0.5, 0.5]]), torch.tensor([[0.1, 0.2, 0.3], [1.0, 0.0, 0.0]])
    expected = images.clone()
    expected[0, :, 32:, :20] = fill[0, :, None, None]
    expected[1, :, 10:30, 10:30] = fill[1, :, None, None]
    assert torch.equal(erase(images, area, aspect, place, fill), expected)


def test_a_side_longer_than_the_image_is_cut():
    images = torch.zeros(1, 3, 10, 10)
    hidden = erase(images, torch.tensor([0.5]), torch.tensor([8.0]), torch.zeros(1, 2), torch.ones(1, 3))
    assert hidden[0, 0].sum(1).tolist() == [
        10.0,
        10,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]  # 2.5 high


def test_aspects_reach_from_the_reciprocal_to_the_limit():
    torch.testing.assert_close(aspects(torch.tensor([0.0, 0.5, 1.0]), 4.0), torch.tensor([0.25, 1.0, 4.0]))
