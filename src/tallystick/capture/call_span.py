"""What a span says about one attempt at a call: models, tokens, how it ended. Never content.

Source:
    OpenTelemetry, semantic conventions for generative AI client spans.
"""

from typing import Any, Final

from tallystick.capture.answer import Answer
from tallystick.capture.call_evidence import Asked, CallEvidence
from tallystick.capture.routes import Target
from tallystick.tracing import Span

SPOKEN: Final = "openai"
"""The API that upstreams are asked by; which product answers is not known."""
TOKENS: Final = {
    "gen_ai.usage.input_tokens": "prompt_tokens",
    "gen_ai.usage.output_tokens": "completion_tokens",
}
"""OpenTelemetry's names of the counts, and the upstream's."""
OK: Final = "ok"


def tell_asked(span: Span, asked: Asked, target: Target | None, evidence: CallEvidence) -> None:
    """Say what is asked for, and which evidence there is of it."""
    model = (target.model if target is not None else None) or asked.request.model
    span.attributes |= {
        "gen_ai.operation.name": asked.operation,
        "gen_ai.provider.name": SPOKEN,
        "http.request.method": "POST",
    }
    if model:
        span.name = f"{asked.operation} {model}"
        span.attributes["gen_ai.request.model"] = model
    if target is not None:
        span.attributes["tallystick.upstream"] = target.upstream.name
    if evidence.intent is not None:
        span.attributes["tallystick.intent"] = evidence.intent.statement.id.hex()


def tell_outcome(span: Span, status: str, http_status: int | None, answer: Answer) -> None:
    """Say how it ended."""
    found: dict[str, Any] = {
        "http.response.status_code": http_status,
        "gen_ai.response.model": answer.model,
        "gen_ai.response.finish_reasons": tuple(answer.reasons[n] for n in sorted(answer.reasons)),
    }
    usage = answer.usage or {}
    found |= {name: usage.get(theirs) for name, theirs in TOKENS.items()}
    span.attributes |= {name: value for name, value in found.items() if value not in {None, ()}}
    if status != OK:
        span.error = status
