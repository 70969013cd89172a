"""A small supervisor for the tests: starts the servers of argv[1], says so, waits to be killed."""

import sys
import time

from app.embedded.paths import layout
from app.embedded.servers import EmbeddedServers

if __name__ == "__main__":
    servers = EmbeddedServers(layout(sys.argv[1]))
    servers.ensure()
    print("up", flush=True)
    time.sleep(60)
