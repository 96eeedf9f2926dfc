from collections.abc import Iterator
from itertools import count

import pytest

from kafab.releases.archive import MAX_BYTES, MAX_MEMBERS, Kind, Member, Refused, container, judge

TOP = "kafka_2.13-3.9.2"
CLIENTS = f"{TOP}/libs/kafka-clients-3.9.2.jar"
RELEASE = (
    Member(TOP, Kind.FOLDER),
    Member(f"{TOP}/libs", Kind.FOLDER),
    Member(CLIENTS, Kind.FILE, 5),
)


def link(name: str, target: str) -> Member:
    """Return a symbolic link below the release's folder."""
    return Member(f"{TOP}/{name}", Kind.SYMLINK, target=target, mode=0o777)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param((), id="smallest"),
        pytest.param((Member(f"{TOP}/libs", Kind.FOLDER),), id="folder twice"),
        pytest.param((link("libs/clients.jar", "kafka-clients-3.9.2.jar"),), id="link beside"),
        pytest.param((link("clients.jar", "libs/kafka-clients-3.9.2.jar"),), id="link down"),
        pytest.param((link("libs/again", "../libs/kafka-clients-3.9.2.jar"),), id="link up and down"),
        pytest.param((link("lib", "libs"),), id="link to a folder"),
        pytest.param((link("two", "one"), link("one", "libs")), id="link to a link"),
        pytest.param((Member(f"{TOP}/hard", Kind.HARDLINK, target=CLIENTS),), id="hard link"),
        pytest.param((Member(f"{TOP}/bin/-x y'$(z)", Kind.FILE, 1, 0o755),), id="odd but honest name"),
    ],
)
def test_sound_archive_is_named(more: tuple[Member, ...]) -> None:
    """A release, and what a release may hold, is accepted under the name of its folder."""
    assert str(judge([*RELEASE, *more])) == TOP


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Member(f"{TOP}/../../etc/passwd", Kind.FILE), r"'\.\.' in its path"),
        (Member("../x", Kind.FILE), r"'\.\.' in its path"),
        (Member("/etc/passwd", Kind.FILE), "absolute path"),
        (Member(f"/{TOP}", Kind.FOLDER), "absolute path"),
        (Member("etc/passwd", Kind.FILE), "is not below"),
        (Member("kafka_2.13-3.9.1", Kind.FOLDER), "is not below"),
        (Member(f"./{TOP}/libs", Kind.FOLDER), r"empty or '\.' part"),
        (Member(f"{TOP}//libs/x.jar", Kind.FILE), r"empty or '\.' part"),
        (Member("", Kind.FILE), r"empty or '\.' part"),
        (Member(f"{TOP}/a\nb", Kind.FILE), "cannot be printed"),
        (Member(f"{TOP}/\x1b[2J", Kind.FILE), "cannot be printed"),
        (Member(f"{TOP}/\udcff", Kind.FILE), "cannot be printed"),
        (Member(f"{TOP}/sda", Kind.DEVICE), "is a device"),
        (Member(f"{TOP}/pipe", Kind.FIFO), "is a fifo"),
        (Member(f"{TOP}/holes", Kind.SPARSE), "is a sparse file"),
        (Member(f"{TOP}/odd", Kind.OTHER), "is of an unknown type"),
        (Member(f"{TOP}/su", Kind.FILE, mode=0o4755), r"setuid or setgid bit \(mode 4755\)"),
        (Member(f"{TOP}/sg", Kind.FOLDER, mode=0o2755), r"setuid or setgid bit \(mode 2755\)"),
        (Member(f"{TOP}/other", Kind.FILE, renamed=True), "pax record"),
        (Member(CLIENTS, Kind.FILE, 5), "is in it twice"),
        (link("libs", "x"), "is in it twice"),
        (Member(f"{CLIENTS}/x", Kind.FILE), "which is a file"),
        (Member(f"{TOP}/huge", Kind.FILE, MAX_BYTES), "unpacks to more than 2 GiB"),
        (Member(f"{TOP}/negative", Kind.FILE, -1), "of -1 bytes"),
        (Member(f"{TOP}/bin", Kind.FOLDER, 512), "a folder of 512 bytes"),
        (link("out", "/etc/passwd"), "which is not in the release"),
        (link("out", "../other"), "which is not in the release"),
        (link("libs/out", "../../../etc"), "which is not in the release"),
        (link("out", "libs/../../etc"), "which is not in the release"),
        (link("out", "nothing"), "which is not in the release"),
        (link("out", ""), "which is not in the release"),
        (Member(f"{TOP}/hard", Kind.HARDLINK, target="/etc/shadow"), "which is not in the release"),
        (Member(f"{TOP}/hard", Kind.HARDLINK, target=f"../{CLIENTS}"), "which is not in the release"),
        (Member(f"{TOP}/hard", Kind.HARDLINK, target=f"{TOP}/libs"), "which is a folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_hostile_member_is_refused_by_name(bad: Member, reason: str) -> None:
    """One bad member condemns the archive; the reason has its name and what is wrong with it."""
    with pytest.raises(Refused, match=reason) as caught:
        judge([*RELEASE, bad])
    assert repr(bad.name) in str(caught.value)


def test_member_through_a_link_is_refused() -> None:
    """A file that would be written through a link is refused, even where the link stays inside."""
    with pytest.raises(Refused, match=r"'kafka_2\.13-3\.9\.2/lib/x' lies below .* which is a symbolic link"):
        judge([*RELEASE, link("lib", "libs"), Member(f"{TOP}/lib/x", Kind.FILE)])


def test_link_through_another_link_is_refused() -> None:
    """A chain of links could lead where the text of each does not."""
    chain = (link("lib", "libs"), link("x", "lib/kafka-clients-3.9.2.jar"))
    with pytest.raises(Refused, match=r"member 'kafka_2\.13-3\.9\.2/x' is a symbolic link"):
        judge([*RELEASE, *chain])


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ((), "no members"),
        (RELEASE[:2], r"no kafka_2\.13-3\.9\.2/libs/kafka-clients-\*\.jar"),
        ((Member("kafka-3.9.2-src", Kind.FOLDER),), "its top folder is 'kafka-3.9.2-src'"),
        ((Member("libs/kafka-clients-3.9.2.jar", Kind.FILE),), "its top folder is 'libs'"),
        (
            (*RELEASE[:2], Member(f"{TOP}/libs/kafka-clients-3.9.1.jar", Kind.FILE, 5)),
            r"calls itself kafka_2\.13-3\.9\.2 and holds .*3\.9\.1",
        ),
        (
            (*RELEASE[:2], Member(f"{TOP}/libs/kafka-clients-3.9.20.jar", Kind.FILE, 5)),
            "calls itself",
        ),
    ],
)
def test_archive_that_is_no_release_is_refused(members: tuple[Member, ...], reason: str) -> None:
    """The release's name comes from the content, and the content is what the name says."""
    with pytest.raises(Refused, match=reason):
        judge(members)


def test_archive_without_end_is_refused_while_it_is_read() -> None:
    """Too many members end the reading; the rest is never asked for."""
    taken = count()

    def endless() -> Iterator[Member]:
        yield from RELEASE
        for number in taken:
            yield Member(f"{TOP}/{number}", Kind.FILE)

    with pytest.raises(Refused, match="20000 members"):
        judge(endless())
    assert next(taken) <= MAX_MEMBERS


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1f\x8b\x08\x00", "tgz"),
        (b"x".ljust(257, b"\0") + b"ustar\x0000", "tar"),
        (b"x".ljust(257, b"\0") + b"ustar  \0", "tar"),
    ],
)
def test_container_is_told_by_content(head: bytes, kind: str) -> None:
    """The first bytes say what a file is, whatever it is called."""
    assert container(head) == kind


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"\r\n <html lang='en'>", "HTML page"),
        (b"\xef\xbb\xbf<HTML>", "HTML page"),
        (b"PK\x03\x04", "a zip file"),
        (b"BZh91AY", "a bzip2 file"),
        (b"\xfd7zXZ\x00", "an xz file"),
        (b"404: Not Found", "neither a gzip nor a tar"),
    ],
)
def test_other_content_is_refused(head: bytes, reason: str) -> None:
    """Each usual mistake gets its own sentence."""
    with pytest.raises(Refused, match=reason):
        container(head)
