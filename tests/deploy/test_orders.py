"""The file of orders."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from deploy.orders import OrdersFile
from serving.gateway.orders import Order


def order(subject: str, value: str) -> Order:
    return Order(subject, value, time.time(), "search")


def kept(*orders: Order) -> dict[str, Order]:
    return {each.subject: each for each in orders}


def test_what_one_keeps_another_finds_once(tmp_path: Path) -> None:
    one, other = (OrdersFile(tmp_path / "orders.json") for _ in range(2))
    deep = order("mode", "deep")
    assert other.changed() == ()
    assert one.keep(kept(deep))
    assert list(other.changed()) == [deep]
    assert other.changed() == ()


def test_what_another_wrote_meanwhile_stays(tmp_path: Path) -> None:
    file = OrdersFile(tmp_path / "orders.json")
    deep, drained = order("mode", "deep"), order("pool/a", "drained")
    file.keep(kept(deep))
    file.keep(kept(drained))
    assert sorted(each.subject for each in file.changed()) == ["mode", "pool/a"]


def broken(_: Path) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_fault_that_passes_loses_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = (OrdersFile(tmp_path / "orders.json") for _ in range(2))
    deep, drained = order("mode", "deep"), order("pool/a", "drained")
    one.keep(kept(deep))
    with monkeypatch.context() as fault:
        fault.setattr(Path, "read_bytes", broken)
        assert other.changed() == ()
        assert other.changed() == ()
        assert len(caplog.messages) == 1, "it is told once"
        assert not other.keep(kept(drained)), "what is there would be lost"
    assert list(other.changed()) == [deep]


def test_what_cannot_be_understood_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path := tmp_path / "orders.json").write_text("{")
    file = OrdersFile(path)
    assert (file.changed(), file.changed()) == ((), ())
    assert len(caplog.messages) == 1


def test_nobody_waits_long_for_a_process_that_has_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = OrdersFile(tmp_path / "orders.json")
    with (tmp_path / "orders.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        assert not file.keep(kept(order("mode", "deep")))
        assert time.monotonic() - began < 1
    assert "another process has its lock" in caplog.text
    assert file.keep(kept(order("mode", "deep")))
