import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from incmask.data.images.tiles import Window, windows
from incmask.experiment.record.images import StackImage
from incmask.insight.ranking.features import RegionMeans, bottleneck, row_chunks, standardise
from incmask.nets.forward import CHUNK
from incmask.nets.spec import NetworkSpec


def test_the_bottleneck_is_what_the_decoder_is_given():
    network = NetworkSpec(3, 1, 0.125).build(seed=1).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    with torch.inference_mode():
        x = network.stem(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        for block in network.encoder:
            x = torch.nn.functional.max_pool2d(block(x), 2)
        expected = network.bottleneck(x).numpy()
    found = bottleneck(network, images, precision="float32")
    assert found.shape == (2, 16, 2, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_hook_stays_behind():
    network = NetworkSpec(1, 1, 0.125).build().eval()
    with pytest.raises(ValueError, match="multiples of 16"):
        bottleneck(network, np.zeros((1, 20, 20, 1), np.uint8), precision="float32")
    assert not network.get_submodule("bottleneck")._forward_hooks


@given(st.integers(8, 40), st.integers(8, 40), st.integers(5, 20))
def test_means_are_those_of_the_pixels(height, width, crop_px):
    generator = np.random.default_rng(height * width)
    image = StackImage("a", height, width, (), ())
    regions = image.regions(crop_px)
    means = RegionMeans(regions)
    totals, times = np.zeros((3, height + 16, width + 16)), np.zeros((height + 16, width + 16))
    for window in windows((height, width), (16, 16), overlap_fraction=0.25):
        grid = generator.random((3, 2, 2)).astype(np.float32)
        means.add(window, grid)
        inside = np.s_[window.top : window.top + 16, window.left : window.left + 16]
        totals[(slice(None), *inside)] += grid.repeat(8, 1).repeat(8, 2)
        times[inside] += 1
    expected = []
    for region in regions:
        inside = np.s_[region.top : region.top + region.height, region.left : region.left + region.width]
        expected.append(totals[(slice(None), *inside)].sum((1, 2)) / times[inside].sum())
    np.testing.assert_allclose(means.means(), expected, rtol=1e-4)


def test_rows_come_in_order_and_a_chunk_at_a_time():
    whole = Window(0, 0, 8, 8)
    images = [StackImage("a", 8, 8, (4, 5), (whole, whole)), *[StackImage("b", 8, 8, (9,), (whole,))] * CHUNK]
    chunks = list(row_chunks(images, num_outputs=1, shape=(40, 8, 8, 1)))
    assert [len(chunk) for chunk in chunks] == [CHUNK, 2]
    assert [(each.image, each.row) for each in chunks[0][:3]] == [(0, 4), (0, 5), (1, 9)]
    # A large image leaves room for fewer.
    assert len(next(row_chunks(images, num_outputs=4, shape=(40, 2048, 2048, 1)))) == 1


def test_standardised_features_have_the_same_variance_in_each_dimension():
    generator = np.random.default_rng(0)
    first, second = generator.normal(5, 3, (40, 6)) * np.arange(6), generator.normal(5, 3, (60, 6)) * np.arange(6)
    a, b = standardise(first, second)
    assert (a.shape, b.shape) == ((40, 6), (60, 6))
    np.testing.assert_allclose(np.concatenate([a, b]).var(0)[1:], 1 / 6, rtol=1e-4)
    # The first one is constant.
    assert not a[:, 0].any()
