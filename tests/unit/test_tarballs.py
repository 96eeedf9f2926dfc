import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kafab.adapters.store.tarballs import assemble, digests, inspect
from kafab.events import Event, silent
from kafab.model import Version
from kafab.releases.archive import Refused
from kafab.releases.names import release_for

NAME = release_for(Version(3, 9, 2))
CLIENTS = f"{NAME}/libs/kafka-clients-3.9.2.jar"


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return one member to pack; ``fields`` are TarInfo's."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


GOOD = (entry(str(NAME), type=tarfile.DIRTYPE, mode=0o755), entry(CLIENTS, b"jar" * 1000))


def packed(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return the bytes of an uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return buffer.getvalue()


def looked_at(folder: Path, content: bytes) -> str:
    """Return what ``inspect`` says of a file with this content."""
    file = folder / "given"
    file.write_bytes(content)
    return str(inspect(file, silent))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("press", [gzip.compress, bytes], ids=["tgz", "tar"])
def test_sound_archive_is_named(tmp_path: Path, form: int, press: Callable[[bytes], bytes]) -> None:
    """Each common tar format, compressed or not, is read to its end and named."""
    assert looked_at(tmp_path, press(packed(*GOOD, form=form))) == str(NAME)


def test_archive_of_the_tar_command_is_accepted(tmp_path: Path) -> None:
    """What an operator packs with plain tar is a release."""
    jar = tmp_path / CLIENTS
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"jar")
    (jar.parent / "clients.jar").symlink_to(jar.name)
    subprocess.run(["tar", "-czf", "x.tgz", str(NAME)], cwd=tmp_path, check=True)
    assert str(inspect(tmp_path / "x.tgz", silent)) == str(NAME)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (entry("../x"), r"'\.\./x' has '\.\.'"),
        (entry("/etc/cron.d/x"), "'/etc/cron.d/x' has an absolute path"),
        (entry(f"{NAME}/out", type=tarfile.SYMTYPE, linkname="/etc"), "symbolic link to '/etc'"),
        (entry(f"{NAME}/out", type=tarfile.LNKTYPE, linkname="/etc/shadow"), "hard link to '/etc/shadow'"),
        (entry(f"{NAME}/null", type=tarfile.CHRTYPE), "is a device"),
        (entry(f"{NAME}/sda", type=tarfile.BLKTYPE), "is a device"),
        (entry(f"{NAME}/pipe", type=tarfile.FIFOTYPE), "is a fifo"),
        (entry(f"{NAME}/volume", type=b"V"), "is of an unknown type"),
        (entry(f"{NAME}/su", mode=0o4755), "setuid"),
        (entry(f"{NAME}/sg", mode=0o2755), "setgid"),
        (entry(CLIENTS, b"other"), "is in it twice"),
    ],
)
def test_hostile_member_of_a_real_archive_is_refused(
    tmp_path: Path, member: tuple[tarfile.TarInfo, bytes], reason: str
) -> None:
    """The header's type, mode, name and target reach the judgement."""
    with pytest.raises(Refused, match=reason):
        looked_at(tmp_path, gzip.compress(packed(*GOOD, member)))


def test_sparse_member_is_refused(tmp_path: Path) -> None:
    """GNU tar's files with holes unpack to any size from a few bytes."""
    file = tmp_path / NAME.__str__() / "holes"
    file.parent.mkdir()
    with file.open("wb") as content:
        content.truncate(1 << 30)
    subprocess.run(["tar", "-cSf", "x.tar", str(NAME)], cwd=tmp_path, check=True)
    with pytest.raises(Refused, match="is a sparse file"):
        inspect(tmp_path / "x.tar", silent)


def test_name_in_a_pax_record_is_refused(tmp_path: Path) -> None:
    """One tar would unpack the record's name, another the header's."""
    member = entry(f"{NAME}/innocent", pax_headers={"path": f"{NAME}/other"})
    with pytest.raises(Refused, match="pax record"):
        looked_at(tmp_path, packed(*GOOD, member, form=tarfile.PAX_FORMAT))


SOUND = packed(*GOOD)
PRESSED = gzip.compress(SOUND)
HEADER_AT = 512 + 512 + 3072  # behind the folder, the jar's header and its 3000 bytes in blocks


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(PRESSED[: len(PRESSED) // 2], "truncated", id="gzip cut in the middle"),
        pytest.param(PRESSED[:-4], "truncated", id="gzip cut in its trailer"),
        pytest.param(PRESSED[:1], "neither a gzip", id="one byte"),
        pytest.param(PRESSED[:-8] + b"\0" * 8, "damaged: CRC", id="gzip checksum"),
        pytest.param(PRESSED[:40] + b"\xff" * 20 + PRESSED[60:], "damaged", id="gzip data"),
        pytest.param(PRESSED + b"more", "damaged", id="text behind the gzip"),
        pytest.param(SOUND[:HEADER_AT], "truncated: it ends without an end mark", id="tar without end"),
        pytest.param(SOUND[: HEADER_AT - 1000], "damaged: unexpected end of data", id="tar cut in a file"),
        pytest.param(SOUND[:700], "truncated", id="tar cut in a header"),
        pytest.param(
            SOUND[:HEADER_AT] + b"x" * 512 + SOUND[HEADER_AT:],
            f"end mark at byte {HEADER_AT}",
            id="tar header",
        ),
        pytest.param(SOUND + SOUND, "more data after its end", id="two archives"),
        pytest.param(b"<html><title>Sign in</title>", "HTML page", id="html"),
        pytest.param(b"", "is empty", id="empty"),
    ],
)
def test_damaged_archive_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """Every kind of damage is found before anything is sent to a host, also where tarfile itself is silent."""
    with pytest.raises(Refused, match=reason):
        looked_at(tmp_path, content)


def test_header_that_wants_memory_is_refused(tmp_path: Path) -> None:
    """A long name of a gigabyte is not read into memory."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    with pytest.raises(Refused, match="a header of 1073741824 bytes"):
        looked_at(tmp_path, SOUND[:HEADER_AT] + info.tobuf(tarfile.GNU_FORMAT) + b"x" * 4096)


def test_chain_of_headers_is_refused(tmp_path: Path) -> None:
    """Thousands of long names for one member end in a refusal, not in a crash."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    chain = (info.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * 5000
    with pytest.raises(Refused):
        looked_at(tmp_path, SOUND[:HEADER_AT] + chain + SOUND[HEADER_AT:])


def test_small_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    """The claimed size condemns the archive before its zeros are read."""
    bomb = tarfile.TarInfo(f"{NAME}/bomb")
    bomb.size = 3 << 30
    content = gzip.compress(SOUND[:HEADER_AT] + bomb.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10240)
    with pytest.raises(Refused, match="unpacks to more than 2 GiB"):
        looked_at(tmp_path, content)


def test_digests_are_those_of_hashlib_and_the_copy_is_equal(tmp_path: Path) -> None:
    """One reading gives both digests, the size and a copy."""
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    found = digests(tmp_path / "a", silent, copy_to=tmp_path / "b")
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.sha512 == hashlib.sha512(content).hexdigest()
    assert found.size == len(content)
    assert (tmp_path / "b").read_bytes() == content


def test_quick_work_shows_no_progress(tmp_path: Path) -> None:
    """A check that takes no time makes no noise."""
    (tmp_path / "given").write_bytes(PRESSED)
    told: list[Event] = []
    inspect(tmp_path / "given", told.append)
    assert told == []


def jars(folder: Path, *names: str) -> list[Path]:
    """Write small but real jars."""
    folder.mkdir(exist_ok=True)
    made = []
    for name in names:
        with zipfile.ZipFile(folder / name, "w") as jar:
            jar.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), f"Name: {name}\n")
        made.append(folder / name)
    return made


def test_same_jars_give_the_same_archive(tmp_path: Path) -> None:
    """Neither order nor folder nor age nor mode of the jars shows in the archive."""
    names = ["kafka-clients-3.9.2.jar", "a.jar", "z.jar"]
    first, second = jars(tmp_path / "one", *names), jars(tmp_path / "two", *reversed(names))
    second[0].chmod(0o600)
    assemble(first, NAME, tmp_path / "1.tar")
    assemble(second, NAME, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_assembled_archive_unpacks_with_plain_tar(tmp_path: Path) -> None:
    """The tree is the published one, its modes are fixed, and our own judgement accepts it."""
    assemble(jars(tmp_path / "libs", "kafka-clients-3.9.2.jar", "b.jar"), NAME, tmp_path / "x.tar")
    assert inspect(tmp_path / "x.tar", silent) == NAME
    listed = subprocess.run(
        ["tar", "--utc", "--numeric-owner", "-tvf", tmp_path / "x.tar"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [(line.split()[0], line.split()[1], line.split()[-1]) for line in listed] == [
        ("drwxr-xr-x", "0/0", f"{NAME}/"),
        ("drwxr-xr-x", "0/0", f"{NAME}/libs/"),
        ("-rw-r--r--", "0/0", f"{NAME}/libs/b.jar"),
        ("-rw-r--r--", "0/0", f"{NAME}/libs/kafka-clients-3.9.2.jar"),
    ]
    shutil.rmtree(tmp_path / "libs")
    subprocess.run(["tar", "-xf", "x.tar"], cwd=tmp_path, check=True)
    assert zipfile.is_zipfile(tmp_path / CLIENTS)


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04cut"])
def test_file_that_is_no_jar_is_refused(tmp_path: Path, content: bytes) -> None:
    """What a proxy puts in the place of a jar never reaches a host."""
    made = jars(tmp_path / "libs", "kafka-clients-3.9.2.jar")
    (tmp_path / "libs" / "bad.jar").write_bytes(content)
    with pytest.raises(Refused, match=r"bad\.jar is no jar"):
        assemble([*made, tmp_path / "libs" / "bad.jar"], NAME, tmp_path / "x.tar")
