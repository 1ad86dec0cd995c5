import pytest

from incmask.method.augment import Strength
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES

STRONG, MILD = (0.1, 0.2, 0.3, 0.4, 0.5), (0.1, 0.1, 0.2, 0.2, 0.3)
OFTEN, RARELY = (0, 1, 1, 2, 3), (0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("name", "blur", "contrast", "brightness", "free_rotation"),
    [
        ("isic2018", OFTEN, STRONG, 5, True),
        ("hela", OFTEN, MILD, 3, True),
        ("suim", OFTEN, STRONG, 5, False),
        ("cityscapes", RARELY, MILD, 3, False),
        ("generic", OFTEN, MILD, 3, True),
        ("upright", OFTEN, MILD, 3, False),
    ],
)
def test_profiles_are_the_paper_s_table(name, blur, contrast, brightness, free_rotation):
    """Table 1; brightness and noise grow by equal steps."""
    profile = PROFILES[name]
    for generation in range(1, 6):
        assert profile.strength(generation) == Strength(
            max_blur_px=blur[generation - 1],
            max_noise=5 * generation,
            contrast=contrast[generation - 1],
            brightness=brightness * generation,
            free_rotation=free_rotation,
        )
    assert profile.strength(6) == profile.strength(50) == profile.strongest == profile.strength(5)
    assert set(PROFILES) == {"isic2018", "hela", "suim", "cityscapes", "generic", "upright"}


def test_recipes_name_recipes_as_their_teachers():
    for name, recipe in RECIPES.items():
        learns_from_them = recipe.labeller is not None or recipe.objective != "labels"
        assert (recipe.teachers is not None) == learns_from_them, name
        assert recipe.teachers is None or RECIPES[recipe.teachers].teachers is None, name


@pytest.mark.parametrize(
    ("name", "views", "evalnet", "band"),
    [
        ("isic2018", ((1, 10, 0.15, 10), (2, 17, 0.3, 17), (3, 25, 0.5, 25)), (3, 20, 0.4, 20), (0.72, 0.75)),
        ("hela", ((1, 10, 0.15, 10), (2, 17, 0.3, 17), (3, 25, 0.5, 25)), (1, 10, 0.2, 10), (0.59, 0.62)),
        ("suim", ((1, 10, 0.15, 10), (2, 17, 0.3, 17), (3, 25, 0.5, 25)), (1, 10, 0.2, 10), (0.43, 0.51)),
        ("cityscapes", ((0, 3, 0.05, 3), (0, 9, 0.2, 9), (1, 15, 0.4, 15)), (1, 10, 0.2, 10), (0.372, 0.453)),
        ("generic", ((1, 10, 0.15, 10), (2, 17, 0.3, 17), (3, 25, 0.5, 25)), (1, 10, 0.2, 10), None),
    ],
)
def test_views_ratings_and_bands_are_the_method_s(name, views, evalnet, band):
    """Section 2.4.3: low, mid and high; section 2.4.7; the scores of ALDT and FDT."""
    profile, turns = PROFILES[name], PROFILES[name].strength(1).free_rotation
    assert list(profile.consistency) == ["low", "mid", "high"]
    for strength, (blur, noise, contrast, brightness) in zip(profile.consistency.values(), views, strict=True):
        assert strength == Strength(blur, noise, contrast, brightness, free_rotation=turns)
    assert profile.evalnet == Strength(*evalnet, free_rotation=turns)
    assert profile.quality_band == band
    assert profile.moderate == profile.strength(3)
