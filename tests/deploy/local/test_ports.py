from urllib.parse import urlsplit

import pytest

from deploy.local.ports import url_of


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
    ],
)
def test_an_address_can_be_read_back(host: str, url: str) -> None:
    assert url_of(host, 8000) == url
    assert (urlsplit(url).hostname, urlsplit(url).port) == (host, 8000)
