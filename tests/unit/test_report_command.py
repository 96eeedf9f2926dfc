"""`fab report`, and --report beside verify, restart and drills, over hosts and a Kafka in memory."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from invoke.collection import Collection

from kafab.canary.course import Course, Gap, Point
from kafab.canary.figures import Counts, Figures
from kafab.drills.history import Event, Kind
from kafab.drills.rows import NONE, Cell, Row, Table
from kafab.drills.story import story
from kafab.errors import Failed
from kafab.ops.drills import running
from kafab.records.settings import Client
from kafab.reporting.page import Acks, Isr, Page, TimeLine
from kafab.reporting.render import data
from kafab.testing.canaries import FakeFlight
from kafab.testing.kafka import FakeKafka
from kafab.testing.world import FakeWorld
from kafab.unknown import Unknown
from tasks import canary, drill, reporting, rolling, verify
from tests.command_line import Fab, on_fakes, tree_of
from tests.conftest import cluster_in
from tests.cosmos import Cosmos, names
from tests.report_pages import NASTY

pytestmark = pytest.mark.usefixtures("signals_given_back")
EVERY = names("zookeeper") + names("broker")


@pytest.fixture
def cosmos(tmp_path: Path) -> Cosmos:
    """Three hosts on which everything runs, and a topic of three replicas that needs two."""
    cosmos = Cosmos(cluster_in(tmp_path, 3)).up()
    cosmos.kafka.add("orders", [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
    cosmos.kafka.configs["orders"]["min.insync.replicas"] = "2"
    return cosmos


def tree() -> Collection:
    """Return the commands that write reports."""
    made = tree_of(reporting.report)
    for one in (rolling.restart, verify.verify, canary.canary):
        made.add_task(one)
    made.add_collection(Collection.from_module(drill))
    return made


@pytest.fixture
def fab(cosmos: Cosmos, monkeypatch: pytest.MonkeyPatch) -> Fab:
    """Return what runs command lines on that cluster."""
    return on_fakes(monkeypatch, cosmos.cluster, cosmos.world, tree())


def read(file: Path) -> Page:
    """Return what a file was made from."""
    return data(file.read_text(encoding="utf-8"))[0]


def test_report_has_the_cluster(fab: Fab, tmp_path: Path) -> None:
    """The page has every node with its state, the partitions, and the verdict of the exit code."""
    file = tmp_path / "a.html"
    code = fab("report", "--out", str(file))
    page = read(file)
    states = {node.name: node.state for node in page.nodes}
    assert (code, page.kind, page.verdict.exit_code) == (page.verdict.exit_code, "report", code)
    assert (states, page.partitions and page.partitions.partitions) == (dict.fromkeys(EVERY, "running"), 3)


def test_report_has_a_name_of_its_own(
    fab: Fab,
    cosmos: Cosmos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without --out the file is named after the cluster, and that is said."""
    monkeypatch.chdir(tmp_path)
    fab("report")
    name = f"report-{cosmos.cluster.name}.html"
    assert ((tmp_path / name).is_file(), f"report: {name}" in capsys.readouterr().out) == (True, True)


def test_document_is_what_the_page_shows(
    fab: Fab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json prints the data of the file, and its name."""
    file = tmp_path / "a.html"
    fab("report", "--out", str(file), "--json")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["file"], len(printed["nodes"])) == (read(file).schema, str(file), 6)


def test_cluster_that_does_not_answer_has_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so first, shows every node as unknown, and says that the history is not known either; exit 5."""
    kafka = FakeKafka(cluster_in(tmp_path, 3))
    for broker in kafka.cluster.brokers:
        kafka.stop_broker(broker.id)
    kafka.stopped_servers = {node.id for node in kafka.cluster.zookeepers}
    fab = on_fakes(monkeypatch, kafka.cluster, FakeWorld.of(kafka), tree())
    code = fab("report", "--out", str(tmp_path / "a.html"))
    page = read(tmp_path / "a.html")
    assert (page.verdict.text, {node.state for node in page.nodes}, page.partitions) == (
        "the cluster does not answer: no host of 3 hosts could be asked",
        {"UNKNOWN"},
        None,
    )
    assert ("no host" in page.history_unknown, code) == (True, page.verdict.exit_code)
    assert code in (1, 5)


def test_verify_writes_what_it_found(fab: Fab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page has the findings of the screen, and does not say of what was proven that it was not."""
    file = tmp_path / "a.html"
    fab("verify", "--report", str(file), "--json")
    printed = json.loads(capsys.readouterr().out)["findings"]
    page = read(file)
    assert [(one.check, one.subject) for one in page.findings] == [
        (one["check"], one["subject"]) for one in printed
    ]
    assert not [text for text in page.not_checked if "records can be written" in text]


def test_what_was_not_proven_is_said(fab: Fab, tmp_path: Path) -> None:
    """A check that only reads has not proven that records can be written."""
    file = tmp_path / "a.html"
    fab("verify", "--read-only", "--report", str(file))
    assert [text for text in read(file).not_checked if "records can be written" in text]


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> Course:
    """Let the canary tell how it went."""
    made = Course(1.0, 0.25, (Point(0, 3, 2.0, 4.0), Point(3, 2, 2.0, 900.0)), (Gap(1, 0.2, 0.9),))
    told: Callable[[FakeFlight], object] = FakeFlight.heard

    def heard(self: FakeFlight) -> object:
        found = told(self)
        figures: Figures = found.figures  # type: ignore[attr-defined]  # it is a Heard
        return replace(found, figures=replace(figures, course=made))  # type: ignore[type-var]

    monkeypatch.setattr(FakeFlight, "heard", heard)
    return made


def parts(page: Page) -> tuple[TimeLine, Isr, Acks]:
    """Return the time line of a roll, and what is in it."""
    assert page.time
    assert page.time.isr
    assert page.time.acks
    return page.time, page.time.isr, page.time.acks


def test_roll_has_its_time_line(fab: Fab, course: Course, tmp_path: Path) -> None:
    """Each node is there with its bars in order, the canary with its steps and gaps, and each broker with its strip."""
    file = tmp_path / "a.html"
    code = fab("restart", "--yes", "--report", str(file))
    page = read(file)
    line, isr, acks = parts(page)
    assert page.roll
    phases = {node: tuple(span.phase for span in line.spans if span.node == node) for node in EVERY}
    assert (code, set(phases.values())) == (0, {("stops", "is down", "starts", "catches up")})
    assert sorted(one.node for one in page.roll.nodes) == sorted(EVERY)
    assert [point.acked for point in acks.points] == [3, 2]
    assert [(gap.subject, round(gap.ends_s - gap.begins_s, 1)) for gap in line.gaps] == [
        ("node2/broker", 0.7)
    ]
    assert [strip.node for strip in isr.strips] == names("broker")


def test_canary_alone_has_its_time_line(fab: Fab, course: Course, tmp_path: Path) -> None:
    """Its acknowledgements and gaps are there, and what was not looked at in a roll is not missed."""
    file = tmp_path / "a.html"
    code = fab("canary", "--for", "1s", "--report", str(file))
    page = read(file)
    assert page.time
    assert page.time.acks
    shown = ([point.acked for point in page.time.acks.points], [gap.subject for gap in page.time.gaps])
    assert (code, page.kind, page.roll, shown) == (0, "canary", None, ([3, 2], ["node2/broker"]))
    assert (page.verdict.text.startswith("of "), "canary-chart" in file.read_text(encoding="utf-8")) == (
        True,
        True,
    )


def test_verdict_of_a_roll_counts_what_the_canary_lost(fab: Fab, cosmos: Cosmos, tmp_path: Path) -> None:
    """What the canary could not prove is the verdict of the page, as it is of the exit code."""
    cosmos.canaries.counted = False
    code = fab("restart", "--yes", "--report", str(tmp_path / "a.html"))
    verdict = read(tmp_path / "a.html").verdict
    assert (code, verdict.exit_code, verdict.severity) == (5, 5, "UNKNOWN")


def test_failed_roll_has_a_report(fab: Fab, cosmos: Cosmos, tmp_path: Path) -> None:
    """Where a roll stops in its midst the page says why and shows what was done."""
    cosmos.canaries.counts = {1: Counts(sent=9, acked=9, lost=3)}
    code = fab("restart", "--yes", "--report", str(tmp_path / "a.html"))
    page = read(tmp_path / "a.html")
    assert (code, page.verdict.severity, "lost" in page.verdict.text) == (1, "CRIT", True)
    assert (page.time is not None, page.canary is not None, len(page.nodes)) == (True, True, 6)


def test_interrupted_roll_has_a_report_and_asks_nothing_more(
    fab: Fab, cosmos: Cosmos, tmp_path: Path
) -> None:
    """After Ctrl-C the page has what was done, and says of the rest that it was not asked."""
    cosmos.ctrl_c = 4
    code = fab("restart", "--yes", "--report", str(tmp_path / "a.html"))
    page = read(tmp_path / "a.html")
    assert (code, page.verdict.severity, "interrupted" in page.history_unknown) == (130, "WARN", True)
    assert (page.time is not None, page.canary and page.canary.counted) == (True, False)


def test_file_that_cannot_be_written_stops_nothing_half_way(fab: Fab, cosmos: Cosmos, tmp_path: Path) -> None:
    """It is told before the first node stops: exit 1, and nothing was touched."""
    code = fab("restart", "--yes", "--report", str(tmp_path / "nowhere" / "a.html"))
    assert (code, cosmos.moves) == (1, [])


@pytest.mark.parametrize("fault", [Failed("the disk is full"), ValueError("a mistake of ours")])
def test_report_that_fails_in_the_end_spoils_nothing(
    fab: Fab,
    cosmos: Cosmos,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    """Where the file cannot be written after the roll, that is told, and the exit code is the roll's."""
    from kafab.ops.reporting.writing import ReportFile

    def fails(_file: ReportFile, _text: str) -> None:
        raise fault

    monkeypatch.setattr(ReportFile, "write", fails)
    code = fab("restart", "--yes", "--report", str(tmp_path / "a.html"))
    told = [getattr(event, "text", "") for event in cosmos.events]
    assert (code, len(cosmos.moves)) == (0, 2 * len(EVERY))
    assert [text for text in told if text.startswith("no report was written: ")]


def test_report_of_nothing_to_restart_says_so(fab: Fab, tmp_path: Path) -> None:
    """A roll of what is pending, where nothing is, has a report as well."""
    fab("restart", "--pending", "--yes", "--report", str(tmp_path / "a.html"))
    assert read(tmp_path / "a.html").verdict.text == "there was nothing to do"


@pytest.mark.parametrize("flag", ["--at-once", "--forget"])
def test_flag_goes_with_a_roll_only(fab: Fab, cosmos: Cosmos, tmp_path: Path, flag: str) -> None:
    """What is no roll has no report: exit 2, and nothing is done."""
    code = fab("restart", flag, "--yes", "--report", str(tmp_path / "a.html"))
    assert (code, cosmos.moves, list(tmp_path.glob("*.html"))) == (2, [], [])


def test_drill_has_its_cells_in_time(fab: Fab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell is there with its verdict, its faults and how it went."""
    events = [Event(10.0 + at / 10, "writer", Kind.SEND, number=at) for at in range(20)]
    events += [Event(10.01 + at / 10, "writer", Kind.ACK, number=at) for at in range(20) if not 5 < at < 15]
    went = story(events, [(10.6, "leader killed")])
    row = Row(
        Cell("all well", "no loss", {"lost": NONE}), Client.CONFLUENT, "acks all", {"lost": 0}, story=went
    )
    monkeypatch.setattr(
        running, "run", lambda *_any, **_more: (Table("acks", "What it is worth", 7, 0, (row,)),)
    )
    code = fab("drill.run", "acks", "--report", str(tmp_path / "a.html"))
    page = read(tmp_path / "a.html")
    (cell,) = page.drills[0].cells
    assert (code, page.drills[0].seed, cell.verdict, "confluent" in page.clients) == (0, 7, "held", True)
    assert cell.time
    assert cell.time.acks
    assert (sum(one.acked for one in cell.time.acks.points), [mark.at_s for mark in cell.time.marks]) == (
        11,
        [0.6],
    )
    assert [(gap.begins_s, gap.ends_s) for gap in cell.time.gaps] == [(0.5, 1.5)]


def test_names_of_topics_are_text(fab: Fab, cosmos: Cosmos, tmp_path: Path) -> None:
    """A finding about a name that HTML would take for its own is shown, and is no element."""
    view = cosmos.world.brokers.metadata()
    assert not isinstance(view, Unknown)
    cosmos.kafka.add(NASTY, [(1, 2, 3)])
    fab("report", "--out", str(tmp_path / "a.html"))
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert ("<script" in text, read(tmp_path / "a.html").partitions is not None) == (False, True)
