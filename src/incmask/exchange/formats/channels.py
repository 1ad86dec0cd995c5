"""Images that have a file for each channel, as nnU-Net's: taken as one image."""

from pathlib import PurePosixPath

from incmask.base.errors import raise_problems
from incmask.data.folder.channels import by_channel, problems_of_channels
from incmask.data.folder.names import role_of
from incmask.data.folder.told import NNUNET, num_channels
from incmask.exchange.formats.common import Files, files_ending, images_of
from incmask.exchange.sources.archives import SourceFile

Channels = dict[str, tuple[SourceFile, ...]]
"""The files of further channels by an image's path."""


def joined_channels(files: Files) -> tuple[Files, Channels]:
    """Take the first channel of each image, without its number, for the image, where ``dataset.json`` tells of several.

    Raises:
        IncmaskError: an image lacks a channel; all of them are told.
    """
    told = [entry for path, entry in files_ending(files, ".json").items() if PurePosixPath(path).name == NNUNET]
    num = max((num_channels(entry.read()) for entry in told), default=1)
    found = _by_image(files) if num > 1 else {}
    if all(len(channels) == 1 for channels in found.values()):  # colours in a file each
        return files, {}
    raise_problems(
        [
            problem
            for channels in found.values()
            for problem in problems_of_channels(channels, num, where=channels[min(channels)].where)
        ]
    )
    parted = {entry for channels in found.values() for entry in channels.values()}
    whole = {path: entry for path, entry in files.items() if entry not in parted}
    whole |= {path: channels[0] for path, channels in found.items()}
    return whole, {path: tuple(channels[index] for index in range(1, num)) for path, channels in found.items()}


def _by_image(files: Files) -> dict[str, dict[int, SourceFile]]:
    """Give the files of each image by their number, and the image by the path without it."""
    places = [PurePosixPath(path) for path in images_of(files)]
    places = [place for place in places if role_of(place.parent.name, foreign=True).kind == "image"]
    endings = {str(place.with_suffix("")): place.suffix for place in places}
    return {
        f"{name}{endings[channels[min(channels)]]}": {
            number: files[f"{each}{endings[each]}"] for number, each in channels.items()
        }
        for name, channels in by_channel(endings).items()
    }
