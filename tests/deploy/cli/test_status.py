"""What `status` makes of a Ray that answers, but not as asked."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from deploy.local.head import Ports
from deploy.local.processes import ProcessId
from deploy.local.state import Running, StateFolder


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401, "no such token")

    def log_message(self, *_: object) -> None:
        pass


def test_a_ray_that_refuses_is_told_in_a_line(bifocal, tmp_path):
    with HTTPServer(("127.0.0.1", 0), Refusing) as ray:
        thread = threading.Thread(target=ray.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        ports = Ports(1, 1, 1, ray.server_address[1], 1, 1, 1, 1, 1, 1)
        state = StateFolder(tmp_path / "state")
        state.lock()
        state.write(state.ray_token_file, "old")
        state.save(Running(ProcessId(1, 1.0), "ready", "http://[::1]:1", "", ports, "/t"))
        done = bifocal("status")
        state.unlock()
        ray.shutdown()
        thread.join()
    assert done.code == 1
    assert "Ray refuses to say how the pools are: 401" in done.err
    assert "/t/session_latest/logs" in done.err
