"""What stands behind ``--`` on the command lines of `fab` and `kafab`: both programs as a user starts them."""

import os
import signal
import subprocess
import sys

import pytest

from kafab import cli
from tasks.chain import CHAIN
from tests.fab import CHECKOUT

FAB = ("-m", "fabric")
KAFAB = ("-c", "from kafab.cli import main; main()")
EXAMPLE = str(CHECKOUT / "inventory" / "examples" / "three.yaml")


def run(program: tuple[str, ...], *words: str) -> tuple[int, str, str]:
    """Run a command line and return its exit code, its output and the first line of its errors."""
    command = [sys.executable, *program, *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr.partition("\n")[0]


@pytest.mark.parametrize("program", [FAB, KAFAB], ids=["fab", "kafab"])
def test_tool_gets_the_words_behind_the_dashes(program: tuple[str, ...]) -> None:
    """They reach the task whole, here a name that is refused with a blank in it, and none of them is kafab's own --json."""
    found = run(program, "on", EXAMPLE, "tool", "node1/broker", "--", "a b/c", "--json")
    assert found == (2, "", "error: found a b/c; expected the name of a script in the release's bin/")


@pytest.mark.parametrize("program", [FAB, KAFAB], ids=["fab", "kafab"])
def test_dashes_behind_another_task_are_refused(program: tuple[str, ...]) -> None:
    """No task runs, and no traceback of Fabric's tells that -H is missing."""
    found = run(program, "on", EXAMPLE, "status", "--", "kafka-topics.sh")
    assert found == (2, "", "only `tool` takes words behind `--`: fab tool NODE -- kafka-topics.sh --list")


@pytest.mark.parametrize("program", [FAB, KAFAB], ids=["fab", "kafab"])
def test_unknown_task_ends_with_2(program: tuple[str, ...]) -> None:
    """Invoke by itself would end with 1: a script tells a mistake from a failure."""
    assert run(program, "nosuch") == (2, "", "No idea what 'nosuch' is!")


@pytest.mark.usefixtures("signals_given_back")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nosuch"], "No idea what 'nosuch' is!"),
        (["status", "--nosuch"], "No idea what '--nosuch' is!"),
        (["--help", "nosuch"], "No idea what 'nosuch' is!"),
        (["stop", "--limit"], "Flag <Argument: limit> needed value and was not given one!"),
        (["logs"], "'logs' did not receive required positional arguments: 'node'"),
        (["topics.create", "--help"], "error: found --help where NAME is expected"),
        (["topics.delete", "--force"], "error: found --force where NAME is expected"),
    ],
)
def test_mistake_on_the_command_line_ends_with_2(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever Invoke finds ends so, and is told in its words; here without a process of its own."""
    monkeypatch.setattr(CHAIN, "_console", None)
    monkeypatch.setattr(sys, "argv", ["kafab", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.partition("\n")[0]) == (2, "", told)


@pytest.mark.parametrize("reads_in", ["import fabfile", "import kafab.__main__ as k; k.main()"])
def test_ctrl_c_in_the_first_seconds_is_one_word(reads_in: str) -> None:
    """While kafab is read in, Ctrl-C ends it with 130; no traceback out of an import, and no silence."""
    code = f"""
import os, signal, sys
class Stop:
    def find_spec(self, name, path=None, target=None):
        if name in ("tasks", "kafab.cli"):
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
{reads_in}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ignored_ctrl_c_stays_ignored() -> None:
    """In the background of a shell without job control Ctrl-C is for somebody else."""
    code = "import os, signal, fabfile; os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # nothing else runs here
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "goes on\n")


@pytest.mark.parametrize(("variable", "told"), [({}, "False"), ({"PYTHONDONTWRITEBYTECODE": "1"}, "True")])
def test_what_python_compiles_is_kept(variable: dict[str, str], told: str) -> None:
    """Invoke has nothing kept, and each command would compile kafab again; the user's own word is heard."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = "import sys; sys.dont_write_bytecode = True; import fabfile; print(sys.dont_write_bytecode)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=kept | variable,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == (f"{told}\n", "")
