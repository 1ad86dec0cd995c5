"""The approaches as values (paper sections 2.3 and 2.4)."""

from dataclasses import replace
from typing import Literal

from incmask.method.recipe import BestCandidate, Blocking, EvalNets, Online, Recipe, Vote

_MODEL_ENSEMBLE = Recipe("model ensemble", teachers="ldt", labeller=Vote(soft=True))
_NOISY_STUDENT = Recipe(
    "noisy student", teachers="ldt", labeller=Vote(teachers="best"), augment="growing", width="growing"
)
_IM = Recipe("inconsistency masks", teachers="ldt", labeller=Vote(), blocking=Blocking())
_IM_PLUS = replace(_IM, title="inconsistency masks, growing", augment="growing", width="growing")
_IM_PLUS_PLUS = replace(
    _IM_PLUS,
    title="inconsistency masks, growing, weighted by quality",
    copies="by_quality",
    evalnets=EvalNets(("ldt",), blocked=True),
)
_AIM_PLUS = replace(
    _IM_PLUS,
    title="augmented inconsistency masks, growing",
    teachers="aldt",
    labelled="augmented",
    keep_plain=True,
)
_MEAN_TEACHER = Recipe("mean teacher", teachers="ldt", objective="online", online=Online("own"))
_FIXMATCH = replace(_MEAN_TEACHER, title="weak to strong, where certain", online=Online("own", confidence=0.95))
_LEFT_OUT = Blocking(in_loss=False)

# A line each would be long; editors offer these.
# fmt: off
RecipeName = Literal[
    "ldt", "strong-ldt", "aldt", "fdt", "me", "ie", "cl", "ns", "evalnet", "im", "im+", "im++", "aim+", "aim++",
    "gt-im++", "im-online", "mt", "cps", "fixmatch", "fixmatch+im",
]
# fmt: on

RECIPES: dict[str, Recipe] = {
    "ldt": Recipe("labelled images alone"),
    "strong-ldt": Recipe("labelled images alone, trained as well as we can", labelled="strong"),
    "aldt": Recipe("labelled images with augmented copies", labelled="augmented"),
    "fdt": Recipe("all images with their true masks", labelled="full"),
    "me": _MODEL_ENSEMBLE,
    "ie": Recipe("input ensemble", teachers="ldt", labeller=Vote(teachers="best", views="several", soft=True)),
    "cl": Recipe("consistency loss", teachers="ldt", objective="consistency"),
    "ns": _NOISY_STUDENT,
    "evalnet": Recipe(
        "best candidate by EvalNets", teachers="ldt", labeller=BestCandidate(), evalnets=EvalNets(("ldt", "aldt"))
    ),
    "im": _IM,
    "im+": _IM_PLUS,
    "im++": _IM_PLUS_PLUS,
    "aim+": _AIM_PLUS,
    "aim++": replace(
        _AIM_PLUS,
        title="augmented inconsistency masks, growing, weighted by quality",
        copies="by_quality",
        evalnets=EvalNets(("aldt",), blocked=True),
    ),
    "gt-im++": replace(
        _IM_PLUS_PLUS,
        title="inconsistency masks, growing, weighted by true quality",
        copies="by_true_quality",
        evalnets=None,
    ),
    "im-online": replace(_MEAN_TEACHER, title="inconsistency masks, online", online=Online("team"), blocking=_LEFT_OUT),
    "mt": _MEAN_TEACHER,
    "cps": replace(_MEAN_TEACHER, title="cross pseudo supervision", online=Online("other")),
    "fixmatch": _FIXMATCH,
    "fixmatch+im": replace(_FIXMATCH, title="weak to strong, where certain and agreed", blocking=_LEFT_OUT),
}
"""The approaches by name."""

DEFAULT_RECIPE = "im"
"""What is trained where nobody names another."""
