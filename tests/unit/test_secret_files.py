"""A secret on a host: what is sent there runs in a real shell, and what a process records of it is compared from anywhere."""

import stat
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.properties import parse_properties
from kafab.config.render import configuration_digest
from kafab.model import Cluster, Node
from kafab.ops.observing import look
from kafab.plans.standing import configuration_state
from kafab.plans.state import DesiredNode
from kafab.shell.layout import DIGEST_KEY, LAUNCH, MANIFEST, SERVER_PROPERTIES
from kafab.testing.secrets import FakeSecrets
from tests.deployed import Lab, Shell, one_release

NAME, REFERENCE = "ssl.key.password", "${env:KEY}"
AWKWARD = "p\\a$s\"s'w#o!r=d: ä€𝄞 %s {{x}} $(id) `id` EOF"


@pytest.fixture
def lab(small: Cluster, tmp_path: Path, shell: Shell) -> Lab:
    """A host whose broker has a secret, deployed; its Java ends at once."""
    java = tmp_path / "java"
    (java / "bin").mkdir(parents=True)
    (java / "bin" / "java").write_text("#!/bin/sh\n")
    (java / "bin" / "java").chmod(0o755)
    host = replace(small.hosts[0], java=PurePosixPath(java))
    nodes = (
        replace(node, host=host, properties={NAME: REFERENCE} if node in small.brokers else {})
        for node in small.nodes
    )
    cluster = replace(small, hosts=(host,), nodes=tuple(nodes))
    lab = Lab(
        cluster, tmp_path, shell, one_release(cluster, tmp_path), secrets=FakeSecrets({REFERENCE: AWKWARD})
    )
    lab.deploy()
    return lab


def _broker(lab: Lab) -> Node:
    return lab.cluster.brokers[0]


def _files(node: Node) -> Mapping[str, Path]:
    return {path.name: path for path in Path(node.config).iterdir()}


def _started(lab: Lab) -> str:
    """Start the broker and return the digest that its process has recorded."""
    node = _broker(lab)
    subprocess.run(["sh", node.config / LAUNCH], check=True)
    return (Path(node.run) / "process").read_text().split()[3]


def _wanted(lab: Lab) -> tuple[DesiredNode, str | None, str]:
    """Return what a look finds: the broker as it should be, the sha256 of its host's key, and the state."""
    desired, observed = look(lab.cluster, [_broker(lab)], lab.world)
    facts = observed["node1"].nodes[_broker(lab).instance]  # type: ignore[union-attr]  # the host answers
    (wanted,) = desired.nodes
    return wanted, facts.key, configuration_state(desired, wanted, facts)


def test_value_arrives_exactly(lab: Lab) -> None:
    """Whatever a shell or a template would make of it, the file has it as java.util.Properties reads it."""
    text = _files(_broker(lab))[SERVER_PROPERTIES].read_text(encoding="ascii")
    assert parse_properties(text)[NAME] == AWKWARD


def test_files_are_their_owners_alone(lab: Lab) -> None:
    """The file, the manifest with its digest, and the key are closed to everybody else; a node without a secret has no key."""
    modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in _files(_broker(lab)).items()}
    closed = {name for name, mode in modes.items() if not mode & 0o077}
    assert closed == {SERVER_PROPERTIES, MANIFEST, DIGEST_KEY}
    assert DIGEST_KEY not in _files(lab.cluster.zookeepers[0])


def test_second_deploy_has_nothing_to_do(lab: Lab) -> None:
    """The key stays, and no file is written again."""
    before = {name: path.stat().st_ino for name, path in _files(_broker(lab)).items()}
    lab.deploy()
    assert {name: path.stat().st_ino for name, path in _files(_broker(lab)).items()} == before


def test_record_of_a_start_is_compared_with_the_key(lab: Lab) -> None:
    """What the launch script computes is what a look computes, by the key on the host; without the key it is another digest."""
    recorded = _started(lab)
    wanted, key, state = _wanted(lab)
    files = {file.path.name: file.sha256 for file in wanted.files if file.path.name != MANIFEST}
    assert (recorded == wanted.configuration(key), recorded == configuration_digest(files), state) == (
        True,
        False,
        "as deployed",
    )


def test_changed_secret_is_another_configuration(lab: Lab) -> None:
    """After a deploy of another value the process's record differs from what is wanted: its restart is pending."""
    recorded = _started(lab)
    lab.secrets.values = {REFERENCE: "another"}
    lab.deploy()
    wanted, key, _ = _wanted(lab)
    assert recorded != wanted.configuration(key)


def test_look_takes_no_text_of_the_key(lab: Lab) -> None:
    """What a host answers has the key's digest and not the key."""
    _, observed = look(lab.cluster, [_broker(lab)], lab.world)
    files = observed["node1"].nodes[_broker(lab).instance].files  # type: ignore[union-attr]  # the host answers
    assert (files[DIGEST_KEY].text, len(files[DIGEST_KEY].sha256)) == (None, 64)


def test_destroy_leaves_nothing_of_it(lab: Lab) -> None:
    """The file, the manifest and the key go."""
    lab.destroy()
    assert not Path(_broker(lab).config).exists()
