"""Releases of Kafka on this machine, from where `deploy` takes them."""

from invoke.context import Context

from .boundary import task
from .chain import CHAIN

_JSON = "print one JSON document on stdout"
_COLUMNS = ("Release", "Size", "Source", "Sha256")


@task(help={"version": "a Kafka version like 3.9.2; without it the selected cluster's", "json": _JSON})
def fetch(_context: Context, version: str = "", json: bool = False) -> None:
    """Get a release into the store: from Apache's archive, or else put together by Maven."""
    from kafab.ops import releases
    from kafab.wiring import open_store

    console = CHAIN.console(json=json)
    cluster = None if version else CHAIN.session().cluster
    wanted, scala = (cluster.version, cluster.scala) if cluster else (releases.version(version), None)
    artifact = releases.fetch(open_store(), wanted, scala, console.emit)
    console.data(releases.document([artifact]), str(artifact.file))


@task(name="list", help={"json": _JSON})
def list_(_context: Context, json: bool = False) -> None:
    """Show the releases in the store."""
    from kafab.ops import releases
    from kafab.wiring import open_store
    from kafab.words import size

    console, found = CHAIN.console(json=json), open_store().all()
    rows = [(item.name, size(item.size), item.source, item.sha256) for item in found]
    console.data(
        releases.document(found), console.table(_COLUMNS, rows) if rows else "no releases in the store"
    )


@task(
    positional=["file"],
    help={
        "file": "the path of a release, a .tgz or a .tar",
        "sha512": "its published digest: 128 hex digits, or the text of the .sha512 file",
        "json": _JSON,
    },
)
def add(_context: Context, file: str, sha512: str | None = None, json: bool = False) -> None:
    """Check a release that was brought here by hand, and keep a copy of it in the store."""
    from kafab.ops import releases
    from kafab.wiring import open_store

    console = CHAIN.console(json=json)
    artifact = releases.add(open_store(), file, sha512, console.emit)
    console.data(releases.document([artifact]), str(artifact.file))


@task(
    help={
        "hosts": "compare the releases on the selected cluster's hosts, file by file, instead",
        "json": _JSON,
    }
)
def verify(_context: Context, hosts: bool = False, json: bool = False) -> int:
    """Compute the digest of every stored release again; exit code 1 if one is not what it was."""
    return _verify_hosts(json=json) if hosts else _verify_store(json=json)


def _verify_hosts(*, json: bool) -> int:
    from kafab.findings import Report
    from kafab.ops import releases

    session, console = CHAIN.session(), CHAIN.console(json=json)
    found = releases.compare_hosts(session.cluster, session)
    report = Report(session.cluster.name, found)
    console.report(report, schema="kafab.releases-hosts/1")
    return report.exit_code


def _verify_store(*, json: bool) -> int:
    from kafab.ops import releases
    from kafab.wiring import open_store

    console = CHAIN.console(json=json)
    found = releases.verify(open_store())
    rows = [(item.artifact.name, item.fault or "ok", item.artifact.sha256) for item in found]
    text = console.table(("Release", "State", "Sha256"), rows) if rows else "no releases in the store"
    console.data(releases.verdict_document(found), text)
    for item in found:
        if item.fault:
            console.warn(f"{item.artifact.name} is broken: {item.fault}. To get it anew: {item.remedy}")
    return int(any(item.fault for item in found))
