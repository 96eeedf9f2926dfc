"""Flags of the JVM beside kafab's own: what is overridden is refused, and the files of the others are known."""

import re
from pathlib import Path, PurePosixPath

import pytest

from kafab.config.jvm import files_read, files_written, without_effect
from kafab.config.render import node_files
from kafab.inventory import load

WHOLE = """
kafka: {{version: {version}, jvm: [-ea], jmx_port: 7199, jmx_bind: 192.0.2.1}}
hosts: {{n1: {{address: 192.0.2.1, {voter}: 1, broker: 1}}}}
"""
ELSEWHERE = {"java.rmi.server.hostname", "com.sun.management.jmxremote"}
"""Overridden only where jmx_bind is given, which the inventory's rules see; and a switch without a value."""


@pytest.mark.parametrize(("version", "voter"), [("3.9.2", "zookeeper"), ("4.3.1", "controller")])
def test_no_flag_of_the_launch_script_can_be_given(version: str, voter: str, tmp_path: Path) -> None:
    """Whatever kafab puts on the command line behind the flags of an inventory is refused among these."""
    file = tmp_path / "prod.yaml"
    file.write_text(WHOLE.format(version=version, voter=voter))
    cluster, _ = load(file)
    launches = [f.text for n in cluster.nodes for f in node_files(cluster, n) if f.path.name == "launch"]
    behind = "\n".join(text[text.index("-Xms") :] for text in launches)
    names = set(re.findall(r"-D\"?([A-Za-z0-9.]+)", behind)) - ELSEWHERE
    flags = [*(f"-D{name}=x" for name in names), "-Xms64m", "-Xmx64m", "-cp"]
    assert ([flag for flag in flags if without_effect(flag) is None], len(names) > 3) == ([], True)


@pytest.mark.parametrize(
    "flag",
    [
        "-Xmn256m",
        "-Xss1m",
        "-XX:MaxGCPauseMillis=20",
        "-Xlog:gc",
        "-Dlog4j2.debug=true",
        "-XX:MaxDirectMemorySize=1g",
    ],
)
def test_other_flags_are_taken(flag: str) -> None:
    """A flag that nothing overrides stays the user's."""
    assert without_effect(flag) is None


@pytest.mark.parametrize(
    ("flag", "files"),
    [
        ("-javaagent:/opt/jmx/agent.jar", ["/opt/jmx/agent.jar"]),
        (
            "-javaagent:/opt/jmx/agent.jar=7071:/opt/jmx/kafka.yml",
            ["/opt/jmx/agent.jar", "/opt/jmx/kafka.yml"],
        ),
        ("-javaagent:/opt/a.jar=port=80,path=/metrics,config=/opt/a.yaml", ["/opt/a.jar", "/opt/a.yaml"]),
        ("-agentpath:/opt/lib.so=start,file=/var/log/x.html", ["/opt/lib.so"]),
        ("-agentlib:jdwp=transport=dt_socket", []),
        ("-javaagent:relative.jar", []),
        ("-Xbootclasspath/a:/opt/a.jar:/opt/b.jar", ["/opt/a.jar", "/opt/b.jar"]),
        ("-Djava.security.auth.login.config=/etc/kafka/jaas.conf", ["/etc/kafka/jaas.conf"]),
        ("-Djavax.net.ssl.trustStore=/etc/trust.p12", ["/etc/trust.p12"]),
        ("-Dx=/y", []),
    ],
)
def test_files_that_a_flag_needs(flag: str, files: list[str]) -> None:
    """An agent with its settings, and files of logins and keys: what else begins with a slash may be no file."""
    assert files_read([flag]) == tuple(map(PurePosixPath, files))


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        ("-Xlog:gc*:file=/g/gc.log:time:filecount=9", "/g/gc.log"),
        ("-Xlog:gc:/g/gc.log", "/g/gc.log"),
        ("-Xloggc:/g/gc.log", "/g/gc.log"),
        ("-XX:HeapDumpPath=/g", "/g"),
        ("-XX:ErrorFile=/g/hs_err_%p.log", "/g/hs_err_%p.log"),
        ("-XX:StartFlightRecording=maxsize=1g,filename=/g/a.jfr,dumponexit=true", "/g/a.jfr"),
        ("-XX:ErrorFile=hs_err.log", None),
        ("-Xlog:gc:stderr", None),
    ],
)
def test_file_that_a_flag_writes(flag: str, path: str | None) -> None:
    """Logs and dumps of certain paths; a relative one lies in the folder of the node's logs."""
    assert list(files_written([flag])) == ([(flag, PurePosixPath(path))] if path else [])
