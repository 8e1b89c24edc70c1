"""The release's own Secrets are filled once, whoever else fills them. `tests/install/test_life` has
a real API server."""

import base64
from typing import Any

import pytest

from deploy.chart.api import Refused
from deploy.chart.secrets import ATTEMPTS, SECRETS, fill, tokens
from tests.deploy.chart.objects import Objects

NAME = "llm-keys"


class Contested(Objects):
    """Someone else changes the Secret just before each of the first `times` updates."""

    def __init__(self, times: int, data: dict[str, str] | None = None) -> None:
        super().__init__()
        self._left, self._data = times, data
        self.put(SECRETS, NAME)

    def ask(self, method: str, kind: str, name: str = "", body: Any = None) -> Any:
        if method == "PUT" and self._left:
            self._left -= 1
            self.put(SECRETS, NAME, data=self._data)
        return super().ask(method, kind, name, body)

    @property
    def data(self) -> dict[str, str]:
        found = self.there[SECRETS, NAME].get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in found.items()}


@pytest.mark.parametrize("times", [0, 2, ATTEMPTS - 1])
def test_an_update_that_another_one_came_before_is_tried_again(times: int) -> None:
    secret = Contested(times)
    assert fill(secret, NAME, tokens, 0.0)
    assert secret.data.keys() == {"auth_token", "pool_token"}
    assert len(secret.asked) == times + 1


def test_one_that_is_filled_meanwhile_stays_as_it_is() -> None:
    secret = Contested(1, {"auth_token": base64.b64encode(b"theirs").decode()})
    assert not fill(secret, NAME, tokens, 0.0)
    assert secret.data == {"auth_token": "theirs"}
    assert not fill(secret, NAME, tokens, 0.0), "nor is it a second time"


def test_there_is_an_end_to_it() -> None:
    secret = Contested(ATTEMPTS)
    with pytest.raises(Refused) as refused:
        fill(secret, NAME, tokens, 0.0)
    assert (refused.value.status, len(secret.asked)) == (409, ATTEMPTS)


@pytest.mark.parametrize("status", [403, 422, 500])
def test_another_refusal_is_not_tried_again(status: int) -> None:
    secret = Contested(0)
    secret.refusals["PUT"] = [status]
    with pytest.raises(Refused) as refused:
        fill(secret, NAME, tokens, 0.0)
    assert (refused.value.status, len(secret.asked)) == (status, 1)
    assert secret.data == {}
