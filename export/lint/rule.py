"""What a rule is, and what it finds.

A rule is a function of one model that yields a message for every mistake: what is wrong, and what
was expected. Its name is its id, the first line of its docstring is what the rule demands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from export.lint.served import Served

ERROR, ADVICE = "error", "advice"
GUIDE = "https://github.com/triton-inference-server/server/blob/main/docs/user_guide"
SCHEMA = "https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto"
SERVER = "https://github.com/triton-inference-server/server/issues"
MEASURED = "measured here"

Check = Callable[[Served], Iterator[str]]


@dataclass(frozen=True)
class Finding:
    """A mistake in one model.

    Attributes:
        rule: id of the rule that found it.
        model: folder of the model.
        message: what is wrong, and what was expected.
        remedy: what to do.
        severity: ``error``: it does not serve, or not as meant; ``advice``: it serves worse than
            it could.
    """

    rule: str
    model: str
    message: str
    remedy: str
    severity: str = ERROR


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: its id.
        doc: what it demands.
        source: the public thread or document that it comes from; or that it was measured here.
        remedy: what to do about what it finds.
        severity: ``error`` or ``advice``.
        check: model → messages.
    """

    name: str
    doc: str
    source: str
    remedy: str
    severity: str
    check: Check

    def findings(self, model: Served) -> list[Finding]:
        """What the rule finds in a model."""
        return [
            Finding(self.name, model.name, message, self.remedy, self.severity)
            for message in self.check(model)
        ]


def rule(source: str, remedy: str, severity: str = ERROR) -> Callable[[Check], Rule]:
    """Make a function the check of a rule.

    Args:
        source: where the rule comes from.
        remedy: what to do about what it finds.
        severity: ``error`` or ``advice``.
    """

    def made(check: Check) -> Rule:
        name = check.__name__.replace("_", "-")
        doc = (check.__doc__ or "").splitlines()[0]
        return Rule(name, doc, source, remedy, severity, check)

    return made
