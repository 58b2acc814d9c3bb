"""Who may do what: bearer tokens, kept as SHA-256 only, each with a role. No default secret: the first start makes the administrator's token."""

import hmac
import os
import secrets
import threading
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from gateway.lockout import Lockout, RateLimit
from gateway.problems import Refusal
from gateway.pseudonyms import Pseudonyms
from store.archive import Archive, EdgeRecord, TokenRecord
from store.control_kinds import Audit
from store.signing import decode_key
from workshop.batch import Provenance
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError, Rejected
from workshop.register import EQUIPMENT_ID
from workshop.window import HOUR_US, SECOND_US, Clock
from workshop.wire import EnrolAnswer, EnrolRequest

ENROL_TIME_US = 15 * 60 * SECOND_US
SETUP_TIME_US = 60 * 60 * SECOND_US
MOST_VISITS = 10_000
_ENROL, _SETUP = "enrol", "setup"
_PREFIX = "cj_"


class Role(StrEnum):
    """What a bearer token allows."""

    EDGE = "edge"
    WRITER = "writer"
    """Line protocol, and nothing else."""
    VIEWER = "viewer"
    ENGINEER = "engineer"
    EVALUATOR = "evaluator"
    ADMIN = "admin"


PEOPLE = (Role.VIEWER, Role.ENGINEER, Role.EVALUATOR, Role.ADMIN)


class Caller(msgspec.Struct, frozen=True):
    """Who sends a request."""

    role: Role
    subject: str
    """The edge's id, or what the token was made for."""
    provenance: Provenance | None = None
    """Of an edge."""
    known_as: str = ""
    """Pseudonym of a person, unless the register says that operators are named."""

    @property
    def author(self) -> str:
        """As named in control entries."""
        return f"{self.role}:{self.known_as or self.subject}"


class Access:
    """Makes tokens and recognises them.

    Args:
        are_named: people stand in control log and audit by their names, not by pseudonyms.
        requests_per_s: of one token.
    """

    def __init__(
        self, archive: Archive, clock: Clock, pseudonyms: Pseudonyms, lockout: Lockout | None = None, *, are_named: bool = False,
        requests_per_s: float = 500.0,
    ) -> None:
        self._archive, self._clock, self._pseudonyms, self._are_named = archive, clock, pseudonyms, are_named
        self.lockout = lockout or Lockout()
        self.rate = RateLimit(requests_per_s)
        self._visits: dict[tuple[str, str], int] = {}
        self._visits_lock = threading.Lock()
        self.setup_code = ""
        """Of the set-up link, from the first start until it is used; kept as a digest otherwise."""
        # Tokens seen before, so that an edge's post never waits for a reader of the archive. Only tokens that exist get in, and only this
        # process changes them.
        self._seen: dict[str, TokenRecord] = {}

    def create(self, role: Role, subject: str, *, author: str) -> str:
        """A new bearer token, to be shown once; that it was made stands in the audit."""
        token = _PREFIX + secrets.token_urlsafe(32)
        self._archive.add_token(_digest(token), role.value, subject, None, once=False)
        self.audit("token", author, role=role.value, subject=self._known_as(subject))
        return token

    def resolve(self, pseudonym: str, reason: str, *, author: str) -> str | None:
        """The subject behind a pseudonym, or None; the question is on record before it is answered."""
        self.audit("pseudonym", author, resolved=pseudonym[:80], reason=reason)
        return next((subject for subject in self._archive.token_subjects() if self._pseudonyms.of(subject) == pseudonym), None)

    def _known_as(self, subject: str) -> str:
        return subject if self._are_named else self._pseudonyms.of(subject)

    def audit(self, action: str, author: str, **details: str | int) -> None:
        """Writes down who did what: a control entry of kind "audit" without an edge."""
        self._archive.add(Audit(action, "", 0, ", ".join(f"{name} {value}" for name, value in details.items())[:4000]), author=author)

    def visited(self, caller: Caller, what: str) -> None:
        """Writes down that an evaluator has used a route: each route once an hour, so that reading page by page does not fill the log."""
        key = (caller.author, what)
        hour = self._clock() // HOUR_US
        with self._visits_lock:
            if self._visits.get(key) == hour:
                return
            if len(self._visits) >= MOST_VISITS:
                self._visits.clear()
            # Two at once: the second waits, and finds it written.
            self.audit("access", caller.author, to=what)
            self._visits[key] = hour

    def seen(self, token: str) -> bool:
        """Whether this token was good before."""
        return _digest(token) in self._seen

    def caller(self, token: str) -> Caller | None:
        """Who holds this token; None when it is unknown, out of date, a one-time token or of a revoked edge."""
        digest = _digest(token)
        record = self._seen.get(digest) or self._archive.find_token(digest)
        # The look-up is by digest; the comparison in constant time is for engines of the archive that would match loosely.
        if record is None or not hmac.compare_digest(record.sha256, digest) or record.role in (_ENROL, _SETUP):
            return None
        if record.expires_us is not None and record.expires_us <= self._clock():
            return None
        self._seen[digest] = record
        if record.role != Role.EDGE:
            return Caller(Role(record.role), record.subject, None, self._known_as(record.subject))
        edge = self._archive.edge(record.subject)
        if edge is None or edge.revoked_us is not None or not hmac.compare_digest(edge.token_sha256, digest):
            return None
        return Caller(Role.EDGE, edge.edge, edge.provenance)

    def invite(self, edge: str, provenance: Provenance, *, author: str) -> str:
        """A one-time token with which this edge can enrol within fifteen minutes.

        Raises:
            Rejected: not an edge id, or another provenance than the edge has had.
        """
        if not EQUIPMENT_ID.fullmatch(edge) or len(edge) > 64 or edge == "gateway":
            raise Rejected(f"edge '{edge[:80]}': an id is lower-case letters, digits and single hyphens, such as edge-1, and not 'gateway'")
        known = self._archive.edge(edge)
        if known is not None and known.provenance is not provenance:
            raise Rejected(f"edge '{edge}' is enrolled as {known.provenance.value}, which never changes; choose another id")
        token = _PREFIX + secrets.token_urlsafe(32)
        self._archive.add_token(_digest(token), _ENROL, f"{edge}/{provenance.value}", self._clock() + ENROL_TIME_US, once=True)
        self.audit("invitation", author, edge=edge, provenance=provenance.value)
        return token

    def offer_setup(self) -> None:
        """Makes the code of the link that the first start prints: good once, within the hour."""
        self.setup_code = secrets.token_urlsafe(32)
        self._archive.add_token(_digest(self.setup_code), _SETUP, "set-up link", self._clock() + SETUP_TIME_US, once=True)
        self.audit("set-up link", "gateway", made="at the first start")

    def use_setup(self, code: str, address: str) -> str:
        """A new token of role admin for this code; that it was used, and from where, stands in the audit.

        Raises:
            Refusal: 401, unknown, used or too old; 429, too many wrong ones have come from this address.
        """
        if (wait_s := self.lockout.wait_s(address)) > 0:
            raise Refusal(429, "locked-out", "too many wrong tokens from this address; try again later", retry_after_s=wait_s)
        digest = _digest(code)
        record = self._archive.find_token(digest)
        if record is None or record.role != _SETUP or not self._archive.use_token(digest):
            self.lockout.failed(address)
            said = "此链接无效、已使用或已过期。This link is unknown, used or older than an hour; see docs/how-to/enrol-an-edge.md"
            raise Refusal(401, "unauthorised", said)
        self.setup_code = ""
        self.audit("set-up link", "gateway", used_from=address)
        return self.create(Role.ADMIN, "set-up link", author="gateway:set-up link")

    def enrol(self, request: EnrolRequest, address: str = "") -> EnrolAnswer:
        """Enrols an edge with the public key that it shows, once per token.

        Raises:
            Refusal: 401, the token is unknown, used, out of date or for another edge; 429, too many wrong ones have come from this address.
            Rejected: not a public key.
        """
        if (wait_s := self.lockout.wait_s(address)) > 0:
            raise Refusal(429, "locked-out", "too many wrong tokens from this address; try again later", retry_after_s=wait_s)
        decode_key(request.public_key)
        digest = _digest(request.token)
        record = self._archive.find_token(digest)
        edge, _, provenance = record.subject.partition("/") if record is not None else ("", "", "")
        late = record is not None and record.expires_us is not None and record.expires_us <= self._clock()
        if record is None or record.role != _ENROL or late or not hmac.compare_digest(edge, request.edge) or not self._archive.use_token(digest):
            self.lockout.failed(address)
            raise Refusal(401, "unauthorised", "this one-time token is unknown, used, older than 15 minutes or for another edge; ask for a new one")
        token = _PREFIX + secrets.token_urlsafe(32)
        self._archive.add_token(_digest(token), Role.EDGE.value, edge, None, once=False)
        self._archive.enrol(
            EdgeRecord(edge, request.public_key, Provenance(provenance), _digest(token), self._clock()), author=f"edge:{edge}",
        )
        return EnrolAnswer(edge, Provenance(provenance), token, self._archive.origin, self._archive.key.public)


def needs(access: Access, *roles: Role, derived: bool = False) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that lets these roles pass.

    Args:
        derived: edges of provenance derived pass too: the analytics service reads and posts with its edge token.
    """

    async def check(request: Request) -> Caller:
        caller = bearer_of(request, access, "bearer")
        if caller is None:
            raise Refusal(401, "unauthorised", "a valid bearer token is needed in the Authorization header")
        # An edge must never wait for its own diligence: what it sends is held back by the backlog, in its own words.
        if caller.role not in (Role.EDGE, Role.WRITER):
            slow_down(access.rate.wait_s(f"{caller.role}:{caller.subject}"))
        if caller.role in roles or (derived and caller.role is Role.EDGE and caller.provenance is Provenance.DERIVED):
            if caller.role is Role.EVALUATOR:
                path = getattr(request.scope.get("route"), "path", "")
                await run_in_threadpool(access.visited, caller, f"{request.method} {path}")
            return caller
        raise Refusal(403, "unauthorised", f"role {caller.role} may not do this; it takes {', '.join(roles)}")

    return check


def slow_down(wait_s: int) -> None:
    """Raises Refusal, 429, when the caller has to wait."""
    if wait_s:
        raise Refusal(429, "too-many", "too many requests; see requests_per_s in gateway.toml", retry_after_s=wait_s)


def bearer_of(request: Request, access: Access, *schemes: str) -> Caller | None:
    """Who sends this request, by the token under one of these schemes (in lower case); None without a valid one.

    Raises:
        Refusal: 429, too many wrong tokens have come from this address.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() not in schemes or not token:
        return None
    return caller_of(token, request.client.host if request.client else "", access)


def caller_of(token: str, address: str, access: Access) -> Caller | None:
    """Who shows this token from this address; None when it is not valid.

    Raises:
        Refusal: 429, too many wrong tokens have come from this address.
    """
    # Tokens that were good before pass a lock-out: a stranger behind the same address must not be able to stop an edge.
    if (wait_s := access.lockout.wait_s(address)) > 0 and not access.seen(token):
        raise Refusal(429, "locked-out", "too many wrong tokens from this address; try again later", retry_after_s=wait_s)
    caller = access.caller(token)
    if caller is None:
        access.lockout.failed(address)
    return caller


def admin_token(access: Access, file: Path) -> bool:
    """Makes the administrator's token when its file is not there.

    Returns:
        whether it was made now.
    Raises:
        ConfigError: the file cannot be written.
    """
    if file.exists():
        return False
    scratch = file.with_name(file.name + ".new")
    try:
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(access.create(Role.ADMIN, "first start", author="gateway") + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from error
    return True


def _digest(token: str) -> str:
    return sha256_hex(token.encode("utf-8", "surrogatepass"))
