"""What Kafka's own files tell of a quorum: those of a real one, found by the real script, and what is none of them."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.command import Result
from kafab.hosts.facts import Formed, HostFacts
from kafab.hosts.observation import observation, parse
from kafab.hosts.quorum_files import formed
from kafab.model import Cluster, Endpoint, VoterSource
from kafab.unknown import Unknown
from tests.conftest import cluster_in

Shell = Callable[..., Result]

# As Kafka 4.3.1 and 3.9.2 wrote them: the first snapshot of three voters, the begin of a log of one, and the batch
# that `kafka-features upgrade --feature kraft.version=1` has put into the log of a static quorum of one.
SNAPSHOTS = {
    "4.3.1": (
        "AAAAAAAAAAAAAAEBAAAAAALSSUuvACAAAAACAAABohPXJD0AAAGiE9ckPf//////////////////AAAAAyoAAAAIAAAAAxYAAAAA"
        "AaIT1yN1AAAeAAACCAAAAAUKAAAAAQAA0AIAAAQIAAAABroCAAAEAAAAAdLFpuZ8o0cFrTFTRYZL+eoCC0NPTlRST0xMRVIKMTI3"
        "LjAuMC4xOGYAAAAAAQAAAAAAAmr2K+drJUH1v6v2LHMD880CC0NPTlRST0xMRVIKMTI3LjAuMC4xOGgAAAAAAQAAAAAAA76CQKV4"
        "lkyYkYpQev2PjCcCC0NPTlRST0xMRVIKMTI3LjAuMC4xOGoAAAAAAQAAAAAAAAAAAAAAAwAAAD8AAAAAAor7+SwAIAAAAAAAAAGi"
        "E9ckVwAAAaIT1yRX//////////////////8AAAABGgAAAAgAAAAEBgAAAAA="
    ),
    "3.9.2": (
        "AAAAAAAAAAAAAAEBAAAAAAJp2VDfACAAAAACAAABohPXxzoAAAGiE9fHOv//////////////////AAAAAyoAAAAIAAAAAxYAAAAA"
        "AaIT18aOAAAeAAACCAAAAAUKAAAAAQAA0AIAAAQIAAAABroCAAAEAAAAARyNRzbGwkDtvlg5i/x7m+QCC0NPTlRST0xMRVIKMTI3"
        "LjAuMC4xOG8AAAAAAQAAAAAAAvdV6+Yly022i2KBMWZtP0ECC0NPTlRST0xMRVIKMTI3LjAuMC4xOHEAAAAAAQAAAAAAAxZz/q31"
        "lk1pv1i+sKBZh1oCC0NPTlRST0xMRVIKMTI3LjAuMC4xOHMAAAAAAQAAAAAAAAAAAAAAAwAAAD8AAAAAAmctmqUAIAAAAAAAAAGi"
        "E9fHSwAAAaIT18dL//////////////////8AAAABGgAAAAgAAAAEBgAAAAA="
    ),
}
PORTS = {"4.3.1": (14438, 14440, 14442), "3.9.2": (14447, 14449, 14451)}
LOG = (
    "AAAAAAAAAAAAAACiAAAAAQKwsbgrACAAAAACAAABohPoTZ0AAAGiE+hNnf//////////////////AAAAAzoAAAAIAAAAAiYAAAAA"
    "AAECAAAAAQACAAAAAQAAAB4AAAIIAAAABQoAAAABAACCAQAABAgAAAAGbgAAAgAAAAEydusGF51OsYEtphfHA54+AgtDT05UUk9M"
    "TEVSCjEyNy4wLjAuMTiXAAAAAAEAAAAAAAAAAAAAAAMAAAE+AAAAAQImxGw2AAAAAAAIAAABohPoWRUAAAGiE+hZFf//////////"
    "////////AAAACTwAAAABMAEXAAEAEhJCb290c3RyYXAgcmVjb3JkcwA6AAACAS4BDAARbWV0YWRhdGEudmVyc2lvbgAeAABaAAAE"
    "AU4BDAAhZWxpZ2libGUubGVhZGVyLnJlcGxpY2FzLnZlcnNpb24AAQAANAAABgEoAQwADmdyb3VwLnZlcnNpb24AAQAANAAACAEo"
    "AQwADnNoYXJlLnZlcnNpb24AAQAAOAAACg=="
)
UPGRADED = (
    "AAAAAAABohPpbKwAAAGiE+lsrP//////////////////AAAAARQAAAABCAEUAAAAAAAAAAAAADsAAACEAAAAAQJJEciNACAAAAAB"
    "AAABohPpbM8AAAGiE+lsz///////////////////AAAAAh4AAAAIAAAABQoAAAABAACCAQAAAggAAAAGbgAAAgAAAAET8aS3JJgt"
    "WmKqSj/FROFkAgtDT05UUk9MTEVSCjEyNy4wLjAuMTiXAAAAAAEAAAAAAAAAAAAAAD0AAAA8AAAAAQL+azcBAAAAAAAAAAABohPp"
    "bPcAAAE="
)
STATIC = (
    '{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,'
    '"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}'
)
DYNAMIC = (
    '{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}'
)


@pytest.fixture
def combined(tmp_path: Path) -> Cluster:
    """One host with a combined node."""
    return cluster_in(tmp_path, 1, "combined")


@pytest.fixture
def folder(combined: Cluster) -> Path:
    """The folder of its metadata log."""
    found = Path(combined.nodes[0].data[0]) / "__cluster_metadata-0"
    found.mkdir(parents=True)
    return found


def told(cluster: Cluster, shell: Shell) -> Formed | Unknown | None:
    """Return what the script in a real shell finds."""
    host = cluster.hosts[0]
    script = observation(host, dict.fromkeys(cluster.nodes, ()))
    facts = parse(host, cluster.nodes, shell(script))
    assert isinstance(facts, HostFacts)
    return facts.nodes["broker"].formed


def dynamic(*ports: int) -> Formed:
    """Return a dynamic quorum of voters 1, 2, ... with these ports."""
    voters = {id_: frozenset({Endpoint("127.0.0.1", port)}) for id_, port in enumerate(ports, 1)}
    return Formed(VoterSource.DYNAMIC, voters)


def test_folder_without_a_log_has_no_quorum(combined: Cluster, shell: Shell) -> None:
    """What was never formatted was never formed."""
    assert told(combined, shell) is None


@pytest.mark.parametrize("version", SNAPSHOTS)
def test_first_voters_are_read_from_the_snapshot(
    combined: Cluster, folder: Path, shell: Shell, version: str
) -> None:
    """Formatting writes the voters with their endpoints, before any start."""
    (folder / "00000000000000000000-0000000000.checkpoint").write_bytes(base64.b64decode(SNAPSHOTS[version]))
    assert told(combined, shell) == dynamic(*PORTS[version])


def test_log_is_newer_than_the_snapshot(combined: Cluster, folder: Path, shell: Shell) -> None:
    """The last record of voters in the log counts: voters may have come and gone since the snapshot."""
    first = base64.b64decode(SNAPSHOTS["4.3.1"])
    (folder / "00000000000000000000-0000000000.checkpoint").write_bytes(first)
    (folder / "00000000000000000000.log").write_bytes(first + base64.b64decode(LOG))
    (folder / "quorum-state").write_text(DYNAMIC)
    assert told(combined, shell) == dynamic(14487)


def test_newest_snapshot_counts(combined: Cluster, folder: Path, shell: Shell) -> None:
    """Where the log has no voters any more, the last snapshot before it has them."""
    (folder / "00000000000000000000-0000000000.checkpoint").write_bytes(base64.b64decode(SNAPSHOTS["4.3.1"]))
    (folder / "00000000000000000900-0000000003.checkpoint").write_bytes(base64.b64decode(SNAPSHOTS["3.9.2"]))
    (folder / "00000000000000000900.log").write_bytes(b"\0" * 100)
    assert told(combined, shell) == dynamic(*PORTS["3.9.2"])


def test_state_of_a_static_quorum(combined: Cluster, folder: Path, shell: Shell) -> None:
    """Version 0 of quorum-state with no record of voters is a static quorum, and has their ids."""
    (folder / "quorum-state").write_text(STATIC)
    (folder / "00000000000000000000.log").write_bytes(b"\x08\0\0\0\x06\x04\0\0\0\x08" * 100)
    assert told(combined, shell) == Formed(VoterSource.STATIC, {1: frozenset(), 2: frozenset()})


def test_static_quorum_that_was_made_dynamic(combined: Cluster, folder: Path, shell: Shell) -> None:
    """The log has it; quorum-state keeps its old version until the next election."""
    (folder / "quorum-state").write_text(STATIC)
    (folder / "00000000000000000000.log").write_bytes(base64.b64decode(UPGRADED))
    assert told(combined, shell) == dynamic(14487)


def test_link_is_not_followed(combined: Cluster, folder: Path, shell: Shell, tmp_path: Path) -> None:
    """Whoever owns the folder does not choose another file to be read."""
    (tmp_path / "elsewhere").write_text(STATIC)
    (folder / "quorum-state").symlink_to(tmp_path / "elsewhere")
    assert told(combined, shell) is None


@pytest.mark.parametrize(
    ("state", "record"),
    [
        ("", None),
        ("[]", None),
        ('{"data_version":7}', None),
        ('{"data_version":0,"currentVoters":[]}', None),
        ('{"data_version":0,"currentVoters":[{}]}', None),
        (DYNAMIC, None),
        (STATIC, "?"),
        (None, base64.b64encode(b"\x08\0\0\0\x06").decode()),
        (None, "AAAA"),
        (None, "no base64"),
    ],
)
def test_what_cannot_be_read_is_unknown(state: str | None, record: str | None) -> None:
    """It is neither static nor dynamic, and no error of ours."""
    assert isinstance(formed(state, record), Unknown)


@given(st.binary(max_size=80), st.integers(0, 250))
def test_no_bytes_are_an_error(noise: bytes, cut: int) -> None:
    """Whatever stands behind the key or in a record that is cut off: a quorum or Unknown."""
    real = base64.b64decode(SNAPSHOTS["4.3.1"])[107:]
    for found in (b"\x08\0\0\0\x06" + noise, real[:cut] + noise):
        assert isinstance(formed(None, base64.b64encode(found).decode()), Formed | Unknown)
