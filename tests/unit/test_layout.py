"""The names of files on a host: one room has them, and the shell spells them as it does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kafab.config.units import UNITS
from kafab.model import Cluster
from kafab.shell import layout

ROOT = Path(__file__).resolve().parents[2]
SHELL = sorted((ROOT / "kafab" / "shell" / "sh").glob("*.sh"))
TEMPLATES = [ROOT / "templates" / name for name in ("launch.j2", "record.j2")]
NAMES = frozenset(value for name, value in vars(layout).items() if name.isupper())
FOREIGN = frozenset(
    {
        # of the kernel, of Java, of a release, of ZooKeeper, of ssh
        *(
            "stat",
            "status",
            "cmdline",
            "comm",
            "cwd",
            "root",
            "fd",
            "fdinfo",
            "limits",
            "release",
            "bin",
            "java",
            "libs",
        ),
        # of Prometheus
        *("metrics", ".json"),
        *(
            "lib",
            "server",
            "libjvm.so",
            "currentEpoch",
            "snapshot.",
            "log.",
            "leader-epoch-checkpoint",
            "partition.metadata",
            "kafka_",
            "jmx_prometheus_javaagent-",
            ".ssh",
            "authorized_keys",
        ),
        # of one file of shell alone: what it makes and takes away again
        *(".part", "archive", "key", "known", "said", "new", "pull.", "unpack.", "shelf.", ".kafab-transfer"),
        *("list.", "process.new", "begun.new"),
        # of the kernel, and of Java
        *("exe", "1", "jcmd", "hs_err_pid*.log"),
        # endings in a pattern
        *(".properties", ".cfg", ".yaml", ".yml", ".conf"),
        *(".log", ".checkpoint", ".wants", ".requires", ".jar", ".jsa", "kafka-", "-", ".", ".."),
    }
)
BEHIND_A_VALUE = re.compile(r'\$(?:\w+|\{[^}]*\})"?((?:/[\w.+*-]+)+|\.[a-z][\w-]+)')


def spelled(text: str) -> Iterator[str]:
    """Yield the names that stand behind a variable, ``$run/process``, or end one, ``$1.kafab-new``; of patterns the fixed part."""
    for found in BEHIND_A_VALUE.finditer(text):
        path = found[1]
        yield from (name.strip("*") for name in path.split("/")) if path.startswith("/") else (path,)


@pytest.mark.parametrize("file", [*SHELL, *TEMPLATES], ids=lambda file: file.name)
def test_shell_spells_the_names_of_the_layout(file: Path) -> None:
    """Every name of a file in the shell is one of the layout, or stands in the list of what is not kafab's to name."""
    strange = {name for name in spelled(file.read_text(encoding="utf-8")) if name} - NAMES - FOREIGN
    assert strange == set()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('read -r pid < "$run/proces"', ["proces"]),
        ('[ -e "$1"/.incomin/*.part ]', [".incomin", ".part"]),
        ("new=$1.kafab-neu", [".kafab-neu"]),
        ("${1%/*}/lok", ["lok"]),
    ],
)
def test_misspelt_name_is_found(text: str, names: list[str]) -> None:
    """The rule can turn red: a name behind a variable is seen, however it stands there."""
    assert [name for name in spelled(text) if name] == names


@pytest.mark.parametrize(
    ("name", "file", "as_spelled"),
    [
        (layout.DROP_IN, "remains", '"$1"/kafka-*@?*.service.d/{}; do'),
        (layout.MYID, "marked", '"{}:$2"'),
        (layout.META_PROPERTIES, "marked", '"{}:broker.id=$2"'),
        (layout.META_PROPERTIES, "marked", '"{}:node.id=$2"'),
        (layout.LOST_AND_FOUND, "removal", "keep={};"),
        (str(UNITS), "removal", "for link in {}/*.wants/"),
        (layout.INCOMING, "removal", "mkdir -p -- {}"),
        (layout.INCOMING, "removal", '"{}/$name'),
    ],
)
def test_other_names_are_spelled_alike(name: str, file: str, as_spelled: str) -> None:
    """What does not stand behind a variable is spelled as the layout has it, too."""
    text = (ROOT / "kafab" / "shell" / "sh" / f"{file}.sh").read_text(encoding="utf-8")
    assert as_spelled.format(name) in text


def test_scratch_folder_is_the_layouts(small: Cluster) -> None:
    """The model, which is below the layout, names the folder of temporary files alike."""
    assert {node.scratch.name for node in small.nodes} == {layout.SCRATCH}
