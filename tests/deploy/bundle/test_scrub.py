"""What may stand in a bundle: secrets and prompts, by how logs and objects have them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.bundle.scrub import CUT, MASK, Scrubber

CANARY = "canary-7319"
AT = "2026-11-30 12:00:00,123 INFO"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"authorization=Basic {CANARY}==",
        f'{{"authorization": "Bearer {CANARY}"}}',
        f"curl -H 'x-api-key: {CANARY}'",
        f"BIFOCAL_POOL_TOKEN={CANARY}",
        f"RAY_AUTH_TOKEN: {CANARY}",
        f"'aws_secret_access_key': '{CANARY}'",
        f"password = {CANARY}",
        f"redis://user:{CANARY}@redis:6379",
        f"https://{CANARY}@hub.example.org/x",
        f"bf-{CANARY}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        f"a key hf_{CANARY.replace('-', 'x')}abcdefgh in a line",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.c2lnbmF0dXJl",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\nand its end is cut off",
    ],
)
def test_what_looks_like_a_secret_or_is_named_like_one_is_taken_out(text: str) -> None:
    for clean in (Scrubber().text(text), Scrubber().log(f"{AT} {text}")):
        assert CANARY not in clean.replace("canaryx7319", CANARY)


@pytest.mark.parametrize(
    "text",
    [
        'bifocal_prompt_tokens_total{team="a"} 12.0',
        "max_tokens: 4096, tokens: 12",
        "bifocal_time_per_output_token_seconds_sum 1.5",
        "tokenizer: Qwen/Qwen3-8B",
    ],
)
def test_tokens_that_a_model_makes_are_no_secret(text: str) -> None:
    assert Scrubber().text(text) == text


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=6, max_size=40))
def test_a_secret_that_is_known_is_nowhere(secret: str) -> None:
    secret = secret.strip()
    if len(secret) < 6 or secret in MASK:
        return
    clean = Scrubber([secret]).text(f"before {secret} {secret}after")
    assert secret not in clean.replace(MASK, "\0")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([f"{AT} Received request chatcmpl-1: prompt: '{CANARY}'"], id="vLLM's own"),
        pytest.param([f"{AT} body={{'messages': [{{'content': '{CANARY}'}}]}}"], id="a body"),
        pytest.param([f"{AT} it failed for '{CANARY} {'x' * 60}'"], id="a long quotation"),
        pytest.param([CANARY, f"and {CANARY}"], id="lines of no program"),
        pytest.param(
            [
                "Traceback (most recent call last):",
                '  File "/app/a.py", line 1, in f',
                "    raise ValueError(text)",
                f"ValueError: {CANARY}",
            ],
            id="an exception's words",
        ),
        pytest.param(
            [
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for Chat",
                "messages.0.content",
                f"  Input should be a valid string [type=string_type, input_value={CANARY}]",
            ],
            id="pydantic's",
        ),
        pytest.param(
            [f"(APIServer pid=7) ERROR 11-30 12:00:00 [serving.py:1] ValueError: {CANARY}"],
            id="an exception in a line of vLLM's log",
        ),
        pytest.param(
            [f"2026-11-30 12:00:00,1 WARNING req-1: engine_failed: bad grammar {CANARY}"],
            id="an engine's words in the gateway's log",
        ),
        pytest.param(
            [f'{AT} prompt_token_ids: [1, 2], text="{CANARY}"'], id="tokens and their text"
        ),
    ],
)
def test_what_could_be_a_prompt_is_in_no_log(lines: list[str]) -> None:
    clean = Scrubber().log("\n".join(lines))
    assert CANARY not in clean


def test_what_a_program_says_of_itself_stays() -> None:
    said = [
        "INFO 11-30 12:00:00 [core.py:12] Initializing a V1 LLM engine (v0.29.0)",
        "(EngineCore pid=12) ERROR 11-30 12:00:01 [core.py:20] EngineCore failed to start.",
        "2026-11-30 12:00:02,100 WARNING pool pocket-dense: it is loading",
        "[2026-11-30 12:00:03,000 I 12 12] (raylet) main.cc:1: Setting cluster ID",
        "Traceback (most recent call last):",
        '  File "/app/core.py", line 12, in start',
        "    self.engine = make(config)",
        '{"audit": "operator", "what": "mode", "before": null, "after": "deep"}',
    ]
    assert Scrubber().log("\n".join(said)).splitlines() == said
    raised = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    assert Scrubber().log(raised) == f"{raised}\n"
    assert Scrubber().log("ValueError: whatever") == f"ValueError: {CUT}\n"


def test_what_is_left_out_is_counted() -> None:
    clean = Scrubber().log(f"a\nb\n{AT} c\nd\n")
    assert clean.splitlines() == ["[2 left out]", f"{AT} c", "[1 left out]"]


@pytest.mark.parametrize(
    "value",
    [
        {"env": [{"name": "HF_TOKEN", "value": CANARY}]},
        {"env": {"AWS_SECRET_ACCESS_KEY": CANARY}},
        {"metadata": {"annotations": {"note": f"password={CANARY}"}}},
        {"data": {"bifocal.yaml": f"head:\n  password: {CANARY}\n"}},
        {"list": [{"deep": [f"Bearer {CANARY}"]}]},
    ],
)
def test_objects_lose_their_secrets_by_name_and_by_shape(value: Any) -> None:
    assert CANARY not in json.dumps(Scrubber().value(value))


def test_objects_keep_the_rest() -> None:
    value = {
        "env": [{"name": "VLLM_USE_V1", "value": "1"}],
        "tokens": 3,
        "secretName": "a",
        "x": None,
    }
    assert Scrubber().value(value)["env"] == value["env"]
    assert Scrubber().value(value)["tokens"] == 3
