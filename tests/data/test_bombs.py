"""Files that say that they are huge are refused before memory is taken, in a process that has none to give."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.data.images import pages

SIDE = 60_000
"""3,600 million pixels: twelve times what is read."""

READ = """
import resource, sys
from pathlib import Path
from incmask.base.errors import IncmaskError
from incmask.data.images.readers import read_image
from incmask.exchange.sources.archives import list_members
from incmask.prediction.other_models.read import _read_array
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (48 << 20),) * 2)
for path in map(Path, sys.argv[1:]):
    try:
        if path.suffix == ".zip":
            [each.entry.read() for each in list_members(path)]
        else:
            _read_array(path, None) if path.suffix == ".npy" else read_image(path)
        print(path.name, "was read")
    except IncmaskError as error:
        print(error)
"""


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png() -> bytes:
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff() -> bytes:
    tifffile.imwrite(buffer := io.BytesIO(), np.zeros((8, 8), np.uint8), compression="zlib")
    content = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tag = file.pages.first.tags[name]
            size = {3: "<H", 4: "<I"}[int(tag.dtype)]
            struct.pack_into(size, content, tag.valueoffset, SIDE)
    return bytes(content)


def bmp() -> bytes:
    Image.new("L", (4, 4)).save(buffer := io.BytesIO(), "BMP")
    content = bytearray(buffer.getvalue())
    struct.pack_into("<ii", content, 18, SIDE, SIDE)
    return bytes(content)


def npy() -> bytes:
    np.lib.format.write_array_header_1_0(
        buffer := io.BytesIO(), {"descr": "|u1", "fortran_order": False, "shape": (SIDE, SIDE)}
    )
    return buffer.getvalue()


def packed() -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", bytes(300 << 20))
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_no_memory_is_taken_for_what_a_header_says(tmp_path):
    made = {"a.png": png(), "a.tif": tiff(), "a.bmp": bmp(), "a.npy": npy(), "a.zip": packed()}
    for name, content in made.items():
        assert len(content) < 1 << 20
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-c", READ, *(str(tmp_path / name) for name in made)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    pixels = f"has {SIDE}×{SIDE} pixels, more than the 300 million that are read"
    told = dict(zip(made, done.stdout.splitlines(), strict=True))
    assert [name for name in ("a.png", "a.tif", "a.bmp") if pixels not in told[name]] == []
    assert "a.npy: is no array that can be read" in told["a.npy"]
    assert "has 300 MiB unpacked, which no picture has" in told["a.zip"]


@pytest.mark.parametrize("num_pages", [1, 2, 3])
def test_pages_that_name_each_other_in_a_circle_are_refused_at_the_first_that_comes_again(
    tmp_path, monkeypatch, num_pages
):
    """Up to the most that there may be were read, which took longer than ten seconds."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(num_pages):
            writer.write(np.zeros((4, 4), np.uint8), metadata=None)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1].offset
    content = bytearray(path.read_bytes())
    (num_tags,) = struct.unpack_from("<H", content, last)
    struct.pack_into("<I", content, last + 2 + 12 * num_tags, first)
    path.write_bytes(content)
    asked = []
    monkeypatch.setattr(pages, "_whole", lambda page: asked.append(page) or page.aspage())
    with tifffile.TiffFile(path) as file, pytest.raises(IncmaskError, match="name each other in a circle"):
        pages.full_planes(path, file)
    assert len(asked) == num_pages + 1
