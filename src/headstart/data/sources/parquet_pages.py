"""The sizes of a Parquet file's pages, read from the headers of the pages themselves.

A file's description says sizes too, but a reader believes the headers. They are written in Thrift's compact protocol:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md, their fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_KIND, _SIZE, _PACKED = 1, 2, 3
_DICTIONARY = 2
_LONGEST_HEADER = 2**16
_TRUE, _FALSE, _BYTE, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 6, 7, 8, 9, 10, 11, 12


def pages(file: BinaryIO, start: int, length: int) -> Iterator[tuple[bool, int]]:
    """Yield the pages of one column in one group of rows: whether it is a dictionary, and its bytes unpacked.

    Args:
        file: to read from.
        start: of its first page.
        length: bytes of all its pages, packed.

    Raises:
        ValueError: there is something else.
    """
    place = start
    while place < start + length:
        file.seek(place)
        header = _Header(file.read(_LONGEST_HEADER))
        try:
            found = header.numbers()
            kind, size, packed = found[_KIND], found[_SIZE], found[_PACKED]
        except (IndexError, KeyError):
            raise ValueError("a page has no header") from None
        if size < 0 or packed < 0:
            raise ValueError("a page has a size below 0")
        yield kind == _DICTIONARY, size
        place += header.place + packed


class _Header:
    """Reads one structure.

    Args:
        raw: bytes that begin with it.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw, self.place = raw, 0

    def numbers(self, depth: int = 0) -> dict[int, int]:
        """Return the whole numbers of the structure by field; all else is passed over."""
        found: dict[int, int] = {}
        field = 0
        while byte := self._byte():
            kind, step = byte & 15, byte >> 4
            field = field + step if step else _signed(self._varint())
            value = self._value(kind, depth)
            if value is not None:
                found[field] = value
        return found

    def _value(self, kind: int, depth: int) -> int | None:
        if depth > 8:
            raise ValueError("a page's header is too deep")
        if kind in (_TRUE, _FALSE):
            return None
        if _BYTE < kind <= _I64:
            return _signed(self._varint())
        if kind == _STRUCT:
            self.numbers(depth + 1)
        elif kind in (_LIST, _SET):
            self._items(depth)
        elif kind in (_BYTE, _DOUBLE, _BINARY):
            length = {_BYTE: 1, _DOUBLE: 8}.get(kind) or self._varint()
            self.place += length
        else:
            raise ValueError(f"a page's header has a field of kind {kind}")
        return None

    def _items(self, depth: int) -> None:
        byte = self._byte()
        count, kind = byte >> 4, byte & 15
        for _ in range(self._varint() if count == 15 else count):
            if kind in (_TRUE, _FALSE):
                self.place += 1
            else:
                self._value(kind, depth + 1)

    def _byte(self) -> int:
        self.place += 1
        return self._raw[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a page's header has a number of more than 10 bytes")


def _signed(value: int) -> int:
    """Undo Thrift's zigzag: 0, 1, 2, 3 are 0, -1, 1, -2."""
    return (value >> 1) ^ -(value & 1)
