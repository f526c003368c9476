"""The models of certificate management: what templates offer is what the code can set up, in the same order."""

from collections.abc import Iterator

from engine.cli.target.wanted import CertificateModel
from infra.bicep.syntax import literal, parts
from infra.findings import Finding
from infra.project import Project

PARAMETER = "certificateModel"


def check(project: Project) -> Iterator[Finding]:
    """Parameters that choose a model and offer other ones than the code has."""
    models = [str(model) for model in CertificateModel]
    for source in project.template:
        declared = source.of("param").get(PARAMETER)
        if declared is None:
            continue
        allowed = declared.argument("allowed")
        offered = [literal(part) for part in parts(allowed)] if allowed is not None else []
        if offered != models:
            yield source.finding(allowed or declared.node, "certificate-model", f"expected {', '.join(models)}")
