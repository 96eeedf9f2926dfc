"""A login in the words of each client library: kafka-python, librdkafka, and Python's ssl for what stands below them."""

import ssl
from typing import Any

from kafab.login import Login


def kafka_python(login: Login) -> dict[str, Any]:
    """Return the arguments of kafka-python's clients and connections. Raises OSError for files that cannot be read."""
    config: dict[str, Any] = {"security_protocol": str(login.protocol)}
    if login.protocol.tls:
        config["ssl_context"] = context(login)
        config["ssl_check_hostname"] = True
    if login.protocol.sasl:
        config |= {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.user,
            "sasl_plain_password": login.password.value,
        }
    return config


def librdkafka(login: Login) -> dict[str, str | int | float | bool]:
    """Return the configuration of librdkafka's clients."""
    config: dict[str, str | int | float | bool] = {"security.protocol": str(login.protocol)}
    if login.identity and login.protocol.tls:
        config["ssl.ca.location"] = str(login.identity.trusted)
        config["ssl.endpoint.identification.algorithm"] = "https"
    if login.identity and login.shows_certificate:
        config["ssl.certificate.location"] = str(login.identity.certificate)
        config["ssl.key.location"] = str(login.identity.key)
    if login.protocol.sasl:
        config |= {
            "sasl.mechanism": login.mechanism,
            "sasl.username": login.user,
            "sasl.password": login.password.value,
        }
    return config


def context(login: Login) -> ssl.SSLContext:
    """Return a TLS context that trusts the cluster's CA alone and checks names. Raises OSError (ssl.SSLError is one)."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if login.identity:
        made.load_verify_locations(login.identity.trusted)
        if login.shows_certificate:
            made.load_cert_chain(login.identity.certificate, login.identity.key)
    return made
