"""How does the code speak to Kafka?  The address says: plainly, or over TLS, or as a user, for every client alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from projections.stores.tls import Tls

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder

Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
"""Key, value and headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """What a broker asks for."""

    tls: Tls | None = None
    """None: what is said can be read on the way."""
    mechanism: str | None = None
    """PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; None: the certificate says who is asking, or nobody does."""
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def protocol(self) -> str:
        """Kafka's name of it."""
        return ("SASL_" if self.mechanism else "") + ("SSL" if self.tls else "PLAINTEXT")


class KafkaAddress(str):
    """``host:port[,host:port]``, and what these brokers ask for.  A plain text is an address that asks for nothing."""

    __slots__ = ("security",)
    security: KafkaSecurity

    def __new__(cls, servers: str, security: KafkaSecurity) -> Self:
        """The servers with their security."""
        made = super().__new__(cls, servers)
        made.security = security
        return made


def security_of(address: str) -> KafkaSecurity | None:
    """What the brokers at an address ask for; None: nothing."""
    return address.security if isinstance(address, KafkaAddress) else None


def client_options(address: str) -> dict[str, Any]:
    """What every aiokafka client is told of an address.

    >>> client_options("127.0.0.1:9092")
    {'bootstrap_servers': '127.0.0.1:9092'}
    """
    security = security_of(address)
    if security is None:
        return {"bootstrap_servers": str(address)}
    options: dict[str, Any] = {"bootstrap_servers": str(address), "security_protocol": security.protocol}
    if security.tls is not None:
        options["ssl_context"] = security.tls.context()
    if security.mechanism is not None:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password,
        }
    return options


def batches(producer: AIOKafkaProducer, records: Iterable[Record]) -> Iterator[BatchBuilder]:
    """The records of one partition, in order, as few batches, each made when it is asked for.

    A batch has one future, where a record sent alone has three: that is most of what a record costs.  A batch takes its
    first record whatever its size.
    """
    left = deque(records)
    while left:
        batch = producer.create_batch()
        while left:
            key, value, headers = left[0]
            if batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                break
            left.popleft()
        if not batch.record_count():
            raise AssertionError("an empty batch took no record")
        batch.close()
        yield batch
