"""Where do Kafka, Postgres and Redis come from?  From wheels and verified jars, from Docker, or by URL."""

from personalize.stack.endpoints import Endpoints
from personalize.stack.local import embedded
from personalize.stack.sources import running, session

__all__ = ["Endpoints", "embedded", "running", "session"]
