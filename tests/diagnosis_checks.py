"""What `fab diagnose` must say of a real cluster that is broken."""

import tarfile

from tests.labs import LocalLab


def check_that_a_killed_broker_is_named(lab: LocalLab, name: str) -> None:
    """Check that the killed broker is the likely cause, and that the archive can be read and has its log and the report."""
    archive = lab.fab.home / "killed.tar.gz"
    done = lab.fab.must("diagnose", "--out", str(archive), "--json")
    first = done.document["causes"][0]
    assert (first["sign"], first["subjects"]) == ("killed", [name])
    with tarfile.open(archive) as tar:
        kept = {one.name.partition("/")[2]: one.size for one in tar.getmembers()}
    log = f"nodes/{name}/log.txt"
    assert (kept[log] > 1000, kept["report.html"] > 10_000, first["place"].startswith(log)) == (
        True,
        True,
        True,
    )
    archive.unlink()
