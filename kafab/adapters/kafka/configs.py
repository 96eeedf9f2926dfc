"""DescribeConfigs of brokers on kafka-python's protocol layer: the request, and what its answer says."""

from collections.abc import Sequence
from typing import Any

from kafab.cluster.metadata import Running, Setting, Source
from kafab.unknown import Unknown

_BROKER = 4  # org.apache.kafka.common.config.ConfigResource.Type


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


def _source(code: int) -> Source:
    return next((one for one in Source if one.code == code), Source.OTHER)
