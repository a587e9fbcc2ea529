"""What a server meets that is open to the world: for every place of a request something odd."""

from typing import Any

NO_HTTP = b'{"error":"Invalid HTTP request received."}\n'
"""What the server itself answers to a request that it cannot read."""

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**18,
    2**63,
    2**70,
    "",
    " ",
    "\x00",
    "\x7f",
    "\ud800",
    "é" * 3000,
    "../../etc/passwd",
    "a\r\nSet-Cookie: b=c",
    [],
    [None],
    [[]],
    [""],
    ["\x00"],
    {},
    {"": ""},
    {"\x00": 1},
    {"a": {"b": [None]}},
)
"""What each field of a body is set to."""

BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a text": b'"x"',
    "a number": b"1",
    "a list": b"[]",
    "an object": b"{}",
    "a list of nulls": b"[null, null]",
    "a list of lists": b"[[], [[]]]",
    "no JSON": b"{'a': 1}",
    "cut off": b'{"a": [1, 2',
    "no number": b'{"a": NaN}',
    "an endless number": b'{"a": 1e999, "b": -1e999}',
    "a huge integer": b'{"a": ' + b"9" * 4000 + b"}",
    "no UTF-8": b'{"a": "\xff\xfe", "\xc3": 1}',
    "half a surrogate": b'{"\\ud800": "\\udc00\\ud800"}',
    "a zero character": b'{"\\u0000": "\\u0000", "a": "\x00"}',
    "a name twice": b'{"metadata": {}, "metadata": 1, "add": [], "add": 2, "id": 1, "id": "x"}',
    "deep lists": b"[" * 20_000 + b"]" * 20_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
}
LARGE = b'{"a": "' + b"a" * (3 * 1024 * 1024) + b'"}'
TYPES = (
    b"text/plain",
    b"application/xml",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=x",
    b"application/x-www-form-urlencoded",
    b"application/json;",
    b"application/json; charset=utf-16",
    b"application/json; charset=\xff",
    b"/",
    b"\xff",
    b"a" * 5000,
)
SEGMENTS = (
    "%00",
    "%ff",
    "%ed%a0%80",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc",
    "a%2fb",
    "%0d%0aX-Injected:%20y",
    "%",
    "%zz",
    "~",
    "~~",
    "~known~known",
    "~%00~",
    "-1",
    "0",
    "9" * 14,
    "9" * 15,
    "9" * 40,
    "a" * 4000,
    "%c3%a9" * 400,
    "%F0%9F%92%A5",
    "%20",
    ";",
    "*",
    "a%3Fb",
    "a%23b",
    "{}",
    "1e3",
    "%D9%A3",
)
QUERIES = (
    "",
    "%00",
    "%ff",
    "%ed%a0%80",
    "-1",
    "0",
    "1.5",
    "9" * 30,
    "a" * 4000,
    "%0d%0aX-Injected:%20y",
    "null",
    "true",
    "a:b:c:d",
    "::",
    "!",
    ",",
    "a%20in%20(",
    "a%20in%20(b",
    "=",
    "==",
    "%C3%A9",
)
CREDENTIALS = (
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer token=",
    b"Bearer \xff\xfe",
    b"Basic",
    b"Basic !",
    b"Basic Og==",
    b"Basic /////w==",
    b"Bearer a.b.c",
    b"Bearer " + b"a" * 9000,
    b"token x",
    b"Nonsense x",
    b"Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
    b"Bearer e30.W10.",
    b"Bearer \x7f",
    b"Digest a=b",
)
HEADERS = (
    ("X-Request-Id", b"a\xffb"),
    ("X-Request-Id", b"a" * 5000),
    ("X-MEN-RequestID", b"\xff\xfe"),
    ("X-MEN-RequestID", b"a" * 5000),
    ("X-MEN-RequestID", b'"\\{}'),
    ("Host", b"a b\xff/\\"),
    ("X-Forwarded-For", b"\xff, ,,::"),
    ("X-Forwarded-Proto", b"java\xff"),
    ("X-Forwarded-Host", b"a\xff"),
    ("Origin", b"\xff"),
    ("Accept", b"\xff/*"),
    ("Range", b"bytes=\xff-"),
    ("Cookie", b"\xff=\xff;;;"),
    ("Expect", b"100-continue"),
    ("Content-Encoding", b"gzip"),
    ("X-RDFM-Device-Signature", b"\xff"),
    ("If-Match", b"\xff"),
    ("If-None-Match", b"*"),
    ("Upgrade", b"websocket"),
)


TEXTS = (
    "",
    "\x00",
    "\ud83d",
    '"',
    "a\r\nb",
    "../x",
    "é" * 300,
    "rdfm.storage.directory",
    "a" * 70_000,
)


def form(fields: dict[Any, bytes | str]) -> bytes:
    """Return the parts of a form, its last one too, with the boundary `b`."""
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (_encoded(name), _encoded(value))
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--b--\r\n"


def _encoded(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="surrogatepass")


_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
_NAMES = {"rdfm.software.version": b"v1", "rdfm.hardware.devtype": b"dummy"}
FORMS: dict[str, bytes] = {
    "an empty form": b"--b--\r\n",
    "no form": b"nothing",
    "a form cut off": _HEAD + b"\r\nabc",
    "a form without a file": form(dict(_NAMES)),
    "a file without a name": form({"file": b"x"}),
    "two files": _HEAD + b"\r\nx\r\n" + _HEAD + b"\r\ny\r\n" + form(dict(_NAMES)),
    "an empty file": _HEAD + b"\r\n\r\n" + form(dict(_NAMES)),
    "a file name that leads out": _HEAD.replace(b'"f"', b'"../../etc/passwd"')
    + b"\r\nx\r\n"
    + form({**_NAMES, "rdfm.storage.directory": b"../../tmp"}),
    "a directory of zeros": _HEAD
    + b"\r\nx\r\n"
    + form({**_NAMES, "rdfm.storage.directory": b"a\x00b"}),
    "a field of no UTF-8": _HEAD
    + b"\r\nx\r\n"
    + form({**_NAMES, "rdfm.software.version": b"\xff\xfe"}),
    "a field of a zero": _HEAD + b"\r\nx\r\n" + form({**_NAMES, "x": b"\x00"}),
    "a field twice": form(dict(_NAMES)).removesuffix(b"--b--\r\n") + form(dict(_NAMES)),
    "a long field": _HEAD + b"\r\nx\r\n" + form({**_NAMES, "x": b"a" * 300_000}),
    "many fields": form({f"x{number}": b"y" for number in range(3000)}),
    "a part without a head": b"--b\r\n\r\nx\r\n--b--\r\n",
    "a part of a long head": b"--b\r\nX: " + b"a" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n",
    "a part of no UTF-8": form({b"\xff": b"x"}),
    "a whole form": _HEAD + b"\r\nx\r\n" + form(dict(_NAMES)),
}
"""Bodies for `multipart/form-data; boundary=b`."""
