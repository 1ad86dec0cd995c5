"""Named shapes that a tool gave back to labels; classes that the run does not know are told."""

from collections.abc import Mapping

from incmask.errors import Problem
from incmask.labels.formats import UNSURE
from incmask.labels.sheets import Known
from incmask.prepare.formats import Label, raise_problems
from incmask.prepare.formats.annotations import Annotated
from incmask.prepare.formats.polygons import IGNORED_CLASS, Drawing, Shape


def labels_of(images: Mapping[str, Annotated], known: Known) -> dict[str, Label]:
    """Give how the label of each image is made.

    Areas of the class ``UNSURE``, and those without a class, have no label.

    Raises:
        IncmaskError: areas of unknown classes.
    """
    names = [each.name for each in known.scheme.foreground]
    index_of: dict[str | None, int] = {name: index for index, name in enumerate(names)}
    index_of |= {UNSURE: IGNORED_CLASS, None: IGNORED_CLASS}
    problems: list[Problem] = []
    labels: dict[str, Label] = {}
    for name, item in images.items():
        strange = sorted({str(area.name) for area in item.areas if area.name not in index_of})
        if strange:
            what = f"{name} has areas of the class {', '.join(strange)}; the run knows {', '.join(names)} and {UNSURE}"
            problems.append(Problem(item.where, what, "give them one of these classes, or remove them"))
            continue
        shapes = tuple(Shape(index_of[area.name], area.area) for area in item.areas)
        labels[name] = Drawing(item.where, shapes, known.scheme.task, len(names), item.size)
    raise_problems(problems)
    return labels
