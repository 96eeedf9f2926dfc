"""The command line tools of a release from Maven: a script for each class that is there, as Apache's archive has them."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from kafab.adapters.store.tarballs import assemble, inspect
from kafab.events import silent
from kafab.model import Version
from kafab.releases import launchers
from kafab.releases.names import release_for

JAVA = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"


def release(folder: Path, version: Version, *classes: str) -> Path:
    """Return the folder of a release that was put together from one jar with these classes, and a java that prints its words."""
    jar = folder / f"kafka-clients-{version}.jar"
    with zipfile.ZipFile(jar, "w") as content:
        for found in ("a.B", *classes):
            content.writestr(f"{found.replace('.', '/')}.class", "")
    name = release_for(version)
    assemble([jar], name, folder / "x.tar")
    assert inspect(folder / "x.tar", silent) == name
    with tarfile.open(folder / "x.tar") as tar:
        tar.extractall(folder)
    (folder / "java" / "bin").mkdir(parents=True)
    (folder / "java" / "bin" / "java").write_text(JAVA)
    (folder / "java" / "bin" / "java").chmod(0o755)
    return folder / str(name)


def said(program: Path, *words: str, **environment: str) -> list[str]:
    """Return what java was given when a tool was run."""
    java = program.parents[2] / "java"
    env = {"PATH": os.environ["PATH"], "JAVA_HOME": str(java)} | environment
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("version", "topics"),
    [
        (Version(2, 4, 1), "kafka.admin.TopicCommand"),
        (Version(4, 3, 1), "org.apache.kafka.tools.TopicCommand"),
    ],
)
def test_tool_runs_the_class_that_is_there(tmp_path: Path, version: Version, topics: str) -> None:
    """The class of a tool has moved between versions; its words reach it as they are."""
    program = release(tmp_path, version, topics) / "bin" / "kafka-topics.sh"
    assert said(program, "--list", "a b")[-3:] == [topics, "--list", "a b"]


def test_shell_of_zookeeper_takes_the_server_first(tmp_path: Path) -> None:
    """Apache's script names the option itself, so a guide's first word is the server."""
    main = "org.apache.zookeeper.ZooKeeperMain"
    program = release(tmp_path, Version(2, 4, 1), main) / "bin" / "zookeeper-shell.sh"
    assert said(program, "node1:2181", "ls", "/")[-5:] == [main, "-server", "node1:2181", "ls", "/"]


def test_tools_without_a_class_have_no_script(tmp_path: Path) -> None:
    """A release shows no command that it cannot run."""
    made = release(tmp_path, Version(3, 9, 2), "org.apache.kafka.tools.TopicCommand")
    assert sorted(path.name for path in (made / "bin").iterdir()) == ["kafka-run-class.sh", "kafka-topics.sh"]


def test_tools_are_found_through_a_link(tmp_path: Path) -> None:
    """A node's `current` link leads to the release: the class path is the release's own."""
    made = release(tmp_path, Version(3, 9, 2), "org.apache.kafka.tools.TopicCommand")
    (tmp_path / "current").symlink_to(made.name)
    words = said(tmp_path / "current" / "bin" / "kafka-topics.sh")
    assert words[words.index("-cp") + 1] == f"{made}/libs/*"


def test_options_of_the_environment_are_passed_on(tmp_path: Path) -> None:
    """The variables of Apache's own scripts work, each as several options."""
    program = (
        release(tmp_path, Version(3, 9, 2), "org.apache.kafka.tools.TopicCommand") / "bin/kafka-topics.sh"
    )
    words = said(program, KAFKA_HEAP_OPTS="-Xms1g -Xmx1g", KAFKA_OPTS="-Da=b -Dc=d")
    assert words[:2] == ["-Xms1g", "-Xmx1g"]
    assert {"-Da=b", "-Dc=d"} <= set(words)


@pytest.mark.parametrize(
    ("version", "file"),
    [(Version(3, 9, 2), "tools-log4j.properties"), (Version(4, 3, 1), "tools-log4j2.yaml")],
)
def test_tools_log_to_a_file_of_configuration_that_is_there(
    tmp_path: Path, version: Version, file: str
) -> None:
    """Without one Log4j complains on each start."""
    made = release(tmp_path, version, "org.apache.kafka.tools.TopicCommand")
    (option,) = (word for word in said(made / "bin/kafka-topics.sh") if word.startswith("-Dlog4j"))
    assert option.endswith(str(made / "config" / file))
    assert (made / "config" / file).is_file()


@pytest.mark.parametrize("log4j2", [False, True])
def test_scripts_pass_the_linter(log4j2: bool) -> None:
    """What reaches a host as a script is held to what scripts of the project are held to."""
    made = launchers.files({main for mains in launchers.CLASSES.values() for main in mains}, log4j2=log4j2)
    program = Path(sys.executable).with_name("shellcheck")
    for path in ("bin/kafka-topics.sh", "bin/kafka-run-class.sh"):
        done = subprocess.run(
            [program, "-"], input=made[path], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stdout == ""
