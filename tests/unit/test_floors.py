"""The floors of the house: what each module may import and do.

The table is the one of docs/architecture.md, lowest floor first. A module imports only from modules that stand
above its own line; what is not in the table fails, so the table stays complete.
"""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A name with a star stands for the modules of a folder, which may import each other as long as no circle arises; its
# subfolders may have lines of their own.
FLOORS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, ("kafab", "kafab.words", "kafab.errors", "kafab.unknown")),
    (
        1,
        (
            "kafab.command",
            "kafab.interruption",
            "kafab.listeners",
            "kafab.login",
            "kafab.model",
            "kafab.events",
            "kafab.findings",
            "kafab.cautions",
            "kafab.problems",
            "kafab.folders",
            "kafab.references",
        ),
    ),
    (
        2,
        (
            "kafab.shell.*",
            "kafab.releases.*",
            "kafab.config.*",
            "kafab.inventory.*",
            "kafab.hosts.*",
            "kafab.cluster.*",
            "kafab.canary.*",
            "kafab.groups.*",
            "kafab.records.*",
            "kafab.drills.*",
            "kafab.pki.*",
            "kafab.access.*",
            "kafab.ports",
            "kafab.upgrading.*",
            "kafab.metrics.*",
            "kafab.plans.*",
            "kafab.checks.*",
            "kafab.rolling.*",
            "kafab.reporting.*",
            "kafab.diagnosis.*",
        ),
    ),
    (
        3,
        (
            "kafab.ops.*",
            "kafab.ops.author.*",
            "kafab.ops.topics.*",
            "kafab.ops.groups.*",
            "kafab.ops.records.*",
            "kafab.ops.hosts.*",
            "kafab.ops.run.*",
            "kafab.ops.check.*",
            "kafab.ops.rolling.*",
            "kafab.ops.deploy.*",
            "kafab.ops.drills.*",
            "kafab.ops.secure.*",
            "kafab.ops.access.*",
            "kafab.ops.upgrade.*",
            "kafab.ops.reporting.*",
            "kafab.ops.diagnosing.*",
            "kafab.lab.*",
        ),
    ),
    (4, ("kafab.adapters.*", "kafab.screens.*", "kafab.testing.*")),
    (5, ("kafab.wiring",)),
    (6, ("tasks.*", "kafab.cli", "kafab.__main__", "fabfile")),
)
PURE_UP_TO = 3
OUTSIDE = (
    "fabric",
    "invoke",
    "paramiko",
    "kazoo",
    "confluent_kafka",
    "kafka",
    "subprocess",
    "socket",
    "redis",
    "rich",
)
SPEAKS = ("kafab.screens.console",)
KNOWS_ADAPTERS = ("kafab.wiring",)
# What every command would pay for at its start, most of them for nothing.
COSTLY = ("rich", "jinja2", "kazoo", "confluent_kafka", "kafka", "redis")


def _modules() -> dict[str, Path]:
    files = [ROOT / "fabfile.py", *(ROOT / "kafab").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]
    return {_module(file): file for file in files}


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = _modules()


@functools.cache
def _line(module: str) -> tuple[int, int, bool] | None:
    """Return (floor, line in the table, whether the line is a folder's) of a module, None if it has no line."""
    lines = [(floor, name) for floor, names in FLOORS for name in names]
    found: tuple[int, int, bool] | None = None
    deepest = -1
    for number, (floor, name) in enumerate(lines):
        folder = name.endswith(".*")
        if (module == name or (folder and f"{module}.".startswith(name[:-1]))) and len(name) > deepest:
            found, deepest = (floor, number, folder), len(name)
    return found


def _imports(nodes: Iterable[ast.AST], module: str, *, package: bool) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                kept = parts[: len(parts) - node.level + package]
                base = ".".join([*kept, *([node.module] if node.module else [])])
            # `from kafab import plan` names a module, `from kafab.plans.plan import Plan` does not.
            submodules = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in MODULES]
            yield from submodules or [base]


def _calls(nodes: Iterable[ast.AST], name: str) -> bool:
    return any(isinstance(node, ast.Call) and _last_name(node.func) == name for node in nodes)


def _last_name(node: ast.expr) -> str:
    """Return the name that an expression ends with."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@functools.cache
def _read(module: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return what a module of the house imports, and its offences: it is parsed once for all that is asked of it."""
    file = MODULES[module]
    nodes, package = parsed(file.read_text(encoding="utf-8")), file.stem == "__init__"
    return frozenset(_imports(nodes, module, package=package)), (*offences(module, nodes, package=package),)


def parsed(source: str) -> list[ast.AST]:
    """Return everything that a source has in it."""
    return [*ast.walk(ast.parse(source))]


def offences(module: str, nodes: Sequence[ast.AST], *, package: bool = False) -> list[str]:
    """Return what a module does that its floor does not allow, in words."""
    place = _line(module)
    if place is None:
        return [f"{module} is not in the table of floors"]
    floor, line, folder = place
    found = []
    for name in sorted(set(_imports(nodes, module, package=package))):
        if floor <= PURE_UP_TO and name.partition(".")[0] in OUTSIDE:
            found.append(f"{module} (floor {floor}) imports {name}")
        there = _line(name)
        if there is None:
            if name.partition(".")[0] in ("kafab", "tasks"):
                found.append(f"{module} imports {name}, which is not in the table of floors")
            continue
        same_folder = folder and there[1] == line
        if there[1] >= line and not same_folder:
            found.append(f"{module} (floor {floor}) imports {name} (floor {there[0]}), which is not below it")
        if name.startswith("kafab.adapters") and not same_folder and module not in KNOWS_ADAPTERS:
            found.append(f"{module} imports {name}: only kafab.wiring does")
    if floor <= PURE_UP_TO and any(_names_sleep(node) for node in nodes):
        found.append(f"{module} (floor {floor}) names time.sleep: take a Clock")
    if module not in SPEAKS and _calls(nodes, "print"):
        found.append(f"{module} prints: only kafab.screens.console does")
    return found


def _names_sleep(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and any(alias.name == "sleep" for alias in node.names)
    if not isinstance(node, ast.Attribute) or node.attr != "sleep":
        return False
    return isinstance(node.value, ast.Name) and node.value.id == "time"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_keeps_to_its_floor(module: str) -> None:
    """A module imports only what stands below it, and only the outside world that its floor may know."""
    assert _read(module)[1] == ()


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("kafab.stranger", "", "not in the table"),
        ("kafab.model", "import socket", "imports socket"),
        ("kafab.plans.plan", "def late():\n    import kazoo.client", "imports kazoo.client"),
        ("kafab.errors", "from kafab.model import Host", "not below it"),
        ("kafab.errors", "from kafab import model", "not below it"),
        ("kafab.ops.deploy.deploy", "from kafab.screens.console import Console", "not below it"),
        ("kafab.ops.deploy.deploy", "from ...wiring import Session", "not below it"),
        ("kafab.plans.plan", "from kafab.nowhere import x", "kafab.nowhere, which is not in the table"),
        ("kafab.ops.deploy.executor", "import time\ntime.sleep(1)", "time.sleep"),
        ("kafab.ops.deploy.executor", "from time import sleep", "time.sleep"),
        ("kafab.ops.deploy.executor", "import time\nnap = time.sleep", "time.sleep"),
        ("kafab.adapters.ssh.fleet", "print('hello')", "prints"),
        ("kafab.testing.fleet", "from kafab.adapters.machine.clock import SystemClock", "only kafab.wiring"),
        ("tasks.lab", "from kafab.adapters.store.store import ReleaseStore", "only kafab.wiring"),
    ],
)
def test_floors_notice_an_offence(module: str, source: str, complaint: str) -> None:
    """Each rule of the floors can turn red."""
    assert any(complaint in offence for offence in offences(module, parsed(source)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "kafab.ops.deploy.deploy",
            "from kafab.ops.run.lifecycle import x\nfrom kafab.plans.plan import Plan",
        ),
        ("kafab.wiring", "def fleet():\n    from kafab.adapters.ssh.fleet import SshFleet"),
        ("kafab.adapters.ssh.fleet", "import fabric, time\ntime.sleep(1)"),
        ("kafab.screens.console", "print('hello')"),
    ],
)
def test_floors_allow_what_is_right(module: str, source: str) -> None:
    """The rules do not forbid what they are there to allow."""
    assert offences(module, parsed(source)) == []


def test_table_has_no_line_without_a_module() -> None:
    """Every line of the table is a module that exists."""
    names = [name for _, names in FLOORS for name in names]
    assert [name for name in names if name.removesuffix(".*") not in MODULES] == []


def test_architecture_page_shows_this_table() -> None:
    """docs/architecture.md has the same floors with the same modules in the same order."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\d) \| (.*?) \|", page, re.MULTILINE)
    names = [
        (str(floor), ", ".join(f"`{name.removeprefix('kafab.')}`" for name in names))
        for floor, names in FLOORS
    ]
    assert shown == names


def test_no_circle_of_imports() -> None:
    """No module imports itself through others, also inside a folder."""
    graph = {
        module: {name for name in _read(module)[0] if name in MODULES and name != module}
        for module in MODULES
    }
    while graph:
        free = {module for module, wanted in graph.items() if not wanted & graph.keys()}
        assert free, f"a circle of imports in {sorted(graph)}"
        graph = {module: wanted for module, wanted in graph.items() if module not in free}


def test_tasks_import_each_other_relatively() -> None:
    """The wheel carries tasks/ as kafab.tasks, so a module of it names its neighbours with a dot."""
    absolute = [
        f"{module}: {node.module}"
        for module, file in MODULES.items()
        if module.startswith("tasks")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("tasks")
    ]
    assert absolute == []


def test_listing_the_tasks_imports_nothing_costly() -> None:
    """Every command pays for what importing the tasks imports."""
    listing = f"import sys, tasks; print([name for name in {COSTLY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
