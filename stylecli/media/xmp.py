"""XMP packets: what is carried of them, and the settings of ours in them."""

import re
from html import escape
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

NAMESPACE = "https://stylecli.org/ns/1.0/"
MOST = 8
"""Mentions of settings in a packet; more of them are no work of ours, and slow to take out."""

_OURS = re.compile(
    rb'<rdf:Description rdf:about="" xmlns:stylecli="[^"]*"><stylecli:settings>.*?</rdf:Description>'
    rb'|<stylecli:settings>.*?</stylecli:settings>|\sstylecli:settings="[^"]*"',
    re.DOTALL,
)
FRESH = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def clean_xmp(xmp: bytes) -> bytes | None:
    """The XMP packet to carry: upright, without older settings of ours; None when it is not well formed."""
    if parsed(xmp) is None:
        return None
    if xmp.count(b"stylecli:settings") > MOST:
        return None
    return re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", _OURS.sub(b"", xmp))


def xmp_with_settings(xmp: bytes | None, settings: str) -> bytes:
    """An XMP packet that holds the settings; a packet that cannot take them in is replaced by a fresh one."""
    block = (
        f'<rdf:Description rdf:about="" xmlns:stylecli="{NAMESPACE}"><stylecli:settings>{escape(settings, quote=False)}'
        "</stylecli:settings></rdf:Description>"
    ).encode()
    for packet in (xmp, FRESH):
        head, end, tail = (packet or b"").rpartition(b"</rdf:RDF>")
        merged = head + block + end + tail
        if end and parsed(merged) is not None:
            return merged
    raise AssertionError("a fresh packet takes any settings")


def settings_in(xmp: bytes) -> str | None:
    """The settings that a packet holds; None for none."""
    root = parsed(xmp)
    for element in root.iter() if root is not None else ():
        if element.tag == f"{{{NAMESPACE}}}settings":
            return element.text
        if f"{{{NAMESPACE}}}settings" in element.attrib:
            return element.attrib[f"{{{NAMESPACE}}}settings"]
    return None


def parsed(xmp: bytes | None) -> Element | None:
    """The packet as a tree; None where it is not well formed."""
    try:
        return fromstring(xmp.rstrip(b"\0")) if xmp else None
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
