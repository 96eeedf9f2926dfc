"""ZooKeeper's own properties of zoo.cfg: which of them its version knows, and what it refuses at its start.

ZooKeeper has no catalogue. What it does not parse itself (QuorumPeerConfig.parseProperties) it makes a Java system
property, ``zookeeper.`` in front, whether anything reads it or not: a key in other letters than its own changes
nothing, and nobody is told. The lists are those of ZooKeeper 3.5.7, 3.6.3 and 3.8.4, which Kafka 2.4, 3.0 and 3.6 brought
along: what QuorumPeerConfig parses, and every system property that begins with ``zookeeper.`` in the server's sources.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from kafab.cautions import Caution
from kafab.config.catalogue.remarks import Remark
from kafab.model import Version
from kafab.words import nearest

_SINCE: Final = {
    (3, 5): """
4lw.commands.whitelist admin.commandURL admin.enableServer admin.idleTimeout admin.serverAddress
admin.serverPort allowSaslFailedClients autopurge.purgeInterval autopurge.snapRetainCount client.portUnification
clientPort clientPortAddress cnxTimeout commitProcessor.numWorkerThreads commitProcessor.shutdownTimeout dataDir
datadir.autocreate dataLogDir DigestAuthenticationProvider.superDigest dynamicConfigFile electionAlg
electionPortBindRetry emulate353TTLNodes extendedTypesEnabled forceSnapshotSync forceSync
fsync.warningthresholdms globalOutstandingLimit initLimit kerberos.removeHostFromPrincipal
kerberos.removeRealmFromPrincipal leader.maxConcurrentSnapshots leader.maxConcurrentSnapshotTimeout leaderServes
letAnySaslUserDoX localSessionsEnabled localSessionsUpgradingEnabled maxClientCnxns maxSessionTimeout
minSessionTimeout nio.directBufferBytes nio.numSelectorThreads nio.numWorkerThreads nio.sessionlessCnxnTimeout
nio.shutdownTimeout observer.syncEnabled peerType portUnification preAllocSize quorum.auth.enableSasl
quorum.auth.kerberos.servicePrincipal quorum.auth.learner.saslLoginContext quorum.auth.learnerRequireSasl
quorum.auth.server.saslLoginContext quorum.auth.serverRequireSasl quorum.cnxn.threads.size quorumListenOnAllIPs
reconfigEnabled request.timeout requireKerberosConfig sasl.serverconfig SASLAuthenticationProvider.superPassword
secureClientPort secureClientPortAddress security.auth_to_local serverCnxnFactory skipACL snapCount
snapshot.trust.empty snapshotSizeFactor sslQuorum sslQuorumReloadCertFiles standaloneEnabled superUser syncLimit
tcpKeepAlive tickTime X509AuthenticationProvider.superUser
""",
    (3, 6): """
admin.forceHttps admin.httpVersion admin.portUnification audit.enable audit.impl.class bitHashCacheSize
clientPortListenBacklog closeSessionTxn.enabled commitLogCount commitProcessor.maxCommitBatchSize
commitProcessor.maxReadBatchSize connection_throttle_decrease_ratio connection_throttle_drop_decrease
connection_throttle_drop_increase connection_throttle_fill_count connection_throttle_fill_time
connection_throttle_freeze_time connection_throttle_global_session_weight
connection_throttle_local_session_weight connection_throttle_renew_session_weight connection_throttle_tokens
connection_throttle_weight_enabled connectToLearnerMasterLimit db.autocreate digest.enabled enableEagerACLCheck
ensembleAuthName fastleader.maxNotificationInterval fastleader.minNotificationInterval flushDelay
intBufferStartingSizeBytes jvm.pause.info-threshold.ms jvm.pause.monitor jvm.pause.sleep.time.ms
jvm.pause.warn-threshold.ms largeRequestMaxBytes largeRequestThreshold leader.ackLoggingFrequency
leader.maxConcurrentDiffSyncs leader.maxConcurrentSnapSyncs leader.maxTimeToWaitForEpoch
leaderConnectDelayDuringRetryMs learner.asyncSending maxBatchSize maxCnxns maxGetChildrenResponseCacheSize
maxInProcessingDeadWatchers maxResponseCacheSize maxWriteQueuePollTime messageTracker.BufferSize
messageTracker.Enabled metricsProvider.className multiAddress.enabled multiAddress.reachabilityCheckEnabled
multiAddress.reachabilityCheckTimeoutMs netty.advancedFlowControl.enabled
netty.server.outstandingHandshake.limit observer.election.DelayMs observer.reconnectDelayMs
observerMaster.sizeLimit observerMasterPort pathStats.delay pathStats.enabled pathStats.initialDelay
pathStats.maxDepth pathStats.sampleRate pathStats.slotCapacity pathStats.slotDuration pathStats.topPathMax
quorumCnxnTimeoutMs request_stale_connection_check request_stale_latency_check request_throttle_drop_stale
request_throttle_max_requests request_throttle_stall_time request_throttler.shutdownTimeout
sessionRequireClientSASLAuth snapshot.compression.method snapSizeLimitInKb syncEnabled txnLogSizeLimitInKb
watcherCleanIntervalInSeconds watcherCleanThreadsNum watcherCleanThreshold watchManagerName
""",
    (3, 8): """
clientTcpKeepAlive DigestAuthenticationProvider.digestAlg DigestAuthenticationProvider.enabled
enforce.auth.enabled enforce.auth.schemes enforceQuota follower.skipLearnerRequestToNextProcessor
forward_learner_requests_to_commit_processor_disabled kerberos.canonicalizeHostNames kerberos.minReLoginTimeMs
leader.closeSocketAsync learner.closeSocketAsync netty.server.earlyDropSecureConnectionHandshakes oraclePath
throttled_op_wait_time
""",
}
# Keys of plug-ins and of TLS, read by their beginning.
_PREFIXES: Final = ("authProvider.", "metricsProvider.", "ssl.", "server.", "group.", "weight.")
_ANYWHERE: Final = ("jute.maxbuffer", "readonlymode.enabled", "leader.nodelay", "follower.nodelay")
"""System properties without ``zookeeper.`` in front: in zoo.cfg they cannot be given at all."""

_WHOLE: Final = (
    "tickTime",
    "initLimit",
    "syncLimit",
    "maxClientCnxns",
    "minSessionTimeout",
    "maxSessionTimeout",
    "autopurge.snapRetainCount",
    "autopurge.purgeInterval",
    "electionAlg",
    "clientPortListenBacklog",
    "observerMasterPort",
    "connectToLearnerMasterLimit",
    "quorum.cnxn.threads.size",
    "multiAddress.reachabilityCheckTimeoutMs",
)
_SWITCHES: Final = (
    "localSessionsEnabled",
    "localSessionsUpgradingEnabled",
    "quorumListenOnAllIPs",
    "syncEnabled",
    "standaloneEnabled",
    "sslQuorum",
    "portUnification",
    "sslQuorumReloadCertFiles",
    "quorum.auth.enableSasl",
    "quorum.auth.serverRequireSasl",
    "quorum.auth.learnerRequireSasl",
    "multiAddress.enabled",
    "multiAddress.reachabilityCheckEnabled",
    "jvm.pause.monitor",
)
_NOT_ZERO: Final = ("tickTime", "initLimit", "syncLimit")


def bundled(kafka: Version) -> tuple[int, int]:
    """Return the minor line of the ZooKeeper that a Kafka release has in its libs."""
    line = (kafka.major, kafka.minor)
    return (3, 8) if line >= (3, 6) else (3, 6) if line >= (3, 0) else (3, 5)


def known(zookeeper: tuple[int, int]) -> frozenset[str]:
    """Return the names that a minor line of ZooKeeper reads from zoo.cfg."""
    return frozenset(name for since, names in _SINCE.items() if since <= zookeeper for name in names.split())


def remarks(properties: Mapping[str, str], kafka: Version, *, alone: bool = False) -> Iterator[Remark]:
    """Yield what is wrong with the properties that a person wrote for zoo.cfg; ``alone`` where there is one server.

    ZooKeeper 3.5 takes any other word than true for false, and says nothing.
    """
    line = bundled(kafka)
    for name, text in properties.items():
        if (unread := _unread(name, line)) is not None:
            yield Remark(name, unread, Caution.UNKNOWN_ZOOKEEPER_PROPERTY, on_name=True)
        elif (wrong := _wrong(name, text.strip(), line, alone=alone)) is not None:
            yield Remark(name, wrong)
        elif name in _SWITCHES and text.strip().lower() not in ("true", "false"):
            shown = f"found {text.strip()[:40]!r}; expected true or false"
            lenient = line < (3, 6) and name != "standaloneEnabled"
            yield Remark(name, shown, Caution.WITHOUT_EFFECT if lenient else None)
    yield from _sessions(properties)


def _unread(name: str, line: tuple[int, int]) -> str | None:
    names = known(line)
    if name in names or name.startswith(_PREFIXES):
        return None
    shown = f"ZooKeeper {line[0]}.{line[1]}"
    if name in _ANYWHERE:
        return f"found {name}, which {shown} does not read from zoo.cfg; expected -D{name}=… in jvm:"
    later = next((since for since, more in _SINCE.items() if name in more.split()), None)
    if later is not None:
        return f"found {name}, which ZooKeeper has since {later[0]}.{later[1]}; this is {shown}"
    by_lower_case = {known_name.lower(): known_name for known_name in names}
    own = name.removeprefix("zookeeper.")
    right = own if own in names else by_lower_case.get(own.lower()) or nearest(own, sorted(names))
    meant = f"did you mean {right}?" if right else "expected a property of its Administrator's Guide"
    return f"found {name}, which {shown} does not read: it goes on with its default; {meant}"


def _wrong(name: str, value: str, line: tuple[int, int], *, alone: bool) -> str | None:
    """Say why ZooKeeper ends at its start. A server that is alone has no limits of a quorum."""
    shown = repr(value[:40])
    if name in _WHOLE:
        if not re.fullmatch(r"[+-]?\d{1,10}", value, re.ASCII) or abs(int(value)) >= 2**31:
            return f"found {shown}; expected a whole number"
        if name in _NOT_ZERO[: 1 if alone else None] and int(value) < 1:
            return f"found {value}; expected a whole number from 1"
        if name == "electionAlg" and int(value) != 3 and line >= (3, 6):
            return f"found {value}; expected 3, the only one there is"
    if name == "peerType" and value.lower() not in ("observer", "participant"):
        return f"found {shown}; expected observer or participant"
    return None


def _sessions(properties: Mapping[str, str]) -> Iterator[Remark]:
    """Compare the limits of sessions: 2 and 20 ticks where they are not given, or -1."""
    texts = {name: properties.get(name, "").strip() for name in ("minSessionTimeout", "maxSessionTimeout")}
    tick = properties.get("tickTime", "2000").strip()
    if not tick.isdigit() or not all(re.fullmatch(r"-1|\d+|", text, re.ASCII) for text in texts.values()):
        return
    least, most = (
        int(tick) * ticks if text in ("", "-1") else int(text)
        for text, ticks in zip(texts.values(), (2, 20), strict=True)
    )
    if least > most:
        name = next((name for name in texts if texts[name]), "tickTime")
        text = f"found minSessionTimeout {least} and maxSessionTimeout {most}; expected the first not above the second"
        yield Remark(name, text)
