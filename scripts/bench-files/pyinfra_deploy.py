"""What `fab deploy` does to a docker lab, as an experienced user of pyinfra would write it; the inventory has the values."""

from pathlib import PurePosixPath

from pyinfra import host
from pyinfra.facts.files import Directory
from pyinfra.operations import files, server, systemd

wanted = host.data
release = wanted.release

server.user(  # noqa: S604  # that is the account's login shell
    name="Service account",
    user=wanted.account,
    system=True,
    home="/nonexistent",
    ensure_home=False,
    shell="/usr/sbin/nologin",
)
for folder in wanted.folders:
    files.directory(folder["path"], user=folder["owner"], group=folder["group"], mode=folder["mode"])

# The folder of the release has the archive's checksum in its name.
if not host.get_fact(Directory, path=f"{release['folder']}/libs"):
    archive = f"{release['folder']}.archive"
    files.put(release["archive"], archive)
    server.shell(
        name="Release",
        commands=[
            f"echo '{release['sha256']}  {archive}' | sha256sum --check --quiet",
            f"mkdir -p {release['folder']}",
            f"tar -xf {archive} --strip-components=1 --no-same-owner -C {release['folder']}",
            f"rm {archive}",
        ],
    )

for each in wanted.files:
    files.put(each["source"], each["path"], user=each["owner"], group=each["group"], mode=each["mode"])
units = [
    files.put(each["source"], each["path"], user=each["owner"], group=each["group"], mode=each["mode"])
    for each in (*wanted.units, *wanted.drop_ins)
]
for link in wanted.links:
    files.link(link, target=PurePosixPath(release["folder"]).name)
if any(unit.will_change for unit in units):
    systemd.daemon_reload()
for service in wanted.services:
    systemd.service(service, running=None, enabled=True)
