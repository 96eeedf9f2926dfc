"""Prometheus' text format for one reading of gauges, as node-exporter's textfile collector takes it: without timestamps.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One value, with the labels that tell it from the others of its name."""

    name: str
    labels: Mapping[str, str]
    value: float


def text(samples: Iterable[Sample], helps: Mapping[str, str]) -> str:
    """Return the samples below the explanation of their names, in the order of ``helps``, which has every name.

    Files of several clusters are read together, so the words for a name must not depend on what was read.
    """
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.name, []).append(sample)
    lines = []
    for name, words in helps.items():
        if name in found:
            lines += [f"# HELP {name} {_escaped(words)}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{_labels(one.labels)}}} {one.value!r}" for one in found[name]]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(value: str) -> str:
    return _escaped(value).replace('"', '\\"')
