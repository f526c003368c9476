"""Everything that the Bicep compiler would say, as far as it can be told without it."""

from collections.abc import Iterator

from infra.bicep import modules, names, resources
from infra.bicep.source import Template
from infra.bicep.types import TypeData
from infra.findings import Finding


def check(template: Template, data: TypeData | None) -> Iterator[Finding]:
    """What is wrong with a template; without type data the bodies of resources are taken on trust."""
    for source in template:
        yield from source.unreadable()
        yield from names.check(source)
        if data is not None:
            yield from resources.check(source, data)
    yield from modules.check(template)
