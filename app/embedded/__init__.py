"""A private PostgreSQL and Redis for one machine, and the supervisor behind ``python run.py``.

Nothing here knows Flask or the domain: with ``DATABASE_URL`` and ``REDIS_URL`` set, none of it runs.
"""

from app.embedded.paths import Endpoints, endpoints
from app.embedded.servers import running_servers

__all__ = ["Endpoints", "endpoints", "running_servers"]
