"""Volumes of OME-Zarr, as zarr writes them: read voxel by voxel, and refused where they could do harm."""

import gzip
import json
import pickle
import sys
import zlib

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from numcodecs import LZ4, Blosc, GZip, Zlib, Zstd

from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent
from incmask.data.folder.scan import scan
from incmask.data.images.files import read_raster
from incmask.data.remote import local_copy
from incmask.data.volumes.chunks import ArrayHead, check_chunks
from incmask.data.volumes.grid import Grid
from incmask.data.volumes.write import VolumeFile, VolumeWriter
from incmask.method.sheets import folded, unfolded
from incmask.prediction.ledger import stamp_of
from volume_formats import change_record, write_ome_zarr

GRID = Grid((6, 5, 4), (2.0, 0.5, 0.25))


def volume(dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, (6, 5, 4)).astype(dtype)


ARRAYS = {
    "0.4": {"version": "0.4"},
    "0.5": {},
    "plain": {"compressors": None},
    "plain 0.4": {"version": "0.4", "compressors": None},
    "blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4")},
    "gzip": {"compressors": zarr.codecs.GzipCodec()},
    "zstd with a checksum": {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]},
    "shards": {"chunks": (2, 2, 2), "shards": (4, 4, 4)},
    "plain shards": {"chunks": (2, 2, 2), "shards": (4, 4, 4), "compressors": None},
    "other order": {"filters": [zarr.codecs.TransposeCodec(order=(2, 0, 1))]},
    **{
        f"{name} 0.4": {"version": "0.4", "compressors": codec}
        for name, codec in {
            "blosc": Blosc(),
            "gzip": GZip(),
            "zlib": Zlib(),
            "zstd": Zstd(),
            "lz4": LZ4(),
        }.items()
    },
    "slashes": {"version": "0.4", "chunk_key_encoding": {"name": "v2", "separator": "/"}},
}


@pytest.mark.parametrize("how", ARRAYS.values(), ids=ARRAYS)
def test_the_first_array_is_the_volume(tmp_path, how):
    raster = read_raster(write_ome_zarr(tmp_path / "a.zarr", volume(), **how))
    assert raster.grid == GRID
    assert np.array_equal(raster.values, folded(volume()))


def test_axes_types_and_units(tmp_path):
    both = np.stack([volume(), volume() + 1])
    store = write_ome_zarr(tmp_path / "a.ome.zarr", both[None].astype(np.float32), axes="tczyx", unit="millimeter")
    raster = read_raster(store)
    assert raster.grid == Grid((6, 5, 4), (2000.0, 500.0, 250.0))
    assert np.array_equal(unfolded(raster.values, 6), np.moveaxis(both, 0, -1))
    store = write_ome_zarr(tmp_path / "b.zarr", volume(bool), unit="")
    assert read_raster(store).grid == GRID
    assert read_raster(store).values.max() == 1
    wide = read_raster(write_ome_zarr(tmp_path / "c.zarr", volume(">i2"), version="0.4"))
    assert np.array_equal(wide.values, folded(volume()))

    def scale(told):
        told["attributes"]["ome"]["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [2] * 3}]

    change_record(store / "zarr.json", scale)
    assert read_raster(store).grid.spacing == (4.0, 1.0, 0.5)


def test_what_bioformats2raw_writes(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr" / "0", volume()[None, None], axes="tczyx", version="0.4")
    (tmp_path / "a.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "a.zarr" / ".zattrs").write_text('{"bioformats2raw.layout": 3}')
    assert np.array_equal(read_raster(tmp_path / "a.zarr").values, folded(volume()))
    (tmp_path / "a.zarr" / "1").mkdir()
    with pytest.raises(IncmaskError, match="several images"):
        read_raster(tmp_path / "a.zarr")


def test_what_is_written_lies_on_the_same_grid(tmp_path):
    store = write_ome_zarr(tmp_path / "a.zarr", volume())
    writer = VolumeWriter(tmp_path / "mask", VolumeFile(store, GRID))
    writer.add(folded(volume(np.uint8)))
    assert writer.write() == tmp_path / "mask.ome.tif"
    assert np.array_equal(tifffile.imread(tmp_path / "mask.ome.tif"), volume())
    assert read_raster(tmp_path / "mask.ome.tif").grid == GRID


def _of(name):
    return lambda store, change: change_record(store / name, change)


def _image(told):
    return told["attributes"]["ome"]["multiscales"][0]


REFUSED = {
    "times": (lambda told: _image(told)["axes"][0].update(name="t"), "order|axis z"),
    "no axes": (lambda told: _image(told).pop("axes"), "has the axes of no name"),
    "another axis": (lambda told: _image(told)["axes"][0].update(name="q"), "has an axis q"),
    "other order": (lambda told: _image(told)["axes"].reverse(), "axes xyz; read are"),
    "no multiscales": (lambda told: told["attributes"].clear(), "has no multiscales"),
    "two images": (lambda told: told["attributes"]["ome"]["multiscales"].append({}), "holds 2 images"),
    "no scale": (lambda told: _image(told)["datasets"][0].pop("coordinateTransformations"), "no one scale"),
    "outside": (lambda told: _image(told)["datasets"][0].update(path="../b.zarr/0"), "an array outside of itself"),
    "not there": (lambda told: _image(told)["datasets"][0].update(path="7"), "broken or truncated"),
    "strange": (lambda told: told["attributes"].update(ome=[1]), "broken or truncated"),
}


@pytest.mark.parametrize(("change", "told"), REFUSED.values(), ids=REFUSED)
def test_what_a_group_may_not_say(tmp_path, change, told):
    write_ome_zarr(tmp_path / "b.zarr", volume())
    change_record(write_ome_zarr(tmp_path / "a.zarr", volume()) / "zarr.json", change)
    with pytest.raises(IncmaskError, match=told):
        read_raster(tmp_path / "a.zarr")


BAD_ARRAYS = {
    "objects": ({"dtype": "|O"}, "values of type object"),
    "texts": ({"dtype": "<U8"}, "values of type <U8"),
    "fields": ({"dtype": [["a", "<i4"]]}, "several fields"),
    "pickles": ({"filters": [{"id": "pickle"}]}, r"has filters \(pickle\)"),
    "packed by code": ({"compressor": {"id": "pickle"}}, "packed with pickle"),
    "huge": ({"shape": [10**4] * 3, "chunks": [64] * 3}, "chunks|voxels, more than"),
    "large": ({"shape": [10**4, 10**4, 60], "chunks": [1000, 1000, 60]}, "10000×10000×60 voxels, more than"),
    "huge chunks": ({"chunks": [10**4] * 3}, "has 1 chunks of 10000×10000×10000 numbers"),
    "many chunks": ({"shape": [500] * 3, "chunks": [1] * 3}, "has 125000000 chunks"),
    "no chunks": ({"chunks": [0, 1, 1]}, "broken or truncated"),
    "one slice": ({"shape": [1, 5, 4]}, "has one slice"),
    "other sides": ({"shape": [6, 5]}, "broken or truncated"),
    "no numbers": ({"shape": ["6", 5, 4]}, "broken or truncated"),
}


@pytest.mark.parametrize(("change", "told"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_what_an_array_may_not_say(tmp_path, change, told):
    store = write_ome_zarr(tmp_path / "a.zarr", volume(), version="0.4")
    change_record(store / "0" / ".zarray", lambda record: record.update(change))
    with pytest.raises(IncmaskError, match=told):
        read_raster(store)


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    store = write_ome_zarr(tmp_path / "a.zarr", volume(np.uint8), version="0.4", chunks=(6, 5, 4))
    (store / "0" / "0.0.0").write_bytes(pickle.dumps(Trap()))
    for change in ({"dtype": "|O"}, {"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle"}}):
        change_record(store / "0" / ".zarray", lambda record, change=change: record.update(change))
        with pytest.raises(IncmaskError):
            read_raster(store)
    assert not (tmp_path / "trapped").exists()


BOMBS = {
    "gzip": gzip.compress(bytes(10**6)),
    "zlib": zlib.compress(bytes(10**6)),
    "zstd": Zstd().encode(bytes(10**6)),
    "blosc": Blosc().encode(bytes(10**6)),
    "lz4": LZ4().encode(bytes(10**6)),
}


@pytest.mark.parametrize("packing", BOMBS)
def test_chunks_that_unpack_to_more_than_they_say_are_refused(tmp_path, packing):
    store = write_ome_zarr(tmp_path / "a.zarr", volume(np.uint8), version="0.4", chunks=(6, 5, 4))
    change_record(store / "0" / ".zarray", lambda record: record.update(compressor={"id": packing}))
    (store / "0" / "0.0.0").write_bytes(BOMBS[packing])
    with pytest.raises(IncmaskError, match="unpacks to more than its 120 bytes"):
        read_raster(store)
    head = ArrayHead((6, 5, 4), np.dtype(np.uint8), (6, 5, 4), packing, num_in_file=2)
    index = np.array([0, len(BOMBS[packing]), 2**64 - 1, 2**64 - 1], "<u8").tobytes()
    with pytest.raises(ValueError, match="unpacks"):
        check_chunks("c/0", BOMBS[packing] + index, head)


def test_large_files_are_not_read(tmp_path):
    store = write_ome_zarr(tmp_path / "a.zarr", volume(np.uint8), version="0.4", chunks=(6, 5, 4), compressors=None)
    (store / "0" / "0.0.0").write_bytes(bytes(10**5))
    with pytest.raises(IncmaskError, match="has more than"):
        read_raster(store)
    (store / ".zattrs").write_text(json.dumps({"x": "y" * (1 << 24)}))
    with pytest.raises(IncmaskError, match="has more than 16 MiB"):
        read_raster(store)


def data_folder(root, *, labels_inside=False):
    label = (volume() > 100).astype(np.uint8)
    for number in range(3):
        inside = {"labels": label} if labels_inside else {}
        write_ome_zarr(root / "labelled" / "images" / f"a{number}.ome.zarr", volume() + number, **inside)
        write_ome_zarr(root / "unlabelled" / "images" / f"b{number}.zarr", volume() + 3 + number, version="0.4")
    masks = root / "labelled" / "masks"
    if not labels_inside:
        write_ome_zarr(masks / "a0.zarr", label)
        tifffile.imwrite(
            masks / "a1.ome.tif",
            label,
            photometric="minisblack",
            metadata={"axes": "ZYX", "PhysicalSizeZ": 0.002, "PhysicalSizeZUnit": "mm"}
            | {"PhysicalSizeY": 500, "PhysicalSizeYUnit": "nm", "PhysicalSizeX": 0.25},
        )
        # In millimetres, its axes from the left, back and bottom as those of TIFF lie.
        affine = np.diag([-0.25e-3, -0.5e-3, 2e-3, 1])
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(label.T), affine), masks / "a2.nii.gz")
    return root


@pytest.mark.parametrize("labels_inside", [False, True])
def test_a_folder_of_stores(tmp_path, labels_inside):
    found = scan(data_folder(tmp_path, labels_inside=labels_inside))
    assert [str(each) for each in found.problems] == []
    assert [item.name for item in found.dataset.labelled] == ["a0", "a1", "a2"]
    assert [item.name for item in found.dataset.unlabelled] == ["b0", "b1", "b2"]
    labels = [read_raster(path).values for item in found.dataset.labelled for path in item.masks]
    assert all(np.array_equal(each, labels[0]) for each in labels)


def test_copies_from_a_url_have_all_that_a_store_holds(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "cache"))
    data_folder(tmp_path / "data")
    (tmp_path / "data" / ".hidden").write_text("none")
    copy = local_copy(f"file://{tmp_path / 'data'}", Silent())
    assert not (copy / ".hidden").exists()
    assert scan(copy).problems == ()


def test_a_changed_chunk_is_another_stamp(tmp_path):
    store = write_ome_zarr(tmp_path / "a.zarr", volume())
    before = stamp_of(store)
    chunk = next(each for each in (store / "0").rglob("*") if each.is_file() and each.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes() + b"x")
    assert stamp_of(store) not in (None, before)


def test_without_zarr_the_extra_is_named(tmp_path, monkeypatch):
    data_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "zarr", None)
    (problem,) = scan(tmp_path).problems
    assert "which the package zarr reads; install it: pip install 'incmask[volumes]'" in str(problem)
