"""What makes masks in folders: of a run's models, and of other models' predictions."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from incmask.api.listening import AnyPath, folder_of, listening, model_at, run_at
from incmask.base.caller import option
from incmask.base.config import Device, Task
from incmask.base.progress import Progress
from incmask.base.validation import validated
from incmask.data.dataset import ClassOption, Colour
from incmask.experiment.executor import Executor
from incmask.prediction.files import Predicted
from incmask.prediction.folder import predict_folder
from incmask.prediction.layers import ExtraOutputs
from incmask.prediction.other_models.meaning import parse_classes
from incmask.prediction.other_models.write import MaskOptions, MasksDone, write_masks


def predict(
    model: AnyPath,
    images: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    probabilities: bool = False,
    overlays: bool = False,
    instances: bool = False,
    split: bool = False,
    device: Device = "auto",
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Predicted:
    """Write masks, disputed pixels and disagreement of image files, as ``incmask predict`` does; skip what is done.

    Arrays are predicted by ``load(model).predict(images)``.

    Args:
        model: run folder or model folder, or its URL.
        images: a folder, an image, a pattern such as "plates/*/*.tif", a URL such as "s3://bucket/images", or several
            of these.
        out: folder, or its URL; gets ``masks/``, ``inconsistent/``, ``disagreement/`` and ``summary.csv``.
        probabilities: also write ``probabilities/``, 0 to 255 for 0 to 1.
        overlays: also write ``overlays/``: the image, outlines and disputed pixels.
        instances: also write ``instances/``: objects as ids; where the model marks centres, those that touch apart.
        split: split objects that touch at their waists, for models that mark no centres.
        device: where the networks run; "auto": a GPU where there is one.
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Returns:
        ``shares``, what was found in each image that was predicted now, and ``problems`` of those that cannot be read.

    Raises:
        IncmaskError: there is no model, no image, or the folder cannot be written.

    Examples:
        >>> done = incmask.predict("myrun", "newimages", "masks", overlays=True)
        >>> len(done.shares), done.problems
        (3, ())
    """
    several = [images] if isinstance(images, str | Path) or not isinstance(images, Iterable) else images
    with listening(progress) as listener, run_at(out, listener) as (folder, heard):
        return predict_folder(
            model_at(model, listener),
            [str(folder_of(each, listener)) for each in several],
            folder,
            open_pool=(executor or Executor()).open_pool,
            pictures=ExtraOutputs(probabilities=probabilities, overlays=overlays, instances=instances, split=split),
            device=device,
            progress=heard,
        )


def mask(
    predictions: Sequence[AnyPath],
    out: AnyPath,
    *,
    task: Task | None = None,
    images: AnyPath | None = None,
    erode_px: int = 0,
    dilate_px: int = 0,
    classes: str | Sequence[str] | Mapping[str, int | Colour] | None = None,
    threshold: float | None = None,
    progress: Progress | bool = False,
) -> MasksDone:
    """Write what the predictions of any models agree on, and where they do not, as ``incmask mask`` does.

    Arrays are compared by ``inconsistency``.

    Args:
        predictions: two or more folders of label images, one for each model, with the same names.
        out: folder; gets ``masks/``, ``inconsistent/``, ``disagreement/`` and ``summary.csv``.
        task: "binary", "multiclass" or "multilabel" (a folder a class); None: recognised.
        images: folder of the images: also write ``images/``, with the disputed pixels set to 0.
        erode_px: side of the square that thins the disputed pixels; odd, or 0.
        dilate_px: side of the square that widens them afterwards; odd, or 0.
        classes: names in the order of their ids, or names with what stands for them, an id or (red, green, blue); also
            as text, "background=0,cell=#ff0000". None: recognised.
        threshold: for probabilities of a foreground in .npy or TIFF: 0.5, for example.
        progress: True shows lines and a bar, here or in the notebook; or a listener.

    Returns:
        The task, the classes, how many images there are, and the share of their pixels that is disputed.

    Raises:
        IncmaskError: files do not belong together or have several readings, or the folder cannot be written.

    Examples:
        >>> incmask.mask(["modelA", "modelB"], "disputed", task="binary").num_images
        3
    """
    options = MaskOptions(task, _classes(classes), erode_px, dilate_px, threshold)
    with listening(progress) as listener:
        return write_masks(
            [Path(each) for each in predictions],
            Path(out),
            images=Path(images) if images else None,
            options=options,
            progress=listener,
        )


def _classes(given: str | Sequence[str] | Mapping[str, int | Colour] | None) -> tuple[ClassOption, ...]:
    if isinstance(given, str):
        return parse_classes(given)
    named = given.items() if isinstance(given, Mapping) else ((name, None) for name in given or ())
    return tuple(
        validated(ClassOption, {"name": name, "value": value}, where=option("classes")) for name, value in named
    )
