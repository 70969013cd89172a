"""The real supervisor over toy processes: argv is data directory, port. Servers are left out: they have their tests."""

import os
import signal
import sys
from pathlib import Path

from app.embedded.paths import layout
from app.embedded.process import ServerError
from app.embedded.servers import EmbeddedServers
from app.embedded.supervisor import Service, Supervisor

# Each notes its start and its orderly end in one file, so that a test can see the order.
NOTE = """
import os, signal, sys, threading
name, notes = sys.argv[1:3]
def note(what):
    with open(notes, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def end(*_):
    note("end")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
note("start")
"""
WEB = (
    NOTE
    + """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
"""
)
REST = NOTE + "\nsignal.pause()\n"
BROKEN = "raise SystemExit('the reason')"


class Toy(Supervisor):
    def _prepare(self) -> None:
        pass


def main() -> int:
    place, port = layout(sys.argv[1]), int(sys.argv[2])
    web = BROKEN if "broken" in sys.argv else WEB
    notes = str(place.var / "notes")
    toy = Toy(place, Path.cwd(), "127.0.0.1", port, os.environ, EmbeddedServers(place, postgres=False, redis=False))
    patience = [(signal.SIGTERM, 5.0)]
    toy.services = [
        Service(name, [sys.executable, "-c", code, name, notes, str(port)], patience)
        for name, code in (("web", web), ("worker", REST), ("cron", REST))
    ]
    try:
        return toy.run()
    except ServerError as error:
        print(error, flush=True)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
