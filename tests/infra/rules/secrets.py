"""Secrets: none is in a template, in a parameter's default, in an output, or asked for while deploying."""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.source import Declaration, Source
from infra.bicep.syntax import called, literal, text_of, walk
from infra.findings import Finding
from infra.project import Project

_KEY: Final = re.compile(
    r"AccountKey=|SharedAccessKey|[?&]sig=|-----BEGIN|InstrumentationKey=[0-9a-f]|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42,}={0,2}$"
)
"""What a key looks like: in a connection string, in a signed address, as PEM, or 32 bytes and more in base64."""

_SECRET_NAMES: Final = re.compile(r"(?i)(?:password|secret|token|(?<!public)key|connectionstring|sas)$")
_NO_SECRETS: Final = {
    "token": "what names of resources are made unique by",
    "insightsConnectionString": "local authentication is off: it says where to send, and a role lets one",
}
"""Names that sound like a secret and why they are none."""

_READ: Final = re.compile(
    r"(?i)\.(?:primaryKey|secondaryKey|primaryMasterKey|sharedAccessKey|accountKey|connectionStrings?|InstrumentationKey|adminPassword)\b"
)


def check(project: Project) -> Iterator[Finding]:
    """Every place where a secret is, or may get into the deployment's history."""
    for source in project.template:
        for node in source.nodes:
            name = called(node)
            if name is not None and re.fullmatch(r"list(?:[A-Z]\w*)?|getSecret", name):
                yield source.finding(node, "list-keys", f"{name}() fetches a key; identities are what is used here")
            value = literal(node)
            if value is not None and _KEY.search(value):
                yield source.finding(node, "secret-literal", "this looks like a key")
        for declared in source.of("param").values():
            yield from _parameter(source, declared)
        for declared in source.of("output").values():
            yield from _output(source, declared)


def _parameter(source: Source, declared: Declaration) -> Iterator[Finding]:
    is_secure = declared.decorator("secure") is not None
    if is_secure and declared.value is not None and literal(declared.value) != "":
        yield source.finding(declared.node, "secure-default", f"{declared.name} is secure and has a default")
    if declared.type_name == "string" and _sounds_secret(declared.name) and not is_secure:
        yield source.finding(declared.node, "secret-parameter", f"{declared.name} sounds like a secret: @secure()")


def _output(source: Source, declared: Declaration) -> Iterator[Finding]:
    secure = {name for name, found in source.of("param").items() if found.decorator("secure") is not None}
    if _sounds_secret(declared.name) and not _is_address(declared.value):
        yield source.finding(declared.node, "secret-output", f"{declared.name} sounds like a secret")
    for node in walk(declared.value) if declared.value is not None else ():
        if node.type == "identifier" and text_of(node) in secure:
            yield source.finding(node, "secret-output", f"{declared.name} shows the secure {text_of(node)}")
    read = _READ.search(text_of(declared.value)) if declared.value is not None else None
    if read and declared.name not in _NO_SECRETS and declared.value is not None:
        yield source.finding(declared.value, "secret-output", f"{declared.name} shows {read[0][1:]}")


def _sounds_secret(name: str) -> bool:
    return name not in _NO_SECRETS and bool(_SECRET_NAMES.search(name))


def _is_address(value: Node | None) -> bool:
    """Whether an output only says where a secret is."""
    return value is not None and bool(re.search(r"(?i)(?:uri|url|\.id|\.name)\W*$", text_of(value)))
