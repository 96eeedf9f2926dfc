"""What observe.deploy did, or would do, on a host with Prometheus."""

import re

from kafab.metrics import configuration
from kafab.metrics.placing import Change
from kafab.ops.hosts.watching import Watched
from kafab.words import plural


def watched_text(watched: Watched) -> str:
    """Return a line a file, the lines that the configuration gets, and what Prometheus has in the end."""
    found, host = watched.placing, watched.host
    lines = []
    for change in found.changes:
        lines.append(f"{change.path} {change.kind}")
        if change.path == watched.place.config:
            lines += _difference(change)
    if watched.loaded is None:
        then = (
            "then Prometheus reads its configuration anew" if found.reload else "Prometheus finds them itself"
        )
        lines.append(f"{host}: {then if found.changes or found.reload else 'nothing to do'}")
        return "\n".join(lines)
    if not found.changes:
        lines.append(f"{host}: its files are as they should be")
    has = f"has {plural(found.rules, 'alert')} and asks {plural(found.targets, 'node')}"
    lines.append(f"{host}: Prometheus {'has read its files anew, ' if found.reload else ''}{has}")
    if found.rules:
        lines.append(f"{host}: {_alerts_go(watched)}")
    if not watched.loaded.good:
        lines.append(
            f"{host}: Prometheus did not take its configuration when it read it last, and runs with an older one"
        )
    return "\n".join(lines)


def watched_document(watched: Watched, cluster: str) -> dict[str, object]:
    """Return ``kafab.observe-deployed/1``; ``done`` is false for a plan."""
    found = watched.placing
    return {
        "schema": "kafab.observe-deployed/1",
        "cluster": cluster,
        "host": watched.host,
        "done": watched.loaded is not None,
        "changes": [{"file": str(change.path), "change": change.kind} for change in found.changes],
        "reload": found.reload,
        "alerts": found.rules,
        "targets": found.targets,
        "lost_alerts": list(found.lost),
        "alertmanagers": list(found.alertmanagers),
    }


def _difference(change: Change) -> list[str]:
    """Return the lines that a configuration has less and more than before: none but kafab's own, as others may hold a password."""
    before, after = (
        configuration.ours(text or "") for text in (change.before and change.before.text, change.after)
    )
    less, more = (
        [line for line in one if line not in two] for one, two in ((before, after), (after, before))
    )
    return [*(f"  - {line}" for line in less), *(f"  + {line}" for line in more)]


def _alerts_go(watched: Watched) -> str:
    """Return in a sentence where alerts go."""
    names, seen = watched.placing.alertmanagers, watched.seen
    if not names:
        return "alerts go nowhere: the configuration names no Alertmanager"
    told = ", ".join(names)
    if seen.alerted or not all(re.fullmatch(r"(localhost|127\.0\.0\.1):9093", name) for name in names):
        return f"alerts go to {told}"
    way = "systemctl start" if seen.alertmanager else "apt-get install"
    nothing = f"nothing listens there on {watched.host} (as root: {way} prometheus-alertmanager)"
    return f"alerts go nowhere: they are sent to {told}, and {nothing}"
