"""One trace from the client's own span to the engine's queue, prefill and decode."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import openai
import pytest
import yaml

from tests.e2e.collector import Collector, Seen, collecting, drawn
from tests.e2e.conftest import Service, until

pytestmark = pytest.mark.engine

PARENT = "00f067aa0ba902b7"
CANARY = "zanzibar kumquat"


@pytest.fixture
def collector(service: Service) -> Iterator[Collector]:
    endpoint = yaml.safe_load(service.config.read_text())["tracing"]["endpoint"]
    with collecting(urlsplit(endpoint).port) as found:
        yield found


def ask(service: Service, trace: str, flags: str = "01") -> str:
    """The answer's text, streamed to the official client."""
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as client:
        chunks = client.chat.completions.create(
            model="pocket-dense",
            messages=[{"role": "user", "content": f"{CANARY}: 21 + 4"}],
            stream=True,
            extra_headers={"traceparent": f"00-{trace}-{PARENT}-{flags}"},
        )
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def chosen(name: str) -> str:
    """The id of a trace that the sampling of the shared service takes."""
    return name.encode().hex().ljust(16, "0")[:16] + "0" * 15 + "1"


def test_a_stream_is_one_trace_from_gateway_to_engine(service: Service, collector: Collector):
    trace = chosen("whole")
    answer = ask(service, trace)
    until(lambda: len(collector.of(trace)) >= 4, what="four spans", limit_s=30)
    print(drawn(collector.of(trace)))  # as docs/tracing.md shows it (`pytest -s`)
    by_name = {span.name: span for span in collector.of(trace)}
    request, decided = by_name["POST /v1/chat/completions"], by_name["decide"]
    attempt, engine = by_name["chat pocket-dense"], by_name["llm_request"]

    assert request.parent == PARENT
    assert decided.parent == attempt.parent == request.id
    assert engine.parent == attempt.id
    assert (request.service, engine.service) == ("bifocal-gateway", "bifocal-pool-pocket-dense")
    assert request.begins <= decided.begins <= attempt.begins <= attempt.ends <= request.ends
    assert attempt.begins <= attempt.events["first_byte"] <= attempt.events["first_token"]
    assert attempt.begins <= engine.begins <= attempt.ends
    assert request.attributes["gen_ai.response.model"] == "pocket-dense"
    assert request.attributes["bifocal.outcome"] == "ok"
    assert not any(span.error for span in by_name.values())
    assert_tokens_and_times(request, engine)
    assert_no_text(collector, CANARY, answer)


def assert_tokens_and_times(request: Seen, engine: Seen) -> None:
    told = engine.attributes
    assert request.attributes["gen_ai.usage.input_tokens"] == told["gen_ai.usage.prompt_tokens"]
    assert (
        request.attributes["gen_ai.usage.output_tokens"] == told["gen_ai.usage.completion_tokens"]
    )
    for part in ("time_in_queue", "time_in_model_prefill", "time_in_model_decode"):
        assert told[f"gen_ai.latency.{part}"] >= 0


def assert_no_text(collector: Collector, *texts: str) -> None:
    everything = "".join(map(str, collector.requests))
    for word in {word for text in texts for word in text.split() if len(word) > 3}:
        assert word not in everything


def test_what_is_not_sampled_leaves_no_span_anywhere(service: Service, collector: Collector):
    told_not_to, not_chosen, last = chosen("not"), "f" * 32, chosen("last")
    ask(service, told_not_to, flags="00")
    ask(service, not_chosen)
    ask(service, last)
    until(lambda: len(collector.of(last)) >= 4, what="the last one's spans", limit_s=30)
    assert not collector.of(told_not_to)
    assert not collector.of(not_chosen)


def test_a_collector_that_is_away_stops_nobody(service: Service):
    began = time.monotonic()
    for number in range(8):
        assert ask(service, chosen(f"away-{number}"))
    assert time.monotonic() - began < 30
    until(lambda: "no trace reaches" in gateway_log(service), what="the warning")
    assert gateway_log(service).count("no trace reaches") == 1
    assert "StatusCode" not in gateway_log(service)


def gateway_log(service: Service) -> str:
    return (service.log_dirs[0] / "gateway.log").read_text()
