"""Forms as clients send them, whole and broken, into a real folder."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.api.core.artifacts.store import StoredArtifact
from polyfleet.api.core.artifacts.upload import receive_upload
from polyfleet.api.core.errors import Invalid, TooLarge, UnsupportedMediaType

BOUNDARY = "------------------------0f8f9642db3a513e"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
MIB = 1024 * 1024
MAXIMUM_SIZE = 80 * MIB
DIRECTORY = "rdfm.storage.directory"


def field(name: str, value: str | bytes) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return part(f'Content-Disposition: form-data; name="{name}"', value)


def file(content: bytes, name: str = "file", filename: str = "file.img") -> bytes:
    return part(
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream",
        content,
    )


def part(headers: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


async def chunks(body: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def upload(
    store: LocalStore, body: bytes, *, size: int = 65536
) -> tuple[dict[str, str], str, StoredArtifact]:
    async with receive_upload(
        store,
        CONTENT_TYPE,
        chunks(body, size),
        maximum_size=MAXIMUM_SIZE,
        directory_field=DIRECTORY,
    ) as received:
        return received.fields, received.filename, await received.commit()


def everything_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


async def test_fields_and_file_arrive(store: LocalStore, root: Path) -> None:
    body = (
        field("rdfm.software.version", "v10")
        + field("rdfm.hardware.devtype", "dummydevice")
        + file(b"contents")
        + END
    )
    fields, filename, artifact = await upload(store, body)
    assert fields == {"rdfm.software.version": "v10", "rdfm.hardware.devtype": "dummydevice"}
    assert filename == "file.img"
    assert (root / artifact.path).read_bytes() == b"contents"


@pytest.mark.parametrize("file_first", [True, False])
async def test_the_directory_counts_wherever_its_field_stands(
    store: LocalStore, root: Path, file_first: bool
) -> None:
    parts = [file(b"contents"), field(DIRECTORY, "images")]
    body = b"".join(parts if file_first else reversed(parts)) + END
    fields, _, artifact = await upload(store, body)
    assert fields == {}
    assert artifact.path.startswith("images/")
    assert (root / artifact.path).read_bytes() == b"contents"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
async def test_it_does_not_matter_how_the_body_is_cut(
    store: LocalStore, root: Path, size: int
) -> None:
    noise = random.Random(3).randbytes(999)  # noqa: S311 - test data
    content = b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n\r\n--\r" + noise
    body = field("a", "1") + file(content) + field("b", "zwölf") + END
    fields, _, artifact = await upload(store, body, size=size)
    assert fields == {"a": "1", "b": "zwölf"}
    assert (root / artifact.path).read_bytes() == content


async def test_64_mib_arrive_unchanged(store: LocalStore, root: Path) -> None:
    content = random.Random(5).randbytes(64 * MIB)  # noqa: S311 - test data
    _, _, artifact = await upload(store, file(content) + END)
    expected = hashlib.sha256(content).hexdigest()
    assert artifact.sha256 == expected
    assert hashlib.sha256((root / artifact.path).read_bytes()).hexdigest() == expected


async def test_of_a_repeated_field_the_first_value_wins(store: LocalStore) -> None:
    fields, _, _ = await upload(store, field("a", "1") + field("a", "2") + file(b"x") + END)
    assert fields == {"a": "1"}


async def test_of_a_repeated_file_the_first_wins(store: LocalStore, root: Path) -> None:
    body = file(b"first") + file(b"second", filename="other") + END
    _, filename, artifact = await upload(store, body)
    assert filename == "file.img"
    assert (root / artifact.path).read_bytes() == b"first"


async def test_files_under_other_names_are_passed_over(store: LocalStore, root: Path) -> None:
    fields, _, artifact = await upload(store, file(b"no", name="logo") + file(b"yes") + END)
    assert fields == {}
    assert (root / artifact.path).read_bytes() == b"yes"


async def test_an_empty_file_arrives(store: LocalStore) -> None:
    _, _, artifact = await upload(store, file(b"") + END)
    assert artifact.size == 0


async def test_what_follows_the_closing_boundary_is_ignored(store: LocalStore) -> None:
    _, _, artifact = await upload(store, file(b"x") + END + b"epilogue")
    assert artifact.size == 1


BROKEN = {
    "no body": b"",
    "no parts": END,
    "no file": field("a", "1") + END,
    "a file without a filename": field("file", "contents") + END,
    "a file with an empty filename": file(b"x", filename="") + END,
    "another boundary": (file(b"x") + END).replace(BOUNDARY.encode(), b"other"),
    "no closing boundary": file(b"x" * 3 * MIB),
    "cut within the file": file(b"x" * 3 * MIB)[: 2 * MIB],
    "cut within the headers": file(b"x")[:60],
    "cut within the boundary": file(b"x" * 3 * MIB) + END[:20],
    "a part without a name": part("Content-Disposition: form-data", b"x") + file(b"x") + END,
    "a part without a disposition": part("Content-Type: text/plain", b"x") + file(b"x") + END,
    "a part that is no form data": part('Content-Disposition: attachment; name="a"', b"") + END,
    "a value that is no text": field("a", b"\xff\xfe") + file(b"x") + END,
    "a name that is no text": b'--%b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n'
    % BOUNDARY.encode()
    + END,
    "an encoded part": part(
        'Content-Disposition: form-data; name="file"; filename="f"\r\n'
        "Content-Transfer-Encoding: base64",
        b"eA==",
    )
    + END,
    "a broken header": part("Content Disposition", b"x") + END,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_form_is_refused_and_leaves_nothing(
    store: LocalStore, root: Path, body: bytes
) -> None:
    with pytest.raises(Invalid):
        await upload(store, body)
    assert everything_below(root) == []


LARGE = {
    "too many parts": field("a", "1") * 1001 + file(b"x") + END,
    "a large field": field("a", "x" * 65_536) + file(b"x") + END,
    "many fields, large together": b"".join(field(f"f{i}", "x" * 8000) for i in range(9)) + END,
    "long names, large together": b"".join(
        field(f"{i}".rjust(3000, "n"), "") for i in range(30)
    )
    + END,
    "a large file": file(b"x" * (MAXIMUM_SIZE + 1)) + END,
    "a large file that is passed over": file(b"x" * (MAXIMUM_SIZE + 2 * MIB), name="other") + END,
    "a long epilogue": file(b"x") + END + b"x" * (MAXIMUM_SIZE + 2 * MIB),
}  # fmt: skip


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
async def test_a_form_that_is_too_large_is_refused_and_leaves_nothing(
    store: LocalStore, root: Path, body: bytes
) -> None:
    with pytest.raises(TooLarge):
        await upload(store, body)
    assert everything_below(root) == []


async def test_the_largest_allowed_form_is_taken(store: LocalStore) -> None:
    body = b"".join(field(f"f{i}", "x" * 50) for i in range(999)) + file(b"x") + END
    fields, _, _ = await upload(store, body)
    assert len(fields) == 999


async def test_one_field_may_be_as_large_as_all_may_be(store: LocalStore) -> None:
    fields, _, _ = await upload(store, field("a", "x" * 65_535) + file(b"x") + END)
    assert fields == {"a": "x" * 65_535}


async def test_a_file_may_be_called_what_the_client_likes(store: LocalStore) -> None:
    body = file(b"x", filename="?").replace(b"?", b"f\xfcr.img") + END
    _, filename, _ = await upload(store, body)
    assert filename == "f\ufffdr.img"


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=x"])
async def test_other_content_types_are_refused(store: LocalStore, content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        async with receive_upload(store, content_type, chunks(b""), maximum_size=1):
            pass


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "x" * 300])
async def test_a_boundary_of_no_use_is_refused(store: LocalStore, boundary: str) -> None:
    with pytest.raises(Invalid):
        async with receive_upload(
            store, "multipart/form-data" + boundary, chunks(b""), maximum_size=1
        ):
            pass


async def test_a_bad_directory_is_refused_and_leaves_nothing(store: LocalStore, root: Path) -> None:
    for body in (
        field(DIRECTORY, "../up") + file(b"x") + END,
        file(b"x" * 3 * MIB) + field(DIRECTORY, "../up") + END,
    ):
        with pytest.raises(Invalid):
            await upload(store, body)
    assert everything_below(root) == []


async def test_an_upload_that_is_not_committed_leaves_nothing(
    store: LocalStore, root: Path
) -> None:
    body = file(b"x" * 3 * MIB) + END
    async with receive_upload(store, CONTENT_TYPE, chunks(body), maximum_size=MAXIMUM_SIZE):
        pass
    assert everything_below(root) == []


class ClientGoneError(Exception):
    """What the server raises when the connection is lost."""


async def test_a_client_that_vanishes_leaves_nothing(store: LocalStore, root: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunks(file(b"x" * 3 * MIB)[: 2 * MIB]):
            yield chunk
        raise ClientGoneError

    with pytest.raises(ClientGoneError):
        async with receive_upload(store, CONTENT_TYPE, body(), maximum_size=MAXIMUM_SIZE):
            pass
    assert everything_below(root) == []


async def test_a_cancelled_upload_leaves_nothing(store: LocalStore, root: Path) -> None:
    halfway = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunks(file(b"x" * 3 * MIB)[: 2 * MIB]):
            yield chunk
        halfway.set()
        await asyncio.Event().wait()

    async def run() -> None:
        async with receive_upload(store, CONTENT_TYPE, body(), maximum_size=MAXIMUM_SIZE):
            pass

    task = asyncio.create_task(run())
    await halfway.wait()
    assert len(everything_below(root)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert everything_below(root) == []


async def test_a_client_that_stops_sending_is_given_up(store: LocalStore, root: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield file(b"x" * MIB)
        await asyncio.Event().wait()

    with pytest.raises(Invalid, match="nothing more"):
        async with receive_upload(
            store, CONTENT_TYPE, body(), maximum_size=MAXIMUM_SIZE, idle_seconds=0.05
        ):
            pass
    assert everything_below(root) == []


async def test_the_next_chunk_is_asked_for_only_when_the_last_is_stored(
    store: LocalStore, root: Path
) -> None:
    sent = 0
    most_behind = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent, most_behind
        yield file(b"")[:-2]
        for _ in range(100):
            on_disk = sum(path.stat().st_size for path in (root / ".incoming").iterdir())
            most_behind = max(most_behind, sent - on_disk)
            sent += 65536
            yield b"x" * 65536
        yield b"\r\n" + END

    async with receive_upload(store, CONTENT_TYPE, body(), maximum_size=MAXIMUM_SIZE) as received:
        assert (await received.commit()).size == 100 * 65536
    assert most_behind <= 2 * MIB
