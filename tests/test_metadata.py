"""What goes along with a picture: EXIF, XMP, DPI, and the settings that made it."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylecli.errors import InputError
from stylecli.media.images import read_picture, write_picture
from stylecli.media.metadata import Carried
from stylecli.media.stored_settings import read_settings

FORMATS = ["jpeg", "png", "webp", "tiff", "avif"]
PIXELS = torch.linspace(0, 1, 3 * 6 * 7).reshape(3, 6, 7)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' tiff:Orientation="6" dc:source="a camera"/></rdf:RDF></x:xmpmeta>'
)


def written(**options: Any) -> bytes:
    file = io.BytesIO()
    write_picture(PIXELS, file, **options)
    return file.getvalue()


def photo(**options: Any) -> bytes:
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    exif[34665] = {40962: 700, 40963: 600, 33434: 0.01}
    exif[34853] = {1: "N"}
    file = io.BytesIO()
    Image.new("RGB", (7, 6), "teal").save(file, "JPEG", exif=exif, dpi=(300, 300), **options)
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=10)
@given(text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn", "Co"])))
def test_settings_come_back(format: str, text: str) -> None:
    text = text.replace("\ufffe", "").replace("\uffff", "")
    assert (read_settings(written(format=format, settings=text)) or "") == text


@pytest.mark.parametrize("format", FORMATS)
def test_metadata_is_carried(format: str, tmp_path: Path) -> None:
    picture = read_picture(photo(xmp=XMP))
    path = tmp_path / f"out.{format}"
    write_picture(PIXELS, path, carried=picture.carried, settings='{"seed": 0}')
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[271] == "Maker"
        assert exif.get(274, 1) == 1
        assert exif.get_ifd(34665)[40962] == 7
        assert exif.get_ifd(34853) == {1: "N"}
        xmp = image.info["xmp"]
    assert b"a camera" in xmp
    assert b'tiff:Orientation="1"' in xmp
    assert read_settings(path) == '{"seed": 0}'
    again = read_picture(path)
    assert again.carried.dpi == pytest.approx((300, 300), abs=0.01)
    assert again.notes == ()


@pytest.mark.parametrize("format", FORMATS)
def test_strip_keeps_only_the_settings(format: str) -> None:
    data = written(format=format, carried=read_picture(photo(xmp=XMP)).carried, settings="{}", strip=True)
    carried = read_picture(data).carried
    assert b"Maker" not in data
    assert b"a camera" not in data
    assert carried.dpi is None
    assert read_settings(data) == "{}"


def test_a_picture_made_from_a_made_picture_holds_its_own_settings() -> None:
    first = written(format="jpeg", settings='{"first": 1}', carried=Carried("JPEG", xmp=XMP))
    second = written(format="jpeg", settings='{"second": 2}', carried=read_picture(first).carried)
    assert read_settings(second) == '{"second": 2}'
    assert second.count(b"stylecli:settings>") == 2
    assert b"first" not in second


@pytest.mark.parametrize(
    "xmp",
    [
        b"not xml",
        XMP[:-9],
        XMP.replace(b"rdf:", b"r:"),
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        b"\xff\xfe<",
        XMP.decode().encode("utf-16"),
    ],
)
def test_odd_xmp_never_costs_the_settings(xmp: bytes) -> None:
    picture = read_picture(photo(xmp=xmp))
    assert read_settings(written(format="jpeg", carried=picture.carried, settings="{}")) == "{}"
    assert read_settings(photo(xmp=xmp)) is None


def test_too_much_metadata_for_a_jpeg_is_left_out_with_notes() -> None:
    exif = Image.Exif()
    exif[270] = "x" * 70000
    carried = Carried("PNG", exif=exif.tobytes(), xmp=XMP.replace(b"a camera", b"y" * 70000))
    file = io.BytesIO()
    notes = write_picture(PIXELS, file, format="jpeg", carried=carried, settings="{}")
    assert [note.split()[0] for note in notes] == ["EXIF", "XMP"]
    assert read_settings(file.getvalue()) == "{}"
    assert len(write_picture(PIXELS, io.BytesIO(), format="jpeg", settings="z" * 70000)) == 1
    assert read_settings(written(format="png", carried=carried, settings="z" * 70000)) == "z" * 70000


def test_layout_tags_of_a_tiff_stay_behind() -> None:
    file = io.BytesIO()
    Image.new("RGB", (7, 6)).save(file, "TIFF", description="a scan", dpi=(150, 150))
    picture = read_picture(file.getvalue())
    with Image.open(io.BytesIO(written(format="jpeg", carried=picture.carried))) as image:
        assert set(image.getexif()) <= {270, 282, 283, 296}
        assert image.getexif()[270] == "a scan"


def test_no_settings_in_foreign_files(tmp_path: Path) -> None:
    assert read_settings(photo()) is None
    with pytest.raises(InputError, match="no such file"):
        read_settings(tmp_path / "none.png")
