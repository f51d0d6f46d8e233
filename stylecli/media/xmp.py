"""XMP packets: what is carried of them, and the settings of ours in them.

A packet is what a stranger wrote: what is ours is told by its namespace in the parsed tree, whatever its prefix, and
what was put in is read back.
"""

import re
from html import escape
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

NAMESPACE = "https://stylecli.org/ns/1.0/"
LONGEST = 2**22
"""Bytes of a packet; as a tree it takes fifty times as many."""

_SETTINGS = f"{{{NAMESPACE}}}settings"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_ORIENTATION = "{http://ns.adobe.com/tiff/1.0/}Orientation"
_BLOCK = (
    f'<rdf:Description rdf:about="" xmlns:stylecli="{NAMESPACE}"><stylecli:settings>'.encode(),
    b"</stylecli:settings></rdf:Description>",
)
FRESH = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_PREFIXES = {
    "x": "adobe:ns:meta/",
    "rdf": _RDF[1:-1],
    "tiff": _ORIENTATION[1:].partition("}")[0],
    "exif": "http://ns.adobe.com/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "crs": "http://ns.adobe.com/camera-raw-settings/1.0/",
}
for _prefix, _uri in _PREFIXES.items():
    ElementTree.register_namespace(_prefix, _uri)


def clean_xmp(xmp: bytes) -> bytes | None:
    """The XMP packet to carry: upright, without older settings of ours; None when it is not well formed."""
    plain = re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", _without_block(xmp))
    root = parsed(plain)
    if root is None:
        return None
    # What other tools wrote stays as they wrote it, unless there is something to take out.
    return _written(root) if _cleaned(root) else plain


def _without_block(xmp: bytes) -> bytes:
    """The packet without the block that we put in, where it is as we wrote it."""
    head, found, rest = xmp.partition(_BLOCK[0])
    inside, end, tail = rest.partition(_BLOCK[1])
    return head + tail if found and end and b"<" not in inside else xmp


def _cleaned(root: Element) -> bool:
    """Takes out what is ours and turns it upright; whether there was anything to do."""
    changed = False
    for element in list(root.iter()):
        for name in [name for name in element.attrib if name.startswith(f"{{{NAMESPACE}}}")]:
            del element.attrib[name]
            changed = True
        for inner in [inner for inner in element if str(inner.tag).startswith(f"{{{NAMESPACE}}}")]:
            element.remove(inner)
            changed = True
        if element.get(_ORIENTATION, "1").strip() != "1":
            element.set(_ORIENTATION, "1")
            changed = True
        if element.tag == _ORIENTATION and (element.text or "").strip() != "1":
            element.text, changed = "1", True
    return changed


def _written(root: Element) -> bytes | None:
    try:
        written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=False)
    except (RecursionError, ValueError, TypeError):
        return None
    start, end = (FRESH.index(mark) for mark in (b"<x:", b"<?xpacket end"))
    return FRESH[:start] + written + FRESH[end:]


def xmp_with_settings(xmp: bytes | None, settings: str) -> bytes:
    """An XMP packet that holds the settings; a packet that cannot take them in is replaced by a fresh one."""
    block = _BLOCK[0] + escape(settings, quote=False).encode() + _BLOCK[1]
    for packet in (xmp, FRESH):
        head, end, tail = (packet or b"").rpartition(b"</rdf:RDF>")
        merged = head + block + end + tail
        # The end may stand in a comment, or `rdf` for something else.
        if end and settings_in(merged) == settings:
            return merged
    raise AssertionError("a fresh packet takes any settings")


def settings_in(xmp: bytes) -> str | None:
    """The settings that a packet holds, at the place where we and other writers put properties; None for none."""
    root = parsed(xmp)
    for description in root.iter(f"{_RDF}Description") if root is not None else ():
        if (inside := description.find(_SETTINGS)) is not None:
            return inside.text or ""
        if _SETTINGS in description.attrib:
            return description.attrib[_SETTINGS]
    return None


def parsed(xmp: bytes | None) -> Element | None:
    """The packet as a tree; None where it is not well formed, or longer than any that means well."""
    try:
        return fromstring(xmp.rstrip(b"\0")) if xmp and len(xmp) <= LONGEST else None
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
