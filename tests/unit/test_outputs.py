"""What hosts print as it comes: whole lines with their host, however the pieces are cut, and never more than a bound."""

from hypothesis import given
from hypothesis import strategies as st

from kafab.events import Event, Note, silent
from kafab.ops.hosts.outputs import KEPT_LIMIT, KEPT_OF_ALL, LINE_LIMIT, Beginning, Kept, Lines, Shown

TEXTS = st.text(st.sampled_from("ab\n\rü日\u202e"), max_size=30)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, and what is left into one more."""
    found = []
    for size in sizes:
        found.append(data[:size])
        data = data[size:]
    return [*found, data]


@given(TEXTS, st.lists(st.integers(0, 5), max_size=20))
def test_lines_do_not_depend_on_how_they_came(text: str, sizes: list[int]) -> None:
    """Wherever the pieces are cut, in a character or between the two ends of a line, the same lines come out."""
    data, lines, whole = text.encode(), Lines("n: "), Lines("n: ")
    cut = "".join(lines.add(piece) for piece in pieces(data, sizes)) + lines.add(b"", last=True)
    assert cut == whole.add(data, last=True)


@given(TEXTS)
def test_every_line_has_its_mark(text: str) -> None:
    """No line end that a host prints makes a line that seems to be another host's."""
    shown = Lines("n: ").add(text.encode(), last=True)
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    wanted = plain.removesuffix("\n").split("\n") if plain else []
    assert shown == "".join(f"n: {line}\n" for line in wanted)


def test_line_without_end_is_shown_in_pieces_and_told() -> None:
    """What does not fit into a line goes on in the next; no character is lost, and a note says so."""
    shown: list[str] = []
    events: list[Event] = []
    listener = Shown(lambda text, _errors: shown.append(text), events.append)
    for _ in range(4):
        listener.hear("node1", b"x" * (LINE_LIMIT // 2), b"")
    listener.ended("node1")
    lines = "".join(shown).splitlines()
    assert [len(line) for line in lines] == [LINE_LIMIT + len("node1: ")] * 2
    assert [event.subject for event in events if isinstance(event, Note)] == ["node1"]


def test_line_is_not_kept_longer_than_its_bound() -> None:
    """Of an endless line no more than the bound waits for its end."""
    lines = Lines("n: ")
    given_back = sum(len(lines.add(b"x" * 10_000)) for _ in range(100))
    assert given_back >= 1_000_000 - LINE_LIMIT


def test_last_line_without_an_end_is_shown_when_its_host_is_done() -> None:
    """`printf 42` on one host does not wait for the others."""
    shown: list[tuple[str, bool]] = []
    listener = Shown(lambda text, errors: shown.append((text, errors)), silent)
    listener.hear("node1", b"42", b"no\n")
    listener.ended("node1")
    assert shown == [("node1  no\n", True), ("node1: 42\n", False)]


def test_beginning_counts_what_it_does_not_keep() -> None:
    """The first bytes stay, however they came."""
    stream = Beginning(5)
    for piece in (b"abc", b"defg", b"hi"):
        stream.add(piece)
    assert (stream.text, stream.cut) == ("abcde", 4)


def test_all_hosts_together_are_bounded() -> None:
    """Many hosts share what is kept; a few have a bound of their own."""
    hosts = [f"node{number}" for number in range(300)]
    kept, few = Kept(hosts), Kept(["node1"])
    for host in hosts:
        kept.hear(host, b"x" * KEPT_LIMIT, b"")
    few.hear("node1", b"x" * 2 * KEPT_LIMIT, b"")
    total = sum(len(out.text) for out, _ in kept.streams.values())
    assert (total <= KEPT_OF_ALL, len(few.streams["node1"][0].text)) == (True, KEPT_LIMIT)
