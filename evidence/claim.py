"""Claims: what the factory says. Either a clause of a pack, or an indicator with a bound."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from evidence.policy import Pack, decimal_of
from workshop.canonical import canonical_json
from workshop.errors import ConfigError

T = TypeVar("T")


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One claim: `pack` and `clause`, or `indicator` with `at_least` or `at_most` (decimal text)."""

    id: str
    title_zh: str
    title_en: str
    pack: str | None = None
    clause: str | None = None
    indicator: str | None = None
    at_least: str | None = None
    at_most: str | None = None
    min_count: dict[str, int] = {}
    """A sufficient number: below it the verdict is undetermined, for instance {"inspected": 60}."""


class _ClaimsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    claims: tuple[Claim, ...] = ()


def parse_claims(text: bytes | str, file: str) -> list[Claim]:
    """The claims from the text of a claims.toml.

    Raises:
        ConfigError: not TOML of this shape, no claim, or one that `check_claim` refuses.
    """
    try:
        claims = list(msgspec.toml.decode(text, type=_ClaimsFile).claims)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not claims:
        raise ConfigError(f"{file}: no claims: there would be nothing to judge; add [[claims]]")
    check_claims(claims, file)
    return claims


def encode_claims(claims: Iterable[Claim]) -> bytes:
    """RFC 8785 JSON of the claims with defaults filled in: what a bundle carries."""
    return canonical_json(list(claims))


def decode_claims(data: bytes, file: str) -> list[Claim]:
    """The inverse of `encode_claims`; only the canonical spelling is accepted.

    Raises:
        ConfigError: another spelling, no claim, or one that `check_claim` refuses.
    """
    try:
        claims = msgspec.json.decode(data, type=list[Claim])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if not claims or encode_claims(claims) != data:
        raise ConfigError(f"{file}: no claims, or not in canonical form (RFC 8785)")
    check_claims(claims, file)
    return claims


def check_claims(claims: Iterable[Claim], file: str) -> None:
    """Refuses claims that cannot be judged, and an id that stands twice.

    Raises:
        ConfigError: see above; names file and claim.
    """
    seen: set[str] = set()
    for claim in claims:
        where = f"{file}: claim '{claim.id}'"
        if claim.id in seen:
            raise ConfigError(f"{where} stands twice; give each its own id")
        seen.add(claim.id)
        bounds = [bound for bound in (claim.at_least, claim.at_most) if bound is not None]
        by_clause = claim.pack is not None and claim.clause is not None
        if by_clause:
            if claim.indicator is not None or bounds:
                raise ConfigError(f"{where}: the pack's clause brings indicator and bound; remove indicator, at_least and at_most")
        elif claim.pack is not None or claim.clause is not None or claim.indicator is None or len(bounds) != 1:
            raise ConfigError(f"{where}: give pack and clause, or indicator with either at_least or at_most")
        for bound in bounds:
            decimal_of(bound, where)
        if any(count < 1 for count in claim.min_count.values()):
            raise ConfigError(f"{where}: a min_count is at least 1")


def check_references(claims: Iterable[Claim], packs: Mapping[str, Pack], indicators: Iterable[str], file: str) -> None:
    """Refuses claims that name a pack, clause or indicator that does not exist here.

    Raises:
        ConfigError: names file, claim and what there is.
    """
    known = sorted(indicators)
    for claim in claims:
        where = f"{file}: claim '{claim.id}'"
        if claim.indicator is not None and claim.indicator not in known:
            raise ConfigError(f"{where}: no indicator '{claim.indicator}'; there are {', '.join(known)}")
        if claim.pack is None or claim.clause is None:
            continue
        if claim.pack not in packs:
            raise ConfigError(f"{where}: no pack '{claim.pack}'; there are {', '.join(sorted(packs)) or 'none'}")
        pack = packs[claim.pack]
        if pack.clause(claim.clause) is None:
            raise ConfigError(f"{where}: pack '{pack.id}' has no clause '{claim.clause}'; there are {', '.join(c.id for c in pack.clauses)}")


def indicators_of(claim: Claim, packs: Mapping[str, Pack]) -> frozenset[str]:
    """Ids of the indicators that a claim rests on; its pack must be among these."""
    clause = packs[claim.pack].clause(claim.clause or "") if claim.pack is not None else None
    names = {metric.indicator for metric in clause.metrics} if clause is not None else {claim.indicator}
    return frozenset(name for name in names if name is not None)


def needed(claims: Iterable[Claim], packs: Mapping[str, Pack], indicators: Mapping[str, T]) -> dict[str, T]:
    """Of these indicators, those that one of the claims rests on, in their order."""
    names = {name for claim in claims for name in indicators_of(claim, packs)}
    return {name: item for name, item in indicators.items() if name in names}
