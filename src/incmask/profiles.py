"""Numbers that belong to a kind of images: how strongly they may be augmented (paper table 1)."""

from dataclasses import dataclass

from incmask.augment.ops import Strength


@dataclass(frozen=True)
class Profile:
    """Augmentation of one kind of images.

    Attributes:
        strengths: maxima for generations 1 to 5; later generations keep the last.
    """

    strengths: tuple[Strength, ...]

    def strength(self, generation: int) -> Strength:
        """Maxima for ``generation``, counted from 1."""
        return self.strengths[min(generation, len(self.strengths)) - 1]

    @property
    def strongest(self) -> Strength:
        """Maxima of the last generation, which the augmented copies of labelled images take."""
        return self.strengths[-1]


def _profile(
    *,
    blur: tuple[int, ...],
    contrast: tuple[float, ...],
    brightness: tuple[float, ...],
    free_rotation: bool,
    noise: tuple[int, ...] = (5, 10, 15, 20, 25),
) -> Profile:
    return Profile(
        tuple(
            Strength(max_blur_px=r, max_noise=n, contrast=a, brightness=b, free_rotation=free_rotation)
            for r, n, a, b in zip(blur, noise, contrast, brightness, strict=True)
        )
    )


_BLUR = (0, 1, 1, 2, 3)
_STRONG = (0.1, 0.2, 0.3, 0.4, 0.5), (5, 10, 15, 20, 25)
_MILD = (0.1, 0.1, 0.2, 0.2, 0.3), (3, 6, 9, 12, 15)

PROFILES: dict[str, Profile] = {
    "generic": _profile(blur=_BLUR, contrast=_MILD[0], brightness=_MILD[1], free_rotation=True),
    "upright": _profile(blur=_BLUR, contrast=_MILD[0], brightness=_MILD[1], free_rotation=False),
    "isic2018": _profile(blur=_BLUR, contrast=_STRONG[0], brightness=_STRONG[1], free_rotation=True),
    "hela": _profile(blur=_BLUR, contrast=_MILD[0], brightness=_MILD[1], free_rotation=True),
    "suim": _profile(blur=_BLUR, contrast=_STRONG[0], brightness=_STRONG[1], free_rotation=False),
    "cityscapes": _profile(blur=(0, 0, 0, 0, 1), contrast=_MILD[0], brightness=_MILD[1], free_rotation=False),
}
"""By name; ``generic`` suits images without an up and down, ``upright`` those with."""
