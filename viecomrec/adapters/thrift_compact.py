"""Stepping through structs of Thrift's compact protocol without knowing all their fields.

Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Callable, Mapping

_BYTE, _DOUBLE, _BINARY, _LIST, _STRUCT = 3, 7, 8, 9, 12
_BOOLEANS = (1, 2)
_LONG_LIST = 15


def varint(value: int) -> bytes:
    """Seven bits to a byte, the lowest first; every byte but the last has its high bit set."""
    digits = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def read_varint(digits: bytes) -> int:
    value = 0
    for digit in reversed(digits):
        value = value << 7 | digit & 0x7F
    return value


def list_of_structs(n: int) -> bytes:
    """What stands before the elements of a list of structs."""
    if n < _LONG_LIST:
        return bytes([n << 4 | _STRUCT])
    return bytes([_LONG_LIST << 4 | _STRUCT]) + varint(n)


class Walk:
    """A position in the bytes of a struct."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0
        self.field_start = 0
        self._kind = 0

    def struct(self, visit: Mapping[int, Callable[[], object]]) -> None:
        """Step through a struct; fields that nobody visits are skipped."""
        number = 0
        while True:
            self.field_start = self.position
            byte = self._byte()
            if byte == 0:
                return
            self._kind = byte & 0x0F
            number = number + (byte >> 4) if byte >> 4 else self.number() // 2
            visit.get(number, self.skip)()

    def elements(self, visit: Callable[[], object]) -> None:
        """Step through a list of structs."""
        _, n = self._list()
        for _ in range(n):
            visit()

    def skip(self) -> None:
        """Step over the value of the field."""
        self._skip(self._kind, in_list=False)

    def number(self) -> int:
        """Step over a number: of a whole number with a sign it is the double, or one less."""
        start = self.position
        while self._byte() & 0x80:
            pass
        return read_varint(self.content[start : self.position])

    def _skip(self, kind: int, *, in_list: bool) -> None:
        if kind in _BOOLEANS:
            self.position += in_list  # the kind of a field is its value already
        elif kind == _BYTE:
            self.position += 1
        elif kind == _DOUBLE:
            self.position += 8
        elif kind == _BINARY:
            length = self.number()
            self.position += length
        elif kind == _LIST:
            element, n = self._list()
            for _ in range(n):
                self._skip(element, in_list=True)
        elif kind == _STRUCT:
            self.struct({})
        else:
            self.number()

    def _list(self) -> tuple[int, int]:
        byte = self._byte()
        size = byte >> 4
        return byte & 0x0F, self.number() if size == _LONG_LIST else size

    def _byte(self) -> int:
        self.position += 1
        return self.content[self.position - 1]
