"""What was given to a function of Python, put together as the rest wants it."""

from collections.abc import Mapping

from incmask.api.listening import AnyPath
from incmask.experiment.choices import given


def single_settings(
    single: Mapping[str, object] | None,
    net: str | None,
    encoder_weights: AnyPath | None,
    **others: object,
) -> dict[str, object] | None:
    """Put those with arguments of their own to the single settings; None: nobody named any."""
    weights = str(encoder_weights) if encoder_weights else None
    own = given(net=net, encoder_weights=weights, **others)
    return {**(single or {}), **own} or None
