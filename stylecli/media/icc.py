"""ICC profiles of three primaries and curves, read and written without loss.

    XYZ = M t(code),    M's columns are the primaries under D50,    t is the curve of each channel

LittleCMS rounds curves and matrices of integer pictures to 16 bits and clips colors to [0, 1]; here nothing is either.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
D65 = (0.3127, 0.329)
SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65)


@dataclass(frozen=True)
class Curve:
    """From codes to light: `(a x + b)^g + e` from d on and `c x + f` below, or the values of a table.

    Attributes:
        params: g, a, b, c, d, e, f.
        table: At even steps from 0 to 1; None where the formula holds.
    """

    params: tuple[float, ...] = (1, 1, 0, 1, 0, 0, 0)
    table: np.ndarray | None = None

    def light(self, codes: np.ndarray) -> np.ndarray:
        """Linear values of codes in [0, 1], of any shape."""
        if self.table is not None:
            made: np.ndarray = np.interp(codes, np.linspace(0, 1, len(self.table)), self.table)
            return made
        g, a, b, c, d, e, f = self.params
        return np.where(codes >= d, np.maximum(a * codes + b, 0) ** g + e, c * codes + f)

    def codes(self, light: np.ndarray) -> np.ndarray:
        """The codes of linear values, which may lie a little beyond the curve's range."""
        if self.table is not None:
            made: np.ndarray = np.interp(light, np.maximum.accumulate(self.table), np.linspace(0, 1, len(self.table)))
            return made
        g, a, b, c, d, e, f = self.params
        above = (np.maximum(light - e, 0) ** (1 / g) - b) / a
        below = (light - f) / c if c else np.zeros_like(light)
        return np.where(light >= max(a * d + b, 0) ** g + e, above, below)

    @property
    def rises(self) -> bool:
        """Whether every light has one code."""
        if self.table is not None:
            return bool((np.diff(self.table) >= 0).all() and self.table[-1] > self.table[0])
        g, a, *_ = self.params
        return g > 0 and a > 0


@dataclass(frozen=True)
class Shaper:
    """An RGB profile of primaries and curves: `matrix` [3, 3] from light to XYZ under D50, and a curve a channel."""

    matrix: np.ndarray
    curves: tuple[Curve, Curve, Curve]

    @property
    def invertible(self) -> bool:
        """Whether every color has one code."""
        return abs(np.linalg.det(self.matrix)) > 1e-6 and all(curve.rises for curve in self.curves)


def shaper(profile: bytes) -> Shaper | None:
    """What an RGB profile does; None for one of tables.

    Raises:
        ValueError: Damaged.
    """
    tags = _tags(profile)
    names = [f"{channel}{kind}".encode() for kind in ("XYZ", "TRC") for channel in "rgb"]
    # Where there are tables, they count.
    if b"A2B0" in tags or not set(names) <= set(tags) or profile[20:24] != b"XYZ ":
        return None
    columns = [_numbers(tags[name], 3) for name in names[:3]]
    red, green, blue = (curve(tags[name]) for name in names[3:])
    matrix = np.array(columns).T
    if not np.isfinite(matrix).all():
        raise ValueError("primaries")
    return Shaper(matrix, (red, green, blue))


def gray_curve(profile: bytes) -> Curve | None:
    """The curve of a gray profile; None where it has none.

    Raises:
        ValueError: Damaged.
    """
    tags = _tags(profile)
    return curve(tags[b"kTRC"]) if b"kTRC" in tags else None


def curve(tag: bytes) -> Curve:
    """A tone curve of its tag.

    Raises:
        ValueError: Damaged, or of an unknown kind.
    """
    if len(tag) < 12:
        raise ValueError("curve")
    kind, (count,) = tag[:4], struct.unpack(">I", tag[8:12])
    if kind == b"para":
        return Curve(_parametric(int.from_bytes(tag[8:10], "big"), tag[12:]))
    if kind != b"curv" or len(tag) < 12 + 2 * count:
        raise ValueError("curve")
    if count == 0:
        return Curve()
    values = np.frombuffer(tag, ">u2", count, 12)
    return Curve((float(values[0]) / 256, 1, 0, 0, 0, 0, 0)) if count == 1 else Curve(table=values / 65535)


def _parametric(kind: int, data: bytes) -> tuple[float, ...]:
    if kind > 4:
        raise ValueError("curve")
    count = (1, 3, 4, 5, 7)[kind]
    if len(data) < 4 * count:
        raise ValueError("curve")
    given = [value / 65536 for value in struct.unpack(f">{count}i", data[: 4 * count])]
    g, a, b, *rest = given if count > 1 else (given[0], 1.0, 0.0)
    if g <= 0 or a == 0:
        raise ValueError("curve")
    match kind:
        case 0:
            return g, 1, 0, 0, 0, 0, 0
        case 1:
            return g, a, b, 0, -b / a, 0, 0
        case 2:
            return g, a, b, 0, -b / a, rest[0], rest[0]
        case 3:
            return g, a, b, rest[0], rest[1], 0, 0
    return g, a, b, *rest


def _tags(profile: bytes) -> dict[bytes, bytes]:
    if len(profile) < 132 or profile[36:40] != b"acsp":
        raise ValueError("no profile")
    (count,) = struct.unpack(">I", profile[128:132])
    if count > 200 or len(profile) < 132 + 12 * count:
        raise ValueError("tags")
    entries = (struct.unpack(">4sII", profile[at : at + 12]) for at in range(132, 132 + 12 * count, 12))
    return {name: profile[start : start + size] for name, start, size in entries}


def _numbers(tag: bytes, count: int) -> list[float]:
    if tag[:4] != b"XYZ " or len(tag) < 8 + 4 * count:
        raise ValueError("numbers")
    return [value / 65536 for value in struct.unpack(f">{count}i", tag[8 : 8 + 4 * count])]


def primaries_matrix(points: Sequence[float]) -> np.ndarray:
    """[3, 3] from light to XYZ, adapted to D50 (Bradford), of x, y of red, green, blue and white.

    Raises:
        ValueError: They span no space of colors.
    """
    x, y = np.array(points[::2], float), np.array(points[1::2], float)
    if (y[3] <= 0) or not np.isfinite([*x, *y]).all():
        raise ValueError("primaries")
    columns = np.stack([x, y, 1 - x - y])
    white = columns[:, 3] / y[3]
    try:
        matrix = columns[:, :3] * np.linalg.solve(columns[:, :3], white)
        cone, wanted = _BRADFORD @ white, _BRADFORD @ D50
        return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(wanted / cone) @ _BRADFORD @ matrix)
    except np.linalg.LinAlgError as error:
        raise ValueError("primaries") from error


SRGB = Shaper(primaries_matrix(SRGB_PRIMARIES), (Curve((*SRGB_CURVE, 0, 0)),) * 3)


def written(name: str, points: Sequence[float], transfer: tuple[float, ...] | np.ndarray) -> bytes:
    """A profile of version 4 of primaries, as for `primaries_matrix`, and a curve: gamma, parameters or a table.

    Raises:
        ValueError: They span no space of colors.
    """
    fixed: Callable[[Iterable[float]], bytes] = lambda values: b"".join(
        struct.pack(">i", round(float(value) * 65536)) for value in values
    )
    text: Callable[[str], bytes] = lambda words: (
        b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 25966, 21843, 2 * len(words), 28) + words.encode("utf-16-be")
    )
    if isinstance(transfer, np.ndarray):
        tone = b"curv" + struct.pack(">II", 0, len(transfer)) + np.rint(transfer * 65535).astype(">u2").tobytes()
    else:
        tone = b"para" + struct.pack(">IHH", 0, 0 if len(transfer) == 1 else 3, 0) + fixed(transfer)
    matrix = primaries_matrix(points)
    parts = {b"desc": text(name), b"cprt": text("no copyright, use freely"), b"wtpt": b"XYZ \0\0\0\0" + fixed(D50)}
    parts |= {f"{channel}XYZ".encode(): b"XYZ \0\0\0\0" + fixed(matrix[:, i]) for i, channel in enumerate("rgb")}
    parts |= {f"{channel}TRC".encode(): tone for channel in "rgb"}
    table, body, at, start = b"", b"", {}, 132 + 12 * len(parts)
    for tag, data in parts.items():
        if data not in at:
            at[data] = start + len(body)
            body += data + b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", tag, at[data], len(data))
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"", 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp")
    head = head.ljust(68, b"\0") + fixed(D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(parts)) + table + body
