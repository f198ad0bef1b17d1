"""The one picture in a multipart form, within bounds on its parts and their headers."""

from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from alexnet.serve.limits import Limits
from alexnet.serve.refusal import RefusalError, bad

LONGEST_FIELD = 100  # bytes of a field that is no picture


class Form:
    """A form's picture and its short fields."""

    def __init__(self, body: bytes, content_type: str, limits: Limits) -> None:
        """Errors: RefusalError for a damaged form, too many parts, or not exactly one picture."""
        self.fields: dict[str, str] = {}
        self._pictures: list[bytes] = []
        self._limits = limits
        self._parts = 0
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary or len(boundary) > 70:  # RFC 2046, 5.1.1
            raise bad("a multipart body needs its boundary in Content-Type, at most 70 characters")
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name_part,
                "on_header_value": self._header_value_part,
                "on_header_end": self._header_end,
                "on_part_data": self._data_part,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
            max_header_count=8,
            max_header_size=4096,
        )
        self._whole = False
        try:
            parser.write(body)
            parser.finalize()
        except FormParserError as error:
            raise bad(f"a damaged form: {error}") from error
        if not self._whole:
            raise bad("a damaged form: it ends before its last boundary")

    @property
    def picture(self) -> bytes:
        """Errors: RefusalError if there is none, or more than one."""
        if len(self._pictures) != 1:
            raise bad(f"the form holds {len(self._pictures)} files; send one picture: curl -F file=@picture.jpg")
        return self._pictures[0]

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a form of more than {self._limits.max_parts} parts"
            )
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value, self._data = bytearray(), bytearray(), bytearray()

    def _header_name_part(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _data_part(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"filename" in options or len(self._data) > LONGEST_FIELD:
            self._pictures.append(bytes(self._data))
        else:
            self.fields[options.get(b"name", b"").decode("utf-8", "replace")] = self._data.decode("utf-8", "replace")

    def _finish(self) -> None:
        self._whole = True
