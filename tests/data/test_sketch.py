"""What a sketch tells of an image."""

import numpy as np
import pytest

from incmask.data.images.sketch import FEATURES, SIDE_PX, sketch_of
from scenes import blots, empty_field, scene


def features(image: np.ndarray, limits: tuple[float, float] | None = None) -> dict[str, float]:
    return dict(zip(FEATURES, sketch_of(np.atleast_3d(image), limits).features, strict=True))


def test_a_plain_colour_is_told_as_it_is():
    image = np.zeros((64, 16, 3), np.uint8) + np.array([200, 100, 30], np.uint8)
    told = features(image)
    assert told["brightness"] == pytest.approx(110)
    assert told["contrast"] == pytest.approx(0)
    assert told["colourfulness"] == pytest.approx(170)
    assert told["tint"] == pytest.approx(100)
    assert told["warmth"] == pytest.approx(120)
    assert told["size"] == pytest.approx(5)  # of a side of 32 pixels
    assert (sketch_of(image).grey == 110).all()
    assert sketch_of(image).grey.shape == (SIDE_PX, SIDE_PX)


def test_a_blurred_image_is_less_sharp_and_a_dim_one_as_sharp():
    import cv2

    image = scene(0)
    sharp, blurred = features(image)["sharpness"], features(cv2.GaussianBlur(image, (0, 0), 3))["sharpness"]
    assert blurred < sharp - 0.5
    assert features((image * 0.6).astype(np.uint8))["sharpness"] == pytest.approx(sharp, abs=0.15)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_deep_images_are_told_as_the_network_sees_them(dtype):
    image = scene(3, channels=1)
    deep = (image.astype(np.float64) * 100 + 5000).astype(dtype)
    of_bytes, of_deep = sketch_of(image[..., None]), sketch_of(deep[..., None], (5000, 5000 + 25500))
    assert np.abs(of_bytes.grey.astype(int) - of_deep.grey).max() <= 1
    assert of_deep.features == pytest.approx(of_bytes.features, abs=0.05)


def test_values_far_from_0_and_missing_ones_are_sketched():
    deep = 1e9 + scene(3, channels=1).astype(np.float64)
    deep[:4] = np.nan
    assert sketch_of(deep[..., None], (1e9, 1e9 + 255)).grey[10:].std() > 5


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (7, 1, 2), (5, 5, 6)])
def test_any_shape_is_sketched(shape):
    sketch = sketch_of(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    assert np.isfinite(sketch.features).all()


ids = np.kron([[0, 1], [2, 3]], np.ones((40, 40))).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "is_flat"),
    [
        (blots(0), True),
        (ids, True),
        (np.repeat(ids[..., None] * 60, 3, 2), True),
        (scene(0), False),
        (empty_field(0), False),
        (empty_field(0) // 6, False),  # few values, but single pixels
        (np.zeros((50, 50), np.uint8), False),
        (np.arange(200, dtype=np.uint8).repeat(3).reshape(20, 30), False),
    ],
    ids=["blots", "ids", "colours", "scene", "field", "dark field", "nothing", "many"],
)
def test_drawings_are_told_from_pictures(image, is_flat):
    assert sketch_of(np.atleast_3d(image)).is_flat is is_flat
