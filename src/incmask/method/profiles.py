"""Numbers that belong to a kind of images: how strongly they may be augmented (paper table 1), what is good."""

from dataclasses import dataclass, replace
from typing import Literal

from incmask.method.augment import Strength


@dataclass(frozen=True)
class Profile:
    """What is known of one kind of images.

    Attributes:
        strengths: maxima for generations 1 to 5; later generations keep the last.
        consistency: maxima for the two views of the consistency loss: "low", "mid", "high" (section 2.4.3).
        evalnet: maxima for half of the pairs that EvalNets for blocked pairs learn from.
        quality_band: scores of ALDT and FDT, between which a pair's copies go from 1 to 5, and of which the upper one
            is what EvalNet accepts (sections 2.4.5 and 2.4.8); None: not known. Those of the paper's data sets rest on
            all true masks, from which FDT learns.
    """

    strengths: tuple[Strength, ...]
    consistency: dict[str, Strength]
    evalnet: Strength
    quality_band: tuple[float, float] | None = None

    def strength(self, generation: int) -> Strength:
        """Maxima for ``generation``, counted from 1.

        Examples:
            >>> [PROFILES["hela"].strength(generation).max_noise for generation in (1, 5, 9)]
            [5, 25, 25]
        """
        return self.strengths[min(generation, len(self.strengths)) - 1]

    def geometry_alone(self) -> "Profile":
        """Give the same without changes of intensity, which labels would have to follow.

        Examples:
            >>> PROFILES["upright"].geometry_alone().strongest
            Strength(max_blur_px=0, max_noise=0, contrast=0.0, brightness=0.0, free_rotation=False)
        """
        return replace(self, strengths=tuple(Strength(free_rotation=each.free_rotation) for each in self.strengths))

    @property
    def strongest(self) -> Strength:
        """Maxima of the last generation, which the augmented copies of labelled images take."""
        return self.strengths[-1]

    @property
    def moderate(self) -> Strength:
        """Maxima of generation 3, which the views of an input ensemble take (section 2.4.2)."""
        return self.strength(3)


def rests_on_full_truth(band: tuple[float, float]) -> bool:
    """Tell whether a quality band is one of the paper's, which nobody knows without the true masks of all images.

    Examples:
        >>> rests_on_full_truth((0.72, 0.75)), rests_on_full_truth((0.6, 0.8))
        (True, False)
    """
    return any(profile.quality_band == band for profile in PROFILES.values())


_NOISE = (5, 10, 15, 20, 25)
_VIEWS = (Strength(1, 10, 0.15, 10), Strength(2, 17, 0.3, 17), Strength(3, 25, 0.5, 25))
_MILD_VIEWS = (Strength(0, 3, 0.05, 3), Strength(0, 9, 0.2, 9), Strength(1, 15, 0.4, 15))


def _profile(
    *,
    free_rotation: bool,
    blur: tuple[int, ...] = (0, 1, 1, 2, 3),
    contrast: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2, 0.3),
    brightness: tuple[float, ...] = (3, 6, 9, 12, 15),
    views: tuple[Strength, ...] = _VIEWS,
    evalnet: Strength = Strength(1, 10, 0.2, 10),  # noqa: B008 - a frozen value
    quality_band: tuple[float, float] | None = None,
) -> Profile:
    return Profile(
        strengths=tuple(
            Strength(max_blur_px=r, max_noise=n, contrast=a, brightness=b, free_rotation=free_rotation)
            for r, n, a, b in zip(blur, _NOISE, contrast, brightness, strict=True)
        ),
        consistency={
            name: replace(strength, free_rotation=free_rotation)
            for name, strength in zip(("low", "mid", "high"), views, strict=True)
        },
        evalnet=replace(evalnet, free_rotation=free_rotation),
        quality_band=quality_band,
    )


_STRONG_CONTRAST, _STRONG_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5), (5, 10, 15, 20, 25)

ProfileName = Literal["generic", "upright", "isic2018", "hela", "suim", "cityscapes"]

PROFILES: dict[str, Profile] = {
    "generic": _profile(free_rotation=True),
    "upright": _profile(free_rotation=False),
    "isic2018": _profile(
        free_rotation=True,
        contrast=_STRONG_CONTRAST,
        brightness=_STRONG_BRIGHTNESS,
        evalnet=Strength(3, 20, 0.4, 20),
        quality_band=(0.72, 0.75),
    ),
    "hela": _profile(free_rotation=True, quality_band=(0.59, 0.62)),
    "suim": _profile(
        free_rotation=False,
        contrast=_STRONG_CONTRAST,
        brightness=_STRONG_BRIGHTNESS,
        quality_band=(0.43, 0.51),
    ),
    "cityscapes": _profile(free_rotation=False, blur=(0, 0, 0, 0, 1), views=_MILD_VIEWS, quality_band=(0.372, 0.453)),
}
"""By name; ``generic`` suits images without an up and down, ``upright`` those with."""
