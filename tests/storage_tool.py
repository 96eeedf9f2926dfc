"""A stand-in for the release's StorageTool: a `java` that leaves behind what `format` does, without a JVM."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from kafab.model import Cluster

_JAVA = """\
#!/bin/sh
set -eu
id= config= first=
echo "$@" >> {log}
while [ $# -gt 0 ]; do
  case $1 in -t) id=$2 ;; -c) config=$2 ;; --initial-controllers) first=$2 ;; esac
  shift
done
node=$(sed -n 's/^node.id=//p' "$config")
[ ! -d {gate} ] || : > {gate}/"$node"
while [ -d {gate} ]; do sleep 0.02; done
sed -n 's/^log.dirs=//p' "$config" | tr ',' '\\n' | while read -r path; do
  [ ! -e "$path/meta.properties" ] || continue
  printf 'version=1\\nnode.id=%s\\ncluster.id=%s\\n' "$node" "$id" > "$path/meta.properties.tmp"
  mv "$path/meta.properties.tmp" "$path/meta.properties"
done
# The first voters are there, and cannot be read: of their record this has the begin only.
metadata=$(sed -n 's/^log.dirs=\\([^,]*\\).*/\\1/p' "$config")/__cluster_metadata-0
[ -z "$first" ] || [ -e "$metadata" ] || {{
  mkdir "$metadata"
  printf '\\010\\000\\000\\000\\006\\002\\000\\000\\002\\000\\000' > "$metadata/00000000000000000000-0000000000.checkpoint"
}}
"""


class StorageTool:
    """The stand-in, in a Java home of its own below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.home, self.gate, self._log = folder / "java", folder / "gate", folder / "calls"
        java = self.home / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text(_JAVA.format(log=self._log, gate=self.gate))
        java.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The words of each call, in order."""
        return self._log.read_text().splitlines() if self._log.exists() else []

    def forget(self) -> None:
        """Forget the calls."""
        self._log.unlink(missing_ok=True)

    def on(self, cluster: Cluster) -> Cluster:
        """Return the cluster with this Java on all its hosts."""
        hosts = {host.name: replace(host, java=PurePosixPath(self.home)) for host in cluster.hosts}
        nodes = tuple(replace(node, host=hosts[node.host.name]) for node in cluster.nodes)
        return replace(cluster, hosts=tuple(hosts.values()), nodes=nodes)
