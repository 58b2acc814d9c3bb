"""Back-fill is announced before it is delivered: at no moment does the gateway hold late batches that a bundle could leave out unseen."""

import logging

import httpx
import msgspec

from edge.gateway_link import problem_of
from store.journal import EdgeJournal
from workshop.wire import AnnouncementPost

_log = logging.getLogger(__name__)
_TRY_AGAIN = {401, 403, 408, 425, 429}


async def announce(client: httpx.AsyncClient, journal: EdgeJournal, past: tuple[int, int, int, int, int]) -> httpx.Response | None:
    """Tells the gateway of one stretch of back-fill: (number, first batch, last batch, from, to).

    Returns:
        None once nothing more is to be done: it is on record, or the gateway will never take it, which is logged and does not hold up the batches;
        otherwise the answer after which to wait, or to stop.
    Raises:
        httpx.HTTPError: no answer.
    """
    _, from_seq, to_seq, from_us, to_us = past
    post = AnnouncementPost(journal.edge, journal.epoch, from_seq, to_seq, from_us, to_us, "back-fill")
    answer = await client.post("/v1/announcements", content=msgspec.json.encode(post), headers={"Content-Type": "application/json"})
    if answer.is_success:
        _log.info("batches %d to %d announced as back-fill", from_seq, to_seq)
        return None
    if answer.status_code in _TRY_AGAIN or answer.status_code >= 500:
        return answer
    problem = problem_of(answer)
    _log.error("back-fill in batches %d to %d is not announced: %d %s", from_seq, to_seq, answer.status_code, problem.detail or problem.title)
    return None
