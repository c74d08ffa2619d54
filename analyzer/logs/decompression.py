"""Opens a log, compressed or in UTF-16 or neither, as one stream of its bytes.

gzip, bzip2, xz and zstd are recognized by their first bytes, since names lie after a rotation. A broken
archive gives all that could be decompressed, and one sentence on the rest.
"""

from __future__ import annotations

import codecs
import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore]
    from typing import BinaryIO

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


class Packing(NamedTuple):
    """A way to pack: its name, the first bytes, and what opens it. All take several frames."""

    name: str
    magic: bytes
    module: str
    """Loaded where a log is packed so: four of them take longer than Python itself."""
    opener: str
    error: str | None = None
    """The module's own, beside EOFError, OSError and zlib.error."""


PACKINGS = (
    Packing("gzip", b"\x1f\x8b", "gzip", "open"),
    Packing("bzip2", b"BZh", "bz2", "BZ2File"),
    Packing("xz", b"\xfd7zXZ\x00", "lzma", "LZMAFile", "LZMAError"),
    Packing("zstd", b"\x28\xb5\x2f\xfd", ZSTD, "ZstdFile", "ZstdError"),
    # A file may also begin with a skippable frame: RFC 8878, section 3.1.2.
    *(
        Packing("zstd", bytes([0x50 + number]) + b"\x2a\x4d\x18", ZSTD, "ZstdFile", "ZstdError")
        for number in range(16)
    ),
)
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MAGIC_BYTES = 6


class Unpacked(io.RawIOBase):
    """The bytes inside a packed stream; ends where no more can be unpacked and says why."""

    def __init__(self, stream: BinaryIO, packing: Packing) -> None:
        self.broken: str | None = None
        module = import_module(packing.module)
        self._inner = getattr(module, packing.opener)(stream)
        own = () if packing.error is None else (getattr(module, packing.error),)
        self._errors = (EOFError, import_module("zlib").error, *own)
        self._name = packing.name

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a part of ``buffer``; 0 at the end. Raises OSError where the file cannot be read."""
        view = memoryview(buffer)
        try:
            # read1: read() would throw away what it had when the archive breaks off.
            content = self._inner.read1(len(view)) if self.broken is None else b""
        except OSError as error:
            if error.errno is not None:  # the disk's own, not the unpacker's
                raise
            return self._break(error)
        except self._errors as error:
            return self._break(error)
        view[: len(content)] = content
        return len(content)

    def _break(self, error: Exception) -> int:
        cut = isinstance(error, EOFError)
        what = "is cut off here" if cut else f"cannot be unpacked from here on: {error}"
        self.broken = f"the {self._name} file {what}"
        return 0


class Transcoded(io.RawIOBase):
    """The text of a UTF-16 stream, as PowerShell's ``>`` writes it, in UTF-8."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._kept = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill a part of ``buffer``; 0 at the end. Raises OSError where the file cannot be read."""
        view = memoryview(buffer)
        while not self._kept:
            content = self._stream.read(len(view) // 2 + 2)
            text = self._decoder.decode(content, final=not content)
            self._kept = text.encode("utf-8", "replace")
            if not content:
                break
        taken, self._kept = self._kept[: len(view)], self._kept[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


def open_log(stream: io.BufferedReader) -> BinaryIO:
    """Return what is packed in ``stream``, or ``stream`` itself. Raises OSError."""
    start = stream.peek(MAGIC_BYTES)
    for packing in PACKINGS:
        if start.startswith(packing.magic):
            return Unpacked(stream, packing)  # type: ignore[return-value] # reads bytes like one
    if start.startswith(UTF_16):
        return Transcoded(stream)  # type: ignore[return-value] # reads bytes like one
    return stream


def is_packed(start: bytes) -> bool:
    """Whether a file that begins with ``start`` can be read from its first byte only."""
    return start.startswith(UTF_16) or any(start.startswith(packing.magic) for packing in PACKINGS)
