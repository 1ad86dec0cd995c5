"""How well objects are counted, where a class marks their centres."""

from collections.abc import Sequence

from incmask.insight.report.page import Block, Table, Text, decimal, number, percent, whole
from incmask.method.object_scores import ObjectMatch, object_scores

_NOTE = "Objects are told apart by centres and borders, in your labels as in the models', also where they touch."
WHAT_PQ_IS = (
    "PQ and AP50 pair a true and a found object where they share more than half of both together; PQ is the pairs' "
    "overlap by the mean of the numbers of both, AP50 the pairs by all that is true or found."
)
_MISSING = "Whether they are the same objects (PQ, AP50) takes `pip install 'incmask[objects]'` before a run."


def counting_blocks(matches: Sequence[ObjectMatch]) -> list[Block]:
    """Write how many objects were found where there were how many; nothing where none were looked for."""
    if not any(each.num_true or each.num_found for each in matches):
        return []
    scores = object_scores(matches)
    off = number(scores.relative_error, "" if scores.num_true == 0 else percent(scores.relative_error))
    sentence = (
        f"Counting: {scores.num_found:,} objects are found where you drew {scores.num_true:,}; an image's number is "
        f"off by {scores.absolute_error:.1f} on the mean."
    )
    rows = [
        ("objects that you drew", whole(scores.num_true)),
        ("objects found", whole(scores.num_found)),
        ("off by, mean of an image", number(scores.absolute_error, f"{scores.absolute_error:.2f}")),
        ("off by, of all objects", off),
        ("panoptic quality (PQ)", number(scores.pq, decimal(scores.pq))),
        ("AP50", number(scores.ap50, decimal(scores.ap50))),
    ]
    note = f"{_NOTE} {_MISSING if scores.pq != scores.pq and scores.num_true else WHAT_PQ_IS}"
    return [Text(sentence), Table("Objects counted", ("what", "value"), tuple(rows), note, name="objects")]
