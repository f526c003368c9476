"""Grants: who may do what to which resource is exactly what this table says.

Of the app's own access.bicep; what the services tested give to whom depends on the model of their certificates, and is
tested with the templates of those.
"""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from infra.bicep.source import Declaration, Source
from infra.bicep.syntax import literal, parts, text_of, value_of, walk
from infra.findings import Finding
from infra.project import Project
from infra.rules.roles import ASSIGNMENT, ROLES

type Grant = tuple[str, str, str]
"""The parameter that says who, a role's name, the type of resource."""

OWN_ROLE: Final = "jobStarter"
"""The role that access.bicep defines itself."""

_FUNCTION, _WORKER, _DEPLOYER = "functionPrincipalId", "workerPrincipalId", "deployerPrincipalId"
_STORAGE: Final = "Microsoft.Storage/storageAccounts"
_VAULT: Final = "Microsoft.KeyVault/vaults"
_INSIGHTS: Final = "Microsoft.Insights/components"

GRANTS: Final[frozenset[Grant]] = frozenset(
    (
        (_FUNCTION, "Storage Blob Data Owner", _STORAGE),
        (_FUNCTION, "Storage Queue Data Contributor", _STORAGE),
        (_FUNCTION, "Storage Table Data Contributor", _STORAGE),
        (_FUNCTION, "Key Vault Secrets User", _VAULT),
        (_FUNCTION, "Monitoring Metrics Publisher", _INSIGHTS),
        (_FUNCTION, OWN_ROLE, "Microsoft.App/jobs"),
        (_FUNCTION, "Durable Task Data Contributor", "Microsoft.DurableTask/schedulers"),
        (_WORKER, "Storage Blob Data Contributor", f"{_STORAGE}/blobServices/containers"),
        (_WORKER, "Key Vault Secrets User", _VAULT),
        (_WORKER, "Monitoring Metrics Publisher", _INSIGHTS),
        (_WORKER, "AcrPull", "Microsoft.ContainerRegistry/registries"),
        (_DEPLOYER, "Key Vault Secrets Officer", _VAULT),
        ("readerGroupIds", "Log Analytics Reader", "Microsoft.OperationalInsights/workspaces"),
    )
)


def check(project: Project) -> Iterator[Finding]:
    """Grants that are missing, and grants that nobody asked for."""
    path = project.template.folder / "app" / "access.bicep"
    source = project.template.sources.get(path)
    if source is None:
        return
    given = set()
    for declared in source.of("resource").values():
        if declared.resource_type[0] == ASSIGNMENT:
            for grant in _grants(source, declared):
                given.add(grant)
                if grant not in GRANTS:
                    yield source.finding(declared.node, "role-surplus", _told(grant, "may do more than it should"))
    for grant in sorted(GRANTS - given):
        who = source.of("param").get(grant[0])
        yield source.finding(who.node if who else source.root, "role-missing", _told(grant, "lacks a role"))


def _told(grant: Grant, what: str) -> str:
    who, role, where = grant
    return f"{who} {what}: {role} on {where}"


def _grants(source: Source, declared: Declaration) -> Iterator[Grant]:
    for body in declared.bodies:
        who = value_of(body, "properties", "principalId")
        role = value_of(body, "properties", "roleDefinitionId")
        scope = value_of(body, "scope")
        where = _where(source, scope) if scope is not None else f"the {source.scope}"
        whose = _who(declared, who) if who is not None else ""
        for name in _roles(source, declared, role) if role is not None else ():
            yield whose, name, where


def _where(source: Source, scope: Node) -> str:
    name = next((text_of(node) for node in walk(scope) if node.type == "identifier"), "")
    found = source.of("resource").get(name)
    return found.resource_type[0] if found else name


def _who(declared: Declaration, who: Node) -> str:
    """The parameter behind a principal: itself, or the list that a loop takes it from."""
    loops = _loop(declared)
    name = text_of(who)
    return text_of(loops[name]) if name in loops else name


def _roles(source: Source, declared: Declaration, role: Node) -> Iterator[str]:
    """The roles that an expression leads to, through variables and the loop around it."""
    loops, seen, left = _loop(declared), set(), [role]
    while left:
        for node in walk(left.pop()):
            name = text_of(node)
            guid = literal(node)
            if guid is not None and guid in ROLES:
                yield ROLES[guid]
            elif node.type == "identifier" and name not in seen:
                seen.add(name)
                variable = source.of("var").get(name)
                if name in loops:
                    left.append(loops[name])
                elif variable is not None and variable.value is not None:
                    left.append(variable.value)
                elif name in source.of("resource"):
                    yield name


def _loop(declared: Declaration) -> dict[str, Node]:
    """What the variables of a declaration's loop are taken from."""
    value = declared.value
    if value is None or value.type != "for_statement":
        return {}
    head, taken, *_ = parts(value)
    names = [text_of(node) for node in walk(head) if not parts(node)]
    return {names[0]: taken} if names else {}
