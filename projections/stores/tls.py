"""How does a client know that a server is the right one?  By its name in a certificate that an authority signed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM; certificates and host names are always checked."""

    ca_file: str | None = None
    """The authorities that are believed; None: those of the system."""
    certificate_file: str | None = None
    """What the client shows of itself, for servers that ask; None: nothing."""
    key_file: str | None = field(default=None, repr=False)
    """The key of that; None: it stands in the same file."""

    def context(self) -> ssl.SSLContext:
        """For clients that take one; raises OSError (ssl.SSLError) for a file that cannot be read."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context
