# SPDX-License-Identifier: MIT
"""Pairs in pickles: every way they are written, and everything a pickle must not do."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceeval.data.containers.bin_pairs import read_bin_pairs
from faceeval.errors import InputError, MissingFileError

IMAGES = [b"\xff\xd8 one", b"\x00two\xed", b"three", b""]
SAME = [True, False]


def write(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["bytes", "arrays", "flag array", "flag scalars", "tuples"])
def test_every_way_to_write_pairs_is_understood(tmp_path: Path, protocol: int, kind: str) -> None:
    images, same = {
        "bytes": (IMAGES, SAME),
        "arrays": ([np.frombuffer(image, np.uint8) for image in IMAGES], SAME),
        "flag array": (IMAGES, np.array(SAME)),
        "flag scalars": (IMAGES, list(np.array(SAME))),
        "tuples": (tuple(IMAGES), (1, 0)),
    }[kind]
    pairs = read_bin_pairs(write(tmp_path / "lfw.bin", (images, same), protocol))
    assert list(pairs.images) == IMAGES
    assert pairs.same.tolist() == SAME
    assert pairs.same.dtype == np.bool_


def test_what_python_2_wrote_is_understood(tmp_path: Path) -> None:
    strings = b"".join(b"T" + struct.pack("<I", len(image)) + image for image in IMAGES)
    flags = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(I2\nt"
        b"cnumpy\ndtype\n(U\x02b1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntbI00\nU\x02\x01\x00tb"
    )
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02](" + strings + b"e" + flags + b"\x86.")
    pickletools.dis(path.read_bytes(), out=io.StringIO())  # it is a pickle as Python itself reads them
    assert read_bin_pairs(path).images == tuple(IMAGES)
    assert read_bin_pairs(path).same.tolist() == SAME


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9), st.booleans()), min_size=1, max_size=9))
def test_pairs_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[bytes, bytes, bool]]) -> None:
    images = [image for row in rows for image in row[:2]]
    path = write(tmp_path_factory.mktemp("bin") / "a.bin", (images, [row[2] for row in rows]))
    pairs = read_bin_pairs(path)
    assert list(pairs.images) == images
    assert pairs.same.tolist() == [row[2] for row in rows]


def test_images_are_decoded_by_their_places(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), np.uint8)
    files = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        files.append(buffer.getvalue())
    pairs = read_bin_pairs(write(tmp_path / "a.bin", (files, SAME)))
    found = pairs.read(np.array([3, 0]), 20)
    np.testing.assert_array_equal(found, pictures[[3, 0]].transpose(0, 3, 1, 2))
    with pytest.raises(InputError, match=r"image 2 in .*lfw\.bin"):
        read_bin_pairs(write(tmp_path / "lfw.bin", (IMAGES, SAME))).read(np.array([2]), 20)


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_in_the_file_is_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    for call in (
        Call(os.mkdir, str(target)),
        Call(eval, f"__import__('os').mkdir({str(target)!r})"),
        Call(exec, f"import os; os.mkdir({str(target)!r})"),
        Call(getattr, b"", "decode"),
        Call(pickle.loads, pickle.dumps(Call(os.mkdir, str(target)))),
        Call(np.load, str(target)),
    ):
        path = write(tmp_path / "a.bin", ([call, b"b"], [True]), protocol)
        with pytest.raises(InputError, match="which such files have no need of"):
            read_bin_pairs(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        ([np.array([1.5]), b"b"], [True]),
        ([np.array([b"a"], object), b"b"], [True]),
        ([np.zeros((2, 2), np.uint8), b"b"], [True]),
        ([{"a": 1}, b"b"], [True]),
        ([1, b"b"], [True]),
        ("ab", [True]),
        ([b"a", b"b"], [2]),
        ([b"a", b"b"], ["x"]),
        ([b"a", b"b"], np.array([1, 0], np.uint8)),
        ([b"a", b"b", b"c"], [True]),
        ([], []),
        ([b"a", b"b"], [True], 3),
        [b"a"],
        7,
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match=r"a\.bin") as caught:
        read_bin_pairs(write(tmp_path / "a.bin", content))
    assert "somebody you trust" in caught.value.todo


@pytest.mark.parametrize(
    "program",
    [
        b"cnumpy\nndarray\n(dVvalues\nNsb.",  # changes a stand-in by its dict
        b"cnumpy\nndarray\n(N(dV_make\nNstb.",  # and by its attributes
        b"cnumpy\nndarray\n)\x81.",  # makes one without its constructor
        b"(inumpy\nndarray\n.",  # a bare array for all of it
        b"cbuiltins\nbytes\n(I9\ntR.",  # bytes of nothing, a way to fill the memory
        b"c_codecs\nencode\n(Vab\nVrot13\ntR.",
        b"\x82\x01.",  # a name by number
        b"P7\n.",  # an object outside
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00x.",  # more bytes than there are
        b"](" * 5000,
        b"",
        b"not a pickle",
        b"<html>",
        pickle.dumps((IMAGES, SAME), 2)[:-9],
    ],
)
def test_crafted_and_damaged_pickles_are_refused(tmp_path: Path, program: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(program)
    with pytest.raises(InputError, match="pickle of"):
        read_bin_pairs(tmp_path / "a.bin")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="No such file"):
        read_bin_pairs(tmp_path / "lfw.bin")
