"""Images to predict that have a file for each channel, as those that ``prepare`` joins."""

from collections.abc import Mapping
from pathlib import Path

from incmask.base.words import counted
from incmask.data.folder.channels import by_channel, problems_of_channels
from incmask.data.folder.told import NNUNET, num_channels
from incmask.prediction.files import ImageFile
from incmask.prediction.listing import Listing


def image_files(listing: Listing, channels: int) -> tuple[ImageFile, ...]:
    """Give the images of a listing; those of networks that see several channels may have a file for each.

    Files are joined where some image has one for each channel, called x_0000, x_0001 and so on. Three are joined only
    where ``dataset.json`` beside them, or above, tells of channels, as grey frames that follow each other have such
    names, too. An image that lacks a file is a problem of the listing, and what is joined one of its notes.

    Args:
        listing: what was found.
        channels: that the network sees.
    """
    images = listing.images
    parted = by_channel(images) if channels > 1 else {}
    whole = {name: files for name, files in parted.items() if files.keys() == {*range(channels)}}
    if not whole or (channels == 3 and not _is_told(images, whole)):
        return tuple(ImageFile(name, path) for name, path in images.items())
    for files in parted.values():
        listing.problems += problems_of_channels(files, channels, where=images[files[min(files)]])
    listing.joined = f"{counted(len(whole), 'image')} of {channels} files each, one a channel, such as {min(whole)}"
    used = {name for files in parted.values() for name in files.values()}
    found = [ImageFile(name, path) for name, path in images.items() if name not in used]
    for name, files in whole.items():
        first, *more = (images[files[index]] for index in range(channels))
        found.append(ImageFile(name, first, tuple(more)))
    return tuple(sorted(found, key=lambda file: file.name))


def _is_told(images: Mapping[str, Path], whole: Mapping[str, Mapping[int, str]]) -> bool:
    folder = images[next(iter(whole.values()))[0]].parent
    tables = [above / NNUNET for above in (folder, folder.parent) if (above / NNUNET).is_file()]
    return any(num_channels(table.read_bytes()) > 1 for table in tables)
