"""Arrays of zarr that are read without a surprise: what unpacks them is known, and none takes more than it says."""

import gzip
import io
import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import fail
from incmask.data.images.decode import MAX_PIXELS
from incmask.data.volumes.names import ZARR_RECORDS
from incmask.data.volumes.ngff import MOST_RECORD_BYTES, read_record

_MOST_CHUNKS = 300_000
_MORE_BYTES = 1 << 16
"""That a packed chunk may have beside as many as it unpacks to."""

_PLAIN = ("none", "gzip", "zlib", "zstd", "blosc", "lz4")
_SAVE_ANEW = "save it anew as numbers, packed with blosc, zstd or gzip, or not at all"
_NO_CHUNK = (1 << 64) - 1


@dataclass(frozen=True)
class ArrayHead:
    """What an array says of itself.

    Attributes:
        shape: of the array.
        dtype: of its numbers.
        chunk: what is packed at a time.
        packing: "none", "gzip", "zlib", "zstd", "blosc" or "lz4".
        tail: bytes behind each packed chunk, of a checksum.
        num_in_file: chunks that a file holds, each of which its end tells the place of; None: a file is a chunk.
        index_tail: bytes behind that, of a checksum.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: tuple[int, ...]
    packing: str
    tail: int = 0
    num_in_file: int | None = None
    index_tail: int = 0

    @property
    def chunk_bytes(self) -> int:
        """Of a chunk that is unpacked."""
        return math.prod(self.chunk) * self.dtype.itemsize


def head_of(store: Path, path: str, *, zarr_format: int) -> ArrayHead:
    """Read what an array says of itself, and refuse what is not read.

    Raises:
        IncmaskError: of something else than numbers, packed in another way, or in chunks that are huge or too many.
        Exception: of what it says being broken.
    """
    told = read_record(store / path / ("zarr.json" if zarr_format == 3 else ".zarray"))
    head = _head_of_3(store, told) if zarr_format == 3 else _head_of_2(store, told)
    if head.dtype.kind not in "buif":
        raise fail(store, f"has values of type {head.dtype}, where numbers are read", _SAVE_ANEW)
    if head.packing not in _PLAIN:
        raise fail(store, f"is packed with {head.packing}; read are {', '.join(_PLAIN[1:])}", _SAVE_ANEW)
    if len(head.chunk) != len(head.shape) or min((*head.chunk, *head.shape)) < 1:
        raise ValueError(f"chunks of {head.chunk} in an array of {head.shape}")
    num = math.prod(-(-side // part) for side, part in zip(head.shape, head.chunk, strict=True))
    if math.prod(head.chunk) * (head.num_in_file or 1) > MAX_PIXELS or num > _MOST_CHUNKS:
        what = f"has {num} chunks of {'×'.join(map(str, head.chunk))} numbers, too many or too large to be read"
        raise fail(store, what, "save it anew in chunks of about 64×64×64")
    return head


def _head_of_2(store: Path, told: Mapping[str, Any]) -> ArrayHead:
    compressor = told.get("compressor") or {"id": "none"}
    if told.get("filters"):
        raise fail(store, f"has filters ({_names(told['filters'])}), which are not read", _SAVE_ANEW)
    dtype = told["dtype"]
    if not isinstance(dtype, str):
        raise fail(store, "has values of several fields, where numbers are read", _SAVE_ANEW)
    return ArrayHead(_sides(told["shape"]), np.dtype(dtype), _sides(told["chunks"]), str(compressor["id"]))


def _head_of_3(store: Path, told: Mapping[str, Any]) -> ArrayHead:
    if not isinstance(told["data_type"], str) or told["data_type"] not in np.sctypeDict:
        raise fail(store, f"has values of type {str(told['data_type'])[:40]}, where numbers are read", _SAVE_ANEW)
    if told.get("storage_transformers") or told["chunk_grid"]["name"] != "regular":
        raise fail(store, "has chunks of different sizes, or transformers, which are not read", _SAVE_ANEW)
    shape, dtype = _sides(told["shape"]), np.dtype(told["data_type"])
    outer, codecs = _sides(told["chunk_grid"]["configuration"]["chunk_shape"]), told["codecs"]
    if [each["name"] for each in codecs] != ["sharding_indexed"]:
        packing, tail = _packing(store, codecs)
        return ArrayHead(shape, dtype, outer, packing, tail)
    shards = codecs[0]["configuration"]
    inner = _sides(shards["chunk_shape"])
    packing, tail = _packing(store, shards["codecs"])
    index, index_tail = _packing(store, shards["index_codecs"])
    is_whole = len(inner) == len(outer) and all(
        part and side % part == 0 for side, part in zip(outer, inner, strict=True)
    )
    if index != "none" or shards.get("index_location", "end") != "end" or not is_whole:
        raise fail(store, "has shards of a kind that is not read", _SAVE_ANEW)
    return ArrayHead(shape, dtype, inner, packing, tail, math.prod(outer) // math.prod(inner), index_tail)


def _packing(store: Path, codecs: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """Give how chunks are packed, and the bytes of a checksum behind them."""
    names = [str(each["name"]) for each in codecs]
    rest = [name for name in names if name not in ("bytes", "transpose")]
    tail = 4 if rest[-1:] == ["crc32c"] else 0
    rest = rest[:-1] if tail else rest
    if len(rest) > 1:
        raise fail(store, f"is packed with {' and '.join(rest)}; read are {', '.join(_PLAIN[1:])} alone", _SAVE_ANEW)
    return (rest or ["none"])[0], tail


def _sides(values: Any) -> tuple[int, ...]:
    if any(type(each) is not int for each in values):
        raise ValueError(f"{values!s:.40} is no shape")
    return tuple(values)


def _names(filters: Any) -> str:
    return ", ".join(str(each.get("id")) for each in filters)


def guarded(zarr: Any, store: Path, head: ArrayHead) -> Any:
    """Open a store of which no chunk is handed on that would unpack to more than the array says.

    Args:
        zarr: the package.
        store: its folder.
        head: of the array that is read.
    """

    class Guarded(zarr.storage.LocalStore):  # type: ignore[misc]
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            place = store / key
            most = head.num_in_file or 1
            allowed = MOST_RECORD_BYTES if place.name in ZARR_RECORDS else most * (head.chunk_bytes + _MORE_BYTES)
            if place.is_file() and place.stat().st_size > allowed:
                raise ValueError(f"{key} has more than {allowed} bytes")
            found = await super().get(key, prototype, byte_range)
            if found is not None and place.name not in ZARR_RECORDS:
                is_index = isinstance(byte_range, zarr.abc.store.SuffixByteRequest)
                check_chunks(key, found.to_bytes(), head, in_file=byte_range is None, is_index=is_index)
            return found

    return Guarded(store, read_only=True)


def check_chunks(key: str, content: bytes, head: ArrayHead, *, in_file: bool = True, is_index: bool = False) -> None:
    """Refuse what would unpack to more than a chunk has.

    Args:
        key: for messages.
        content: of a file, or of a chunk in one.
        head: what the array says of itself.
        in_file: it is a whole file, which may hold several chunks.
        is_index: it tells where chunks are, and is none.

    Raises:
        ValueError: it would.
    """
    if is_index:
        return
    if head.num_in_file is None or not in_file:
        _check_chunk(key, content, head)
        return
    size = 16 * head.num_in_file
    index: NDArray[np.uint64] = np.frombuffer(content[len(content) - size - head.index_tail :][:size], "<u8")
    for first, num in index.reshape(-1, 2).tolist():
        if first != _NO_CHUNK:
            _check_chunk(key, content[first : first + num], head)


def _check_chunk(key: str, content: bytes, head: ArrayHead) -> None:
    content = content[: len(content) - head.tail]
    unpacked = _UNPACKED[head.packing](content, head.chunk_bytes)
    if unpacked > head.chunk_bytes:
        raise ValueError(f"a chunk of {key} unpacks to more than its {head.chunk_bytes} bytes")


def _of_gzip(content: bytes, most: int) -> int:
    with gzip.open(io.BytesIO(content)) as stream:
        return len(stream.read(most + 1))


def _of_zlib(content: bytes, most: int) -> int:
    return len(zlib.decompressobj().decompress(content, most + 1))


def _of_zstd(content: bytes, most: int) -> int:
    try:
        return len(imagecodecs.zstd_decode(content, out=most))
    except imagecodecs.ZstdError:  # it does not fit
        return most + 1


def _told_at(place: int) -> Callable[[bytes, int], int]:
    return lambda content, _: int(struct.unpack_from("<I", content, place)[0])


_UNPACKED: dict[str, Callable[[bytes, int], int]] = {
    "none": lambda content, _: len(content),
    "gzip": _of_gzip,
    "zlib": _of_zlib,
    "zstd": _of_zstd,
    "blosc": _told_at(4),
    "lz4": _told_at(0),
}
"""Bytes that a packed chunk has, which may be told as one more than the most."""
