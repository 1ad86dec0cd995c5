import pytest

from incmask.augment.ops import Strength
from incmask.profiles import PROFILES
from incmask.recipes import RECIPES

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
        learns_from_them = recipe.labeller is not None or recipe.objective == "consistency"
        assert (recipe.teachers is not None) == learns_from_them, name
        assert recipe.teachers is None or RECIPES[recipe.teachers].teachers is None, name
