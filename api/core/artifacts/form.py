"""Takes a multipart form apart, piece by piece; does no I/O itself."""

from collections.abc import Callable
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from polyfleet.api.core.errors import Invalid, TooLarge, UnsupportedMediaType

MOST_PARTS = 1_000
LARGEST_FIELDS = 64 * 1024
"""Bytes of all names and values of a form beside its file."""

_PLAIN_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary"})


class FormReader:
    """Reads a form with one file part and any number of text fields.

    After each `feed`, `take_file_data` hands over the bytes of the file that were in it. Of
    repeated parts the first counts; files under other names are passed over.
    """

    def __init__(self, content_type: str, file_field: str) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        """None until the file part has begun."""
        self.finished = False
        """Whether the closing boundary was seen."""
        self._file_field = file_field
        self._parts = 0
        self._total = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._field_name = ""
        self._field_value = bytearray()
        self._file_data: list[bytes] = []
        self._take: Callable[[bytes], None] = _ignore
        boundary = _boundary(content_type)
        self._delimiter = b"--" + boundary
        self._preamble: bytes | None = b""
        """What came before the first boundary; None once that was seen."""
        self._parser = _parser(boundary, self)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body. Raises Invalid or TooLarge."""
        if self._preamble is not None:
            data = self._past_preamble(self._preamble + data)
        try:
            self._parser.write(data)
        except FormParserError:
            raise Invalid("", "the form is malformed") from None

    def take_file_data(self) -> list[bytes]:
        """Return the bytes of the file that arrived since the last call."""
        data, self._file_data = self._file_data, []
        return data

    def on_part_begin(self) -> None:
        """Count the part and forget the one before."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise TooLarge(f"the form has more than {MOST_PARTS} parts")
        self._headers = {}
        self._field_name = ""
        self._field_value = bytearray()
        self._take = _ignore

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Give the data to whatever the part is."""
        self._take(data[start:end])

    def on_part_end(self) -> None:
        """Keep the field, unless there was one of that name."""
        if not self._field_name or self._field_name in self.fields:
            return
        try:
            self.fields[self._field_name] = self._field_value.decode()
        except UnicodeDecodeError:
            raise Invalid(self._field_name, "the value is not UTF-8 text") from None

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        """Collect a header's name."""
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        """Collect a header's value."""
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        """Keep the header, unless there was one of that name."""
        self._headers.setdefault(bytes(self._header_name).lower(), bytes(self._header_value))
        self._header_name.clear()
        self._header_value.clear()

    def on_headers_finished(self) -> None:
        """Decide what the part is and where its data goes."""
        name, filename = self._disposition()
        if self._headers.get(b"content-transfer-encoding", b"binary").lower() not in (
            _PLAIN_ENCODINGS
        ):
            raise Invalid(name, "a part with a transfer encoding cannot be read")
        if name == self._file_field:
            if not filename:
                raise Invalid(name, f"the part {name!r} must be a file with a name")
            if self.filename is None:
                self.filename = filename
                self._take = self._take_file
        elif filename is None:
            self._field_name = name
            self._count(len(name.encode()))
            self._take = self._take_field

    def on_end(self) -> None:
        """Note that the form is complete."""
        self.finished = True

    def _disposition(self) -> tuple[str, str | None]:
        header = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(header)
        name, filename = options.get(b"name"), options.get(b"filename")
        if filename is None:
            filename = _extended_filename(header)
        if kind != b"form-data" or not name:
            raise Invalid("", "a part of the form has no name")
        try:
            # What the client calls its file is not used, and may be in the client's own encoding.
            return name.decode(), None if filename is None else filename.decode(errors="replace")
        except UnicodeDecodeError:
            raise Invalid("", "the name of a part is not UTF-8 text") from None

    def _past_preamble(self, data: bytes) -> bytes:
        """Return what follows the preamble (RFC 2046), which the parser does not know."""
        if data.startswith(self._delimiter):
            self._preamble = None
            return data
        # What was searched before cannot hold it, but for the piece in which it may begin.
        known = len(self._preamble or b"") - len(self._delimiter) - 1
        found = data.find(b"\r\n" + self._delimiter, max(0, known))
        if found < 0:
            if len(data) > LARGEST_FIELDS:
                raise Invalid("", f"no part begins in the first {LARGEST_FIELDS} bytes")
            self._preamble = data
            return b""
        self._preamble = None
        return data[found + 2 :]

    def _take_file(self, data: bytes) -> None:
        self._file_data.append(data)

    def _take_field(self, data: bytes) -> None:
        self._count(len(data))
        self._field_value += data

    def _count(self, size: int) -> None:
        self._total += size
        if self._total > LARGEST_FIELDS:
            raise TooLarge(f"the fields of the form are larger than {LARGEST_FIELDS} bytes")


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType("the body must be multipart/form-data")
    boundary = options.get(b"boundary")
    if not boundary:
        raise Invalid("", "the content type names no boundary")
    return boundary


def _parser(boundary: bytes, reader: FormReader) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": reader.on_part_begin,
                "on_part_data": reader.on_part_data,
                "on_part_end": reader.on_part_end,
                "on_header_field": reader.on_header_field,
                "on_header_value": reader.on_header_value,
                "on_header_end": reader.on_header_end,
                "on_headers_finished": reader.on_headers_finished,
                "on_end": reader.on_end,
            },
        )
    except FormParserError:
        raise Invalid("", "the boundary of the form is too long") from None


def _extended_filename(header: bytes) -> bytes | None:
    """Return the file name of the form `filename*=UTF-8''…` (RFC 8187); some clients send it."""
    if b"filename*" not in header:
        return None
    message = Message()
    message["Content-Disposition"] = header.decode("latin-1")
    filename = message.get_filename()
    return filename.encode(errors="replace") if filename else None


def _ignore(_: bytes) -> None:
    """Pass over the data of a part that does not count."""
