"""One body of tests for the fake fleet and for real SSH."""

import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kafab.adapters.ssh.fleet import SshFleet
from kafab.adapters.ssh.frame import on_stdin
from kafab.command import ANSWER_LIMIT, ERRORS_LIMIT, Outcome, Result, Script
from kafab.errors import Unreachable
from kafab.events import Event, Transfer, silent
from kafab.model import Host
from kafab.ports import Download, Fleet, Upload
from kafab.testing.fleet import FakeFleet
from tests.loopback import BARE, reason, result, script


def _local(script: Script, stdin: bytes | None = None) -> Outcome:
    """Run a script the way a host does, without SSH."""
    command = ["sh", "-eu"] if stdin is None else ["sh", "-euc", script.text]
    given = on_stdin(script.text) if stdin is None else stdin
    done = subprocess.run(command, input=given, capture_output=True, env=BARE, check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(params=["fake", "ssh"])
def fleet(request: pytest.FixtureRequest, hosts: Mapping[str, Host]) -> Iterator[Fleet]:
    """Four hosts, of which the fourth does not answer."""
    four = [*hosts.values()][:4]
    if request.param == "fake":
        yield FakeFleet(
            {host.name: _local for host in four}, unreachable={four[3].name: "refused"}, takes=_local
        )
        return
    four[3] = replace(four[3], ssh=replace(four[3].ssh, port=1))
    with closing(SshFleet(four)) as real:
        yield real


def test_exit_code_and_both_streams_come_back(fleet: Fleet) -> None:
    """A non-zero exit is a Result with what was printed."""
    outcome = fleet.run({"node1": script("echo out; echo err >&2; exit 3")})["node1"]
    assert outcome == Result(3, b"out\n", "err\n")


def test_script_stops_at_the_first_failure(fleet: Fleet) -> None:
    """Scripts run under `set -eu`: what comes after a failed command does not run."""
    assert result(fleet.run({"node1": script("false\necho on")})["node1"]) == Result(1, b"", "")


def test_long_output_is_whole(fleet: Fleet) -> None:
    """Every byte up to the bound arrives while as many errors come beside it, though both share one window."""
    text = f"head -c {ANSWER_LIMIT} /dev/zero | tee /dev/stderr"
    assert len(result(fleet.run({"node1": script(text)})["node1"]).out) == ANSWER_LIMIT


def test_output_beyond_the_bound_is_unknown(fleet: Fleet) -> None:
    """An answer with one byte too many is no answer: a half of it is never taken for the whole."""
    outcome = fleet.run({"node1": script(f"head -c {ANSWER_LIMIT + 1} /dev/zero")})["node1"]
    assert "more than 8 MiB" in reason(outcome)


def test_long_errors_keep_their_two_ends(fleet: Fleet) -> None:
    """What a script complains of first and last comes back, with a word about what is left out between."""
    text = f"echo first >&2; head -c {ERRORS_LIMIT} /dev/zero >&2; echo last >&2"
    err = result(fleet.run({"node1": script(text)})["node1"]).err
    assert (err[:6], "\n… 11 bytes are left out here …\n" in err, err[-5:]) == ("first\n", True, "last\n")


def test_errors_up_to_the_bound_are_whole(fleet: Fleet) -> None:
    """Nothing is left out of a text that fits."""
    got = result(fleet.run({"node1": script(f"head -c {ERRORS_LIMIT} /dev/zero >&2")})["node1"])
    assert got.err == "\0" * ERRORS_LIMIT


def test_command_that_reads_stdin_leaves_the_script_alone(fleet: Fleet) -> None:
    """Commands in a script read /dev/null, so `cat` ends at once and the rest still runs."""
    assert result(fleet.run({"node1": script("cat\necho after")})["node1"]).text == "after\n"


def test_script_may_hold_anything(fleet: Fleet) -> None:
    """Quotes, dollars, here-documents, letters beyond ASCII and a last line without an end arrive as they are."""
    text = "cat <<'E'\n$HOME 'a' \"b\" \\ ü\nE\nprintf '%s' \"it's\""
    assert result(fleet.run({"node1": script(text)})["node1"]).text == "$HOME 'a' \"b\" \\ ü\nit's"


def test_outcomes_keep_the_order_of_the_scripts(fleet: Fleet) -> None:
    """Whoever answers first, the caller gets the order that he asked in."""
    names = ["node3", "node1", "node2"]
    assert list(fleet.run({name: script("true") for name in names})) == names


def test_each_outcome_is_told_once(fleet: Fleet) -> None:
    """`each` gets every host's outcome, also that of a host that does not answer."""
    told: list[tuple[str, Outcome]] = []
    names = ["node1", "node2", "node4"]
    outcomes = fleet.run({name: script("echo hi") for name in names}, each=lambda *it: told.append(it))
    assert sorted(told, key=lambda it: it[0]) == [(name, outcomes[name]) for name in names]


def test_host_that_does_not_answer_is_unknown(fleet: Fleet) -> None:
    """One unreachable host is Unknown with a reason, the others have their Results."""
    outcomes = fleet.run({"node1": script("true"), "node4": script("true")})
    assert result(outcomes["node1"]).code == 0
    assert "refused" in reason(outcomes["node4"])


def test_what_stands_behind_the_line_waits_for_all_hosts(fleet: Fleet, tmp_path: Path) -> None:
    """A script that has come to the line goes on when the last host's has come, and a host that is away holds nobody up."""
    made = tmp_path / "made"
    line = "echo ready; read -r _ || :"
    scripts = {
        "node1": script(f"sleep 0.5; touch {made}; {line}; echo first"),
        "node2": script(f"{line}; test -e {made}; echo second"),
        "node4": script(line),
    }
    outcomes = fleet.together(scripts)
    assert (outcomes["node1"], outcomes["node2"]) == (Result(0, b"first\n", ""), Result(0, b"second\n", ""))
    assert "refused" in reason(outcomes["node4"])


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("echo out; echo more; exit 3", Result(3, b"out\nmore\n", "")), ("exit 4", Result(4, b"", ""))],
)
def test_script_without_a_line_is_run_and_waited_for_no_more(
    fleet: Fleet, text: str, outcome: Outcome
) -> None:
    """Where nothing runs on a host there is nothing to begin at one moment."""
    outcomes = fleet.together(
        {"node1": script(text), "node2": script("echo ready; read -r _ || :; echo went")}
    )
    assert outcomes == {"node1": outcome, "node2": Result(0, b"went\n", "")}


def test_following_an_unreachable_host_raises_unreachable(fleet: Fleet) -> None:
    """An iterator has no place for an Unknown: the host is named in the error."""
    with pytest.raises(Unreachable, match="node4"):
        list(fleet.follow("node4", script("echo hi")))


def test_holding_on_an_unreachable_host_yields_unknown(fleet: Fleet) -> None:
    """A lock that could not be asked for is no lock."""
    with fleet.hold("node4", script("echo held")) as outcome:
        assert "refused" in reason(outcome)


@pytest.mark.parametrize("offset", [0, 70_001])
def test_upload_arrives_from_its_offset_on(fleet: Fleet, tmp_path: Path, offset: int) -> None:
    """Bytes of every value arrive unchanged on the script's stdin, from the offset on."""
    content = bytes(range(256)) * 1000
    source = tmp_path / "release.tgz"
    source.write_bytes(content)
    upload = Upload(source, script("sha256sum"), offset)
    got = fleet.send(dict.fromkeys(("node1", "node2"), upload), silent)
    digest = hashlib.sha256(content[offset:]).hexdigest()
    assert [result(outcome).text.split()[0] for outcome in got.values()] == [digest, digest]


def test_upload_tells_its_end(fleet: Fleet, tmp_path: Path) -> None:
    """The last Transfer of a host says that all of the file is there."""
    source = tmp_path / "release.tgz"
    source.write_bytes(b"x" * 100_000)
    events: list[Event] = []
    fleet.send({"node1": Upload(source, script("cat >/dev/null"), 50_000)}, events.append)
    assert events[-1] == Transfer("node1", "release.tgz", 100_000, 100_000)


def test_upload_of_a_missing_file_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    """A local file that cannot be read is named."""
    outcome = fleet.send({"node1": Upload(tmp_path / "gone", script("cat"))}, silent)["node1"]
    assert str(tmp_path / "gone") in reason(outcome)


def test_follow_yields_what_is_printed(fleet: Fleet) -> None:
    """All output comes, then the iterator ends with the script."""
    assert b"".join(fleet.follow("node1", script("echo a; echo b"))) == b"a\nb\n"


class Heard:
    """What was heard of each host, joined, and the outcomes in the order of their coming."""

    def __init__(self) -> None:
        self.said: dict[str, tuple[bytes, bytes]] = {}
        self.largest = 0
        self.ended: dict[str, Outcome] = {}

    def hear(self, host: str, out: bytes, err: bytes) -> None:
        """Join a piece to what came before."""
        before_out, before_err = self.said.get(host, (b"", b""))
        self.largest = max(self.largest, len(out), len(err))
        self.said[host] = (before_out + out, before_err + err)

    def each(self, host: str, outcome: Outcome) -> None:
        """Note the end."""
        self.ended[host] = outcome


def test_stream_hands_on_what_is_printed(fleet: Fleet) -> None:
    """Both streams of every host reach the caller apart, and the Result has the exit code and the errors."""
    heard = Heard()
    scripts = {name: script("echo out; echo err >&2; exit 3") for name in ("node1", "node2")}
    got = fleet.stream(scripts, heard.hear, each=heard.each)
    assert heard.said == dict.fromkeys(scripts, (b"out\n", b"err\n"))
    assert got == heard.ended == {name: Result(3, b"", "err\n") for name in scripts}


def test_stream_has_no_bound(fleet: Fleet) -> None:
    """More than an answer may have is handed on whole, in pieces that are bounded."""
    heard = Heard()
    got = fleet.stream({"node1": script(f"head -c {ANSWER_LIMIT + 1} /dev/zero")}, heard.hear)
    assert (len(heard.said["node1"][0]), got) == (ANSWER_LIMIT + 1, {"node1": Result(0, b"", "")})
    assert heard.largest <= 1 << 20


def test_stream_of_a_host_that_does_not_answer_is_unknown(fleet: Fleet) -> None:
    """Nothing is heard of it, and its outcome says why."""
    heard = Heard()
    got = fleet.stream({"node1": script("echo hi"), "node4": script("echo hi")}, heard.hear, each=heard.each)
    assert (list(heard.said), "refused" in reason(got["node4"])) == (["node1"], True)


def test_hold_yields_the_first_line(fleet: Fleet) -> None:
    """The block sees the first line of a script that goes on."""
    with fleet.hold("node1", script("echo held; echo more; cat >/dev/null")) as outcome:
        assert outcome == Result(0, b"held\n", "")


def test_hold_of_an_endless_first_line_is_unknown(fleet: Fleet) -> None:
    """A first line that goes beyond the bound is no first line."""
    text = f"head -c {ANSWER_LIMIT + 1} /dev/zero; echo; cat >/dev/null"
    with fleet.hold("node1", script(text)) as outcome:
        assert "more than 8 MiB" in reason(outcome)


def test_hold_yields_the_exit_code_of_a_script_without_a_line(fleet: Fleet) -> None:
    """A script that fails before its first line is a Result that says why."""
    with fleet.hold("node1", script("echo no >&2; exit 7")) as outcome:
        assert outcome == Result(7, b"", "no\n")


def test_download_is_written_as_it_is(fleet: Fleet, tmp_path: Path) -> None:
    """Bytes of every value arrive, errors come back apart, and the last Transfer says that all of it is here."""
    target, events = tmp_path / "file", list[Event]()
    text = "i=0; while [ $i -lt 300 ]; do printf '\\000\\377\\r\\n'; i=$((i + 1)); done; echo err >&2"
    got = fleet.receive({"node1": Download(target, script(text), "file")}, events.append)
    assert (got, target.read_bytes()) == ({"node1": Result(0, b"", "err\n")}, b"\0\xff\r\n" * 300)
    assert events[-1] == Transfer("node1", "file", 1200, 1200)


def test_failed_download_has_the_script_s_exit_code(fleet: Fleet, tmp_path: Path) -> None:
    """A script that fails says why, and a host that does not answer is Unknown."""
    wanted = Download(tmp_path / "file", script("echo none >&2; exit 4"), "file")
    got = fleet.receive(dict.fromkeys(("node1", "node4"), wanted), silent)
    assert got["node1"] == Result(4, b"", "none\n")
    assert "refused" in reason(got["node4"])


def test_download_to_a_place_that_cannot_be_written_is_unknown(fleet: Fleet, tmp_path: Path) -> None:
    """A fault here is told with the file's name."""
    target = tmp_path / "missing" / "file"
    got = fleet.receive({"node1": Download(target, script("echo hi"), "file")}, silent)
    assert f"{target} cannot be written here" in reason(got["node1"])
