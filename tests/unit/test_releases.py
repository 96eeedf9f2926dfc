from pathlib import Path

import pytest

from kafab.adapters.store.store import ReleaseStore
from kafab.errors import UsageError
from kafab.model import Version
from kafab.ops import releases as verbs
from kafab.releases.names import (
    Agent,
    Artifact,
    ReleaseName,
    archive_path,
    by_hand,
    maven_artifacts,
    parse_sha512,
    release_for,
)

DIGEST = "0123456789abcdef" * 8
GROUPS = [DIGEST.upper()[at : at + 8] for at in range(0, 128, 8)]
GPG = f"kafka_2.13-3.9.2.tgz: {' '.join(GROUPS[:6])}\n" + "".join(
    f"{'':22}{' '.join(GROUPS[at : at + 6])}\n" for at in (6, 12)
)
GPG_LONG_NAME = "a-very-long-name.tgz:\n" + "".join(f"{' '.join(GROUPS[at : at + 8])}\n" for at in (0, 8))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GPG, id="gpg"),
        pytest.param(GPG_LONG_NAME, id="gpg-name-on-its-own-line"),
        pytest.param(GPG.replace("\n", "\r\n"), id="gpg-crlf"),
        pytest.param(f"{DIGEST}  kafka_2.13-3.9.2.tgz\n", id="sha512sum"),
        pytest.param(f"{DIGEST} *kafka_2.13-3.9.2.tgz\n", id="sha512sum-binary"),
        pytest.param(DIGEST.upper(), id="digits-alone"),
    ],
)
def test_sha512_is_read_in_every_published_layout(text: str) -> None:
    """All layouts of a digest file give the same lower-case digits."""
    assert parse_sha512(text) == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>not found</html>",
        DIGEST[:-1],
        f"{DIGEST}0",
        f"{DIGEST}  a\n{'f' * 128}  b\n",
        GPG[:-20],
        "a.tgz: " + "g" * 128,
    ],
)
def test_text_without_one_sha512_is_refused(text: str) -> None:
    """What is no digest file, or one of several files, is never read as a digest."""
    with pytest.raises(ValueError, match="sha512 digest"):
        parse_sha512(text)


@pytest.mark.parametrize(
    ("version", "scala"), [("2.4.1", "2.12"), ("2.5.1", "2.12"), ("2.6.0", "2.13"), ("3.9.2", "2.13")]
)
def test_release_of_a_version(version: str, scala: str) -> None:
    """Scala 2.13 from 2.6 on; the name is the published one, and reads back."""
    name = release_for(Version.parse(version))
    assert str(name) == f"kafka_{scala}-{version}"
    assert ReleaseName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["kafka_2.13-3.9", "kafka-3.9.2-src", "kafka_2.13-3.9.2.tgz", "kafka_2.13-3.9.2\n", ""]
)
def test_other_names_are_no_release(text: str) -> None:
    """A name that is not exactly a published folder name is refused, and the text says what was expected."""
    with pytest.raises(ValueError, match=r"kafka_2\.13-3\.9\.2"):
        ReleaseName.parse(text)


@pytest.mark.parametrize(
    ("version", "artifacts"),
    [
        ("2.4.1", ["org.apache.kafka:kafka_2.12:2.4.1", "org.slf4j:slf4j-log4j12:1.7.30"]),
        ("2.8.2", ["org.apache.kafka:kafka_2.13:2.8.2", "org.slf4j:slf4j-log4j12:1.7.30"]),
        (
            "3.0.2",
            [
                "org.apache.kafka:kafka_2.13:3.0.2",
                "org.apache.kafka:kafka-tools:3.0.2",
                "org.slf4j:slf4j-log4j12:1.7.30",
            ],
        ),
        (
            "3.9.2",
            [
                "org.apache.kafka:kafka_2.13:3.9.2",
                "org.apache.kafka:kafka-tools:3.9.2",
                "org.slf4j:slf4j-reload4j:1.7.36",
            ],
        ),
    ],
)
def test_maven_artifacts_of_a_version(version: str, artifacts: list[str]) -> None:
    """Broker, tools where they are apart, and the logging that version binds to."""
    assert [str(item) for item in maven_artifacts(release_for(Version.parse(version)))] == artifacts


def test_by_hand_names_the_download_and_the_command() -> None:
    """An operator of an air-gapped site can type what the hint says."""
    hint = by_hand(release_for(Version(3, 9, 2)))
    assert "https://archive.apache.org/dist/kafka/3.9.2/kafka_2.13-3.9.2.tgz.sha512" in hint
    assert "fab releases.add kafka_2.13-3.9.2.tgz --sha512" in hint


def test_archive_path_is_the_published_one() -> None:
    """Apache sorts releases into folders by Kafka version."""
    assert archive_path(release_for(Version(2, 4, 1))) == "2.4.1/kafka_2.12-2.4.1.tgz"


def test_version_that_is_none_is_a_usage_error() -> None:
    """A typo on the command line gets a sentence and exit code 2."""
    with pytest.raises(UsageError, match=r"--version: '3\.9' is not a version like 3\.9\.2"):
        verbs.version("3.9")


class _BrokenStore(ReleaseStore):
    """Holds one sound artifact and one whose digest is another."""

    def all(self) -> list[Artifact]:
        name = release_for(Version(3, 9, 2))
        return [
            Artifact(name, self._folder / sha / f"{name}.tgz", sha, 10, "archive") for sha in ("aa", "bb")
        ]

    def verify(self, artifact: Artifact | Agent) -> str | None:
        return "its sha256 is another" if artifact.sha256 == "bb" else None


def test_verdicts_say_what_to_type_for_a_broken_release() -> None:
    """Only the broken artifact has a remedy, and it removes exactly that one's folder before fetching again."""
    sound, broken = verbs.verify(_BrokenStore(Path("/store")))
    assert (sound.fault, sound.remedy) == (None, None)
    assert broken.fault == "its sha256 is another"
    assert broken.remedy == "rm -r '/store/bb' && fab releases.fetch --version 3.9.2"


def test_release_added_by_hand_has_to_be_handed_over_again() -> None:
    """No source is known to have the same bytes."""
    name = release_for(Version(3, 9, 2))
    artifact = Artifact(name, Path("/store/bb/x.tgz"), "bb", 10, "added by hand")
    remedy = verbs.Verdict(artifact, "its sha256 is another").remedy
    assert (
        remedy == f"rm -r '/store/bb', then hand it over again: fab releases.add {name}.tgz --sha512 DIGEST"
    )


def test_documents_have_a_schema_and_plain_values() -> None:
    """What --json prints can be read without knowing Python."""
    verdicts = verbs.verify(_BrokenStore(Path("/store")))
    listed = verbs.document([found.artifact for found in verdicts])
    verified = verbs.verdict_document(verdicts)
    assert (listed["schema"], verified["schema"]) == ("kafab.releases/1", "kafab.releases-verified/1")
    assert verified["releases"] == [
        {
            "release": "kafka_2.13-3.9.2",
            "version": "3.9.2",
            "scala": "2.13",
            "sha256": sha,
            "size": 10,
            "source": "archive",
            "file": f"/store/{sha}/kafka_2.13-3.9.2.tgz",
            "fault": fault,
        }
        for sha, fault in (("aa", None), ("bb", "its sha256 is another"))
    ]
