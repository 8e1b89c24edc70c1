import pytest

from deploy.cli.gateway import _addresses
from deploy.failure import Exit, Failure


def test_peers_are_hosts_with_ports() -> None:
    assert _addresses(None) == []
    assert _addresses("a:1, [::1]:65535") == [("a", 1), ("::1", 65535)]


@pytest.mark.parametrize("text", ["a", ":1", "a:", "a:b", "a:0", "a:65536", "a:1,b:99999", "a:²"])
def test_what_is_no_peer_is_refused(text: str) -> None:
    with pytest.raises(Failure, match=r"--peers: found .*; allowed: HOST:PORT") as caught:
        _addresses(text)
    assert caught.value.code is Exit.BAD_INPUT
