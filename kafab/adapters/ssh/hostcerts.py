"""Host certificates (OpenSSH's PROTOCOL.certkeys): whether one is good for a name, now, and truly signed.

Paramiko takes a certificate for the key inside it and proves that the host has its private half; it does not look at
who signed it, for which names and until when. That is done here.
"""

from dataclasses import dataclass
from datetime import datetime, timezone

from paramiko import PKey
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

SUFFIX = "-cert-v01@openssh.com"
_HOST = 2  # SSH_CERT_TYPE_HOST
# The public key's own fields between the nonce and the serial number.
_KEY_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2, "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2, "ecdsa-sha2-nistp521": 2}  # fmt: skip


class NotACertificate(ValueError):
    """The blob cannot be read as a certificate."""


@dataclass(frozen=True)
class HostCertificate:
    """What a certificate says. ``authority`` is the signing key's blob; times are seconds since 1970."""

    key_id: str
    kind: int
    principals: tuple[str, ...]
    after: int
    before: int
    critical: bytes
    authority: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def read(cls, blob: bytes) -> "HostCertificate":
        """Read the certificate's wire format. Raises NotACertificate."""
        try:
            return cls._read(Message(blob))
        except (KeyError, SSHException, UnicodeDecodeError, IndexError) as error:
            raise NotACertificate(f"unreadable ({error!r})") from error

    @classmethod
    def _read(cls, message: Message) -> "HostCertificate":
        key_type = message.get_text().removesuffix(SUFFIX)
        for _ in range(1 + _KEY_FIELDS[key_type]):  # the nonce is the first
            message.get_string()
        message.get_int64()  # the serial number
        kind, key_id = message.get_int(), message.get_text()
        names = Message(message.get_string())
        principals = []
        while names.get_remainder():
            principals.append(names.get_text())
        after, before = message.get_int64(), message.get_int64()
        critical = message.get_string()
        message.get_string()  # extensions: none is known for hosts, unknown ones are to be ignored
        message.get_string()  # reserved
        authority = message.get_string()
        signed = message.get_so_far()
        return cls(
            key_id,
            kind,
            tuple(principals),
            after,
            before,
            critical,
            authority,
            signed,
            message.get_string(),
        )

    def fault(self, name: str, now: float) -> str | None:
        """Return None if the certificate is good for this host name at this time, else what is wrong with it.

        The checks are OpenSSH's (sshkey.c, sshkey_cert_check_host): a host's certificate, valid now, for this name or for
        all, without critical options, with a true signature.
        """
        if self.kind != _HOST:
            return "is a user's certificate, not a host's"
        if not self.after <= now < self.before:
            return f"is valid from {_day(self.after)} to {_day(self.before)} only"
        if self.principals and name not in self.principals:
            return f"is for {', '.join(self.principals)}, not for {name}"
        if self.critical:
            return "has critical options, which no host certificate may have"
        if not self._signature_is_true():
            return "has a wrong signature"
        return None

    def _signature_is_true(self) -> bool:
        try:
            key = PKey.from_type_string(Message(self.authority).get_text(), self.authority)
            return bool(key.verify_ssh_sig(self.signed, Message(self.signature)))
        except Exception:  # noqa: BLE001  # whatever a forged key or signature makes the crypto library raise
            return False


def _day(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "the end of time"  # `forever` is 2**64 - 1
