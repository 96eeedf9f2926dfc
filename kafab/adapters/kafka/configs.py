"""Configurations of brokers on kafka-python's protocol layer: the requests, and what their answers say.

librdkafka would choose the broker that it asks, and cannot name all brokers at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kafab.cluster.metadata import Running, Setting, Source
from kafab.cluster.values import same
from kafab.errors import Failed
from kafab.unknown import Unknown

_TOPIC, _BROKER, _GROUP = 2, 4, 32  # org.apache.kafka.common.config.ConfigResource.Type
_SET, _DELETE = 0, 1  # org.apache.kafka.clients.admin.AlterConfigOp.OpType
_NO_VERDICT = (7, 41)  # a timeout; not the controller


def request(broker: int, keys: Sequence[str] | None) -> Any:
    """Ask for these properties of a broker, or all, each with the places that have a value for it."""
    from kafka.protocol.admin import DescribeConfigsRequest

    resource = DescribeConfigsRequest.DescribeConfigsResource(
        resource_type=_BROKER,
        resource_name=str(broker),
        configuration_keys=None if keys is None else list(keys),
    )
    return DescribeConfigsRequest(resources=[resource], include_synonyms=True, include_documentation=False)


def settings(response: Any) -> dict[str, Setting] | Unknown:
    """Read the answer; Unknown has Kafka's error."""
    from kafka.errors import for_code

    (found,) = response.results
    if found.error_code:
        return Unknown(f"configuration: {found.error_message or for_code(found.error_code).__name__}")
    return {
        entry.name: Setting(
            entry.name,
            entry.value,
            _source(entry.config_source),
            entry.is_sensitive,
            tuple(Running(each.name, each.value, _source(each.source)) for each in entry.synonyms),
        )
        for entry in found.configs
    }


def change(broker: int, values: Mapping[str, str | None]) -> Any:
    """Ask to set these properties of a broker, or with None to take them away (IncrementalAlterConfigs, KIP-339)."""
    return _change(_BROKER, str(broker), values)


def change_topic(topic: str, values: Mapping[str, str | None]) -> Any:
    """Ask the same of a topic."""
    return _change(_TOPIC, topic, values)


def change_group(group: str, values: Mapping[str, str | None]) -> Any:
    """Ask the same of a group."""
    return _change(_GROUP, group, values)


def _change(kind: int, name: str, values: Mapping[str, str | None]) -> Any:
    from kafka.protocol.admin import IncrementalAlterConfigsRequest

    resource = IncrementalAlterConfigsRequest.AlterConfigsResource
    configs = [
        resource.AlterableConfig(name=key, config_operation=_DELETE if value is None else _SET, value=value)
        for key, value in values.items()
    ]
    return IncrementalAlterConfigsRequest(
        resources=[resource(resource_type=kind, resource_name=name, configs=configs)],
        validate_only=False,
    )


def outcome(response: Any) -> bool | Unknown:
    """Return True where it was done; Unknown where nobody can tell. Raises Failed with Kafka's words where it was refused."""
    from kafka.errors import for_code

    (found,) = response.responses
    if not found.error_code:
        return True
    told = found.error_message or for_code(found.error_code).__name__
    if found.error_code in _NO_VERDICT:
        return Unknown(told)
    raise Failed(f"alter broker {found.resource_name}: {told}")


def set_for_broker(response: Any, values: Mapping[str, str | None]) -> bool:
    """Tell whether the broker itself has each property with that value, or (None) no longer."""
    found = settings(response)
    if isinstance(found, Unknown):
        return False
    for name, value in values.items():
        own = [one for one in found[name].places if one.source is Source.BROKER] if name in found else []
        if bool(own) != (value is not None):
            return False
        if value is not None and own[0].value is not None and not same(own[0].value, value):
            return False
    return True


def _source(code: int) -> Source:
    return next((one for one in Source if one.code == code), Source.OTHER)
