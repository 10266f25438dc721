"""What a run of many jobs keeps from one to the next, so that it need not be made anew."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol


class Keeper(Protocol):
    """Takes care of things between two jobs; safe for threads.

    What is taken belongs to the taker alone; what is kept belongs to the keeper, who may end it.
    """

    def take(self, key: Hashable) -> Any:
        """Give what is kept under `key`, in good order; None when there is nothing."""

    def keep(self, key: Hashable, thing: Any) -> bool:
        """Keep a thing; False: it is not wanted, and whoever has it has to end it."""

    def distrust(self, key: Hashable) -> None:
        """Keep nothing more under `key`: what was kept turned out to be of no use."""

    def turned_away(self) -> None:
        """Keep nothing at all any more: there is no room for another one."""


class _KeepsNothing:
    """Each job begins with nothing."""

    def take(self, _key: Hashable) -> None:
        """Give nothing."""

    def keep(self, _key: Hashable, _thing: Any) -> bool:
        """Want nothing."""
        return False

    def distrust(self, _key: Hashable) -> None:
        """There is nothing to distrust."""

    def turned_away(self) -> None:
        """There is nothing that takes up room."""


KEEPS_NOTHING: Keeper = _KeepsNothing()
