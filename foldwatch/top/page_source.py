"""`PageSource`: the runs that a daemon, or a run with a port, shows on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from telemetry.alerts.http_post import checked_address, fetch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foldwatch.top.watcher import Wanted

ANSWER_SECONDS = 10.0


class PageSource:
    """Asks for the state as the page does. Its answers are anybody's."""

    def __init__(self, url: str, *, headers: Mapping[str, str]) -> None:
        """Take the page's address, and what to send with each request. Raises InputError if it is no address."""
        parts = urlsplit(checked_address(url, "URL"))
        path = parts.path.rstrip("/")
        self._url = parts._replace(path=f"{path}/api/state", query="", fragment="").geturl()
        self._headers = {"Accept-Encoding": "gzip", **headers}
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"

    def look(self, wanted: Wanted) -> dict[str, Any]:
        """Return the present state. Raises OSError: there is no answer, or none that is a state."""
        asked = urlencode(dict(zip(("run", "host", "rank"), wanted or (), strict=False)))
        try:
            state = fetch(f"{self._url}?{asked}", seconds=ANSWER_SECONDS, headers=self._headers)
        except OSError as error:
            is_refused = str(error).endswith(" 401")
            hint = (
                "give --user or --token-file"
                if is_refused
                else "see that foldwatch serve runs there"
            )
            raise OSError(f"no state from {self.name}: {error}; {hint}") from None
        if not isinstance(state, dict) or not isinstance(state.get("runs"), list):
            raise OSError(f"{self.name} answers, and is no page of foldwatch")
        return state

    def close(self) -> None:
        """Nothing is held."""
