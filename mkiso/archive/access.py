"""Who may do what at the archive: rules by AE title and address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from mkiso.core.accessions import printable
from mkiso.core.addresses import require_ae_title
from mkiso.errors import UsageError

#: What a rule may allow.
SERVICES = ("find", "move", "get", "store", "commit", "worklist", "mpps")
_ANYBODY = "*"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Rule:
    """One AE title (`*`: any), the network it must come from (None: any), what it may do."""

    ae_title: str
    network: _Network | None
    services: frozenset[str]

    def fits(self, ae_title: str, ip: str) -> bool:
        """Return whether the rule is about this requestor."""
        if self.ae_title not in (_ANYBODY, ae_title.strip()):
            return False
        address = ipaddress.ip_address(ip)
        network = self.network
        return network is None or (address.version == network.version and address in network)


class AccessRules:
    """Rules together: what any fitting one allows is allowed; without rules, everything is."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        """Keep the rules."""
        self._rules = tuple(rules)

    def knows(self, ae_title: str, ip: str) -> bool:
        """Return whether anything at all is allowed."""
        return not self._rules or any(rule.fits(ae_title, ip) for rule in self._rules)

    def allows(self, service: str, ae_title: str, ip: str) -> bool:
        """Return whether one of `SERVICES` is allowed; C-ECHO always is to who is known."""
        return not self._rules or any(
            service in rule.services and rule.fits(ae_title, ip) for rule in self._rules
        )


def parse_rule(text: str) -> Rule:
    """Return the rule written `AET[@ADDRESS][=find,move,...]`. Raises UsageError."""
    who, equals, what = text.partition("=")
    title, at, where = who.strip().partition("@")
    network = None
    if at:
        try:
            network = ipaddress.ip_network(where.strip(), strict=False)
        except ValueError as error:
            raise UsageError(
                f"{printable(text)}: behind @ stands an address or network, such as 10.1.0.0/16."
            ) from error
    services = (
        frozenset(word.strip().lower() for word in what.split(","))
        if equals
        else frozenset(SERVICES)
    )
    unknown = services - set(SERVICES)
    if unknown:
        raise UsageError(
            f"{printable(text)}: {printable(min(unknown))} is none of {', '.join(SERVICES)}."
        )
    ae_title = title.strip()
    return Rule(ae_title if ae_title == _ANYBODY else require_ae_title(ae_title), network, services)
