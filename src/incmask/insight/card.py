"""The model card: what a model is for, what it was made from, how good it is and what its limits are."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from incmask.base.errors import fail
from incmask.base.tables import markdown_table
from incmask.base.words import counted
from incmask.experiment.record.model import ModelRecord, read_model
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.scores import ScoreRow
from incmask.experiment.setup import BASE
from incmask.insight.report.differences import LEAST_SUBJECTS, ratio_over_subjects
from incmask.insight.report.run_page.stored import read_verdict
from incmask.method.scoring import scoring_of
from incmask.nets.spec import EncoderSpec

_FEW_IMAGES = 30
_NAMED_VERSIONS = ("incmask", "torch", "numpy")
_PARTS = {
    "labelled": "trained on, with masks",
    "unlabelled": "trained on, without masks",
    "val": "chose the models",
    "test": "read once, at the end",
}
_TASKS = {
    "binary": "one class against the background",
    "multilabel": "classes that may overlap",
    "multiclass": "one class a pixel",
    "denoise": "what an image or a signal is without its noise",
    "depth": "how far away each pixel is",
}
_VALIDATION = """## Validation on your own images

Scores hold for images like those above. Before use on others, label 20 or more of them by hand, put them into `test/` \
of a data folder and compare; look first at the images of greatest disagreement."""
_LICENCE = """## Licence

**Not stated.** Whoever passes this model on puts a licence here. The licences of the images that it was trained on \
may set limits to it."""
_USE = """## Use

```sh
incmask predict MODEL IMAGES -o OUT               # masks and disagreement for a folder of images
incmask export MODEL --to onnx -o model.onnx      # for other programs; or torch, bioimageio
```

```python
import incmask

model = incmask.load("MODEL")
for prediction in model.predict(images):  # (H, W) or (H, W, channels) each
    prediction.label, prediction.disagreement, prediction.probability
```

An exported model takes `image`, uint8 (N, H, W, channels), and gives `label`, `disagreement` and `probability` \
(N, classes, H, W)."""


def model_card(folder: Path) -> str:
    """Write the card of a run's model, as Markdown, from the records of the run folder.

    Args:
        folder: run folder, or its model folder; of a model folder without its run, the card says less.

    Raises:
        IncmaskError: there is no model, or a record is damaged.
    """
    facts = read_model(folder)
    try:
        sections = (_purpose(facts), _data(facts), _training(facts), _scores(facts), _VALIDATION, _limits(facts))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise fail(folder, f"has a damaged record ({error!r})", "restore it or run again") from error
    return (
        "\n\n".join([f"# Model card: {_plain(facts.name)}", *filter(None, sections), _licence(facts), _use(facts)])
        + "\n"
    )


def _use(facts: ModelRecord) -> str:
    if not facts.about.get("values"):
        return _USE
    words = {
        "masks and disagreement for": "predictions/, float32 TIFF, and disagreement/ for",
        "; or torch, bioimageio": "; or torch",
        "prediction.disagreement, prediction.probability": "prediction.disagreement",
        "`label`, `disagreement` and `probability` (N, classes, H, W)": "`label`, `disagreement` and `probability` "
        "(N, 1, H, W), here the label scaled to 0 to 1 over the range above",
    }
    text = _USE
    for usual, own in words.items():
        text = text.replace(usual, own)
    return text


def _licence(facts: ModelRecord) -> str:
    network = facts.network
    if not (isinstance(network, EncoderSpec) and network.licence):
        return _LICENCE
    return (
        f"{_LICENCE}\n\nThe encoder (`{network.net}`) began with weights of others: {_plain(network.origin)}. Their "
        f"licence: {_plain(network.licence)}. Keep to it, and name them, where you pass this model on."
    )


def _purpose(facts: ModelRecord) -> str:
    about = facts.about
    height, width = about["size"]
    fit = (
        f"scaled to {width}×{height} pixels inside, and the result back to the image's own size"
        if about["fit"] == "resize"
        else f"taken at their own resolution, in overlapping tiles of {width}×{height} pixels"
    )
    if values := about.get("values"):
        target, channels = values["target"], about["channels"]
        return _section(
            "What it is for",
            f"It predicts a number for each pixel of images of {channels} channel{'s' * (channels > 1)}: "
            f"{_TASKS[about['task']]}. With it comes the standard deviation of its members, in the same unit, which "
            "tells where not to trust it.",
            f"Its labelled targets went from {target['low']:g} to {target['high']:g}; beyond that nothing was learnt. "
            f"Images of any size are {fit}. {_intensity(about)}",
        )
    if volumes := about.get("volumes"):
        spacing, patch = ("×".join(f"{each:g}" for each in volumes[name]) for name in ("spacing", "patch"))
        fit = (
            f"volumes, brought to a spacing of {spacing} (slices, rows, columns), taken in overlapping patches of "
            f"{patch} voxels, and the result brought back to the volume's own grid"
        )
    rows = [(_plain(each["name"]), _code(each["value"]), _code(each["colour"])) for each in about["classes"]]
    return _section(
        "What it is for",
        f"It segments images of {about['channels']} channel{'s' * (about['channels'] > 1)}: {_TASKS[about['task']]}. "
        "For each pixel it gives the label, the probability of each class, and the share of its members that are off "
        "the majority, which tells where not to trust it.",
        f"Images of any size are {fit}. {_intensity(about)}",
        markdown_table(("class", "value or folder in the masks", "colour"), rows),
    )


def _intensity(about: Mapping[str, Any]) -> str:
    if about.get("intensity"):
        low, high = about["intensity"]
        return f"8-bit images are taken as they are; of others, intensity {low:g} becomes 0 and {high:g} becomes 255."
    return (
        "8-bit images are taken as they are; of others, the 0.1 percentile of each image becomes 0 and the 99.9 "
        "percentile 255."
    )


def _data(facts: ModelRecord) -> str:
    if facts.run is None:
        return ""
    parts = facts.run.data["parts"]
    # Base models have not learnt from them, unless from their true masks.
    recipe = facts.run.recipe
    is_apart = facts.stage == BASE and not (recipe and recipe.labelled == "full")
    uses = _PARTS | ({"unlabelled": "labelled by the models, not trained on"} if is_apart else {})
    rows = [
        (part, str(len(items)), _sizes({(item["size"][0], item["size"][1]) for item in items.values()}), uses[part])
        for part, items in parts.items()
        if items
    ]
    return _section("Data", markdown_table(("part", "images", "pixels (width×height)", "use"), rows))


def _sizes(sizes: Collection[tuple[int, int]]) -> str:
    heights, widths = zip(*sizes, strict=True)
    low_height, low_width, high_height, high_width = min(heights), min(widths), max(heights), max(widths)
    low, high = f"{low_width}×{low_height}", f"{high_width}×{high_height}"
    return low if low == high else f"{low} to {high}"


def _training(facts: ModelRecord) -> str:
    if facts.run is None:
        return ""
    names, recipe, settings = facts.run.names, facts.run.recipe, facts.run.settings
    lines = [
        f"Recipe `{names['recipe']}` ({recipe.title})" if recipe else f"Recipe {_code(names['recipe'])}",
        f"preset {_code(names['preset'])}, effort {_code(names['effort'])}, profile {_code(names['profile'])}",
        f"networks of {_code(settings.networks)}, seed {settings.seed}",
        f"members that predict together: {len(facts.about['members'])}, of the stage {_code(facts.stage)}",
    ]
    if versions := facts.run.versions:
        used = (f"{name} {versions[name]}" for name in _NAMED_VERSIONS if name in versions)
        lines.append(f"made with {', '.join(used)}")
    return _section("Training", f"{'; '.join(lines)}. All settings are in `run.toml` of the run folder.")


def _scores(facts: ModelRecord) -> str:
    # The model carries the name of its score.
    score_name, chosen_on = next(
        (each for each in facts.about.get("validation", {}).items() if each[0] != "stage"), ("score", None)
    )
    rows = []
    for stage in dict.fromkeys([*(row.stage for row in (facts.run.scores if facts.run else ())), facts.stage]):
        validation, test = _score(facts, stage, "val"), _score(facts, stage, "test")
        # Cross-validated models have no common validation images, but a score all the same.
        validation = chosen_on if validation is None and stage == facts.stage else validation
        if validation is not None or test is not None:
            name = f"{_plain(stage)}, **handed over**" if stage == facts.stage else _plain(stage)
            rows.append((name, _number(validation), _number(test), _interval(facts, stage)))
    if not rows:
        return ""
    row = _row(facts, facts.stage, "test") or _row(facts, facts.stage, "val")
    details = row.details if row else {}
    by_class = [(_plain(name[4:]), f"{value:.3f}") for name, value in details.items() if name.startswith("iou/")]
    note = scoring_of(facts.run.settings, facts.about["task"]).note if facts.run else ""
    of_classes = ("IoU by class, over the images in whose score it counts:", markdown_table(("class", "IoU"), by_class))
    return _section(
        "Scores",
        f"{score_name} of the members together, mean over images, 1 being perfect. `base` has not seen the unlabelled "
        "images. The interval tells what other test images may change for these models; another training changes more. "
        f"Fewer than {LEAST_SUBJECTS} images or subjects carry none.",
        *([note] if note else ()),
        markdown_table(("stage", "validation", "test", "95 % interval"), rows),
        *(of_classes if by_class else ()),
        *_verdict(facts),
    )


def _verdict(facts: ModelRecord) -> tuple[str, ...]:
    """Quote what was found of the unlabelled images."""
    found = read_verdict(facts.run.root) if facts.run else None
    return (_plain(f"{found.answer} {found.means}"),) if found and found.pairs else ()


def _row(facts: ModelRecord, stage: str, split: str) -> ScoreRow | None:
    return facts.run.score_of(stage, ENSEMBLE, split) if facts.run else None


def _score(facts: ModelRecord, stage: str, split: str) -> float | None:
    row = _row(facts, stage, split)
    return None if row is None else row.score


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(facts: ModelRecord, stage: str) -> str:
    scores = facts.run.image_scores if facts.run else None
    values = scores.scores.get(f"{stage}/{ENSEMBLE}") if scores else None
    if facts.run is None or scores is None or not values:
        return ""
    groups = facts.run.groups("test")
    subjects = [groups.get(name, name) for name in scores.names]
    found = ratio_over_subjects(values, np.ones(len(values)), subjects)
    low, high = found.interval
    return "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def _limits(facts: ModelRecord) -> str:
    lines = [
        "It knows images like those it was trained on. Other devices, stains, magnifications or light may make it "
        "fail, and the members may then agree and all be wrong.",
        "Disagreement shows what the members do not have in common. A mistake that all of them learnt is not seen.",
        "Validation scores chose the models and are therefore a little too good; test scores are not.",
    ]
    if facts.run is not None:
        parts = facts.run.data["parts"]
        num_labelled, num_test = len(parts.get("labelled") or ()), len(parts.get("test") or ())
        if num_labelled < _FEW_IMAGES:
            lines.append(f"Only {counted(num_labelled, 'image')} had masks to learn from.")
        if num_test == 0:
            lines.append("There were no test images, so that no score is free of the choice of models.")
        elif num_test < _FEW_IMAGES:
            lines.append(f"Only {counted(num_test, 'image')} to test on: the scores are rough.")
        if not parts.get("val"):
            lines.append("There were no validation images apart: labelled ones took turns or were set aside.")
    if len(facts.about["members"]) == 1:
        lines.append("It has a single member, so that its disagreement is 0 everywhere.")
    lines.append("It is not a medical device, and was not examined as one.")
    return _section("Limits", "\n".join(f"- {line}" for line in lines))


def _section(heading: str, *paragraphs: str) -> str:
    return "\n\n".join((f"## {heading}", *paragraphs))


def _plain(text: object) -> str:
    """Give a user's text so that Markdown shows it as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(str(text).split()))


def _code(value: object) -> str:
    if isinstance(value, str):
        return _plain(value)
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
