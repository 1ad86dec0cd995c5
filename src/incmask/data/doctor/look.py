"""All that is looked for in a data folder that can be read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from incmask.data.dataset import Item
from incmask.data.doctor.equal_masks import equal_mask_findings
from incmask.data.doctor.finding import Finding
from incmask.data.doctor.masks_as_images import mask_as_image_findings, masks_as_images
from incmask.data.doctor.near_copies import near_copies, near_copy_findings
from incmask.data.doctor.unlike import unlike_findings
from incmask.data.images.masks import MaskFacts
from incmask.data.images.readers import ImageFacts


def findings_of_images(
    items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts], masks: Mapping[Path, MaskFacts]
) -> tuple[Finding, ...]:
    """Find what sketches of images and masks tell, which costs next to nothing once they are read."""
    num_images = sum(map(len, items.values()))
    return (
        *mask_as_image_findings(masks_as_images(items, images), num_images),
        *equal_mask_findings(items, images, masks),
        *findings_of_pictures(items, images),
    )


def findings_of_pictures(items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]) -> tuple[Finding, ...]:
    """Find what sketches of the images alone tell, whatever their targets are."""
    copies = near_copy_findings(near_copies(items, images), items, images)
    return (*copies, *unlike_findings(items, images))
