"""Policy packs: a policy as data. Clauses with their source, dated bounds and readings; cases that say what comes out.

Numbers of the law stand in packs with date and reference; the arithmetic stands in `evidence.verdict`.
"""

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from analytics.declared_figures import CATALOGUE
from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import ConfigError

_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")

Rule = Literal["value", "ratio", "difference"]
"""What is compared with the bound: the figure itself; after ÷ before (relative, 降低30%); before − after (percentage points)."""


class Status(StrEnum):
    """What kind of sentence a clause is."""

    COMPUTABLE = "computable"
    TARGET = "target"
    UPPER_BOUND = "upper_bound"                   # 不超过 in a benefit: never an entitlement
    SOFT = "soft"                                 # 力争, 鼓励, 左右: reported, never judged
    AMBIGUOUS = "ambiguous"
    EXTERNAL_DEPENDENCY = "external_dependency"   # needs another document or somebody's recognition
    TRUNCATED = "truncated"                       # the source is cut here


class Population(StrEnum):
    """Whose figure the clause speaks of. A workshop contributes to the larger ones and never meets them."""

    WORKSHOP = "workshop"
    ENTERPRISE = "enterprise"
    DISTRICT = "district"
    CITY = "city"
    PROVINCE = "province"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a clause stands: file, its digest, the span [a, b) in code points, and the words themselves."""

    file: str
    sha256: str
    span: tuple[int, int]
    quote: str


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something outside the data that the clause presupposes, such as a recognition; it is named in the verdict, not judged."""

    id: str
    title_zh: str
    title_en: str


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of a clause: computed by an indicator, or declared by the claimant (then undetermined until the declaration is evidenced)."""

    id: str
    title_zh: str
    title_en: str
    unit: str
    indicator: str | None = None
    declared: bool = False
    figure: str | msgspec.UnsetType = msgspec.UNSET
    """The declared figure (`chejian figures`) that it is; not written where there is none, so that other packs keep their digests."""
    rule: Rule | None = None
    """None: the clause's readings say what is compared."""
    at_least: str | None = None
    at_most: str | None = None


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to read the words, with its reason; the first of a clause is the one that the verdict follows."""

    id: str
    reason_zh: str
    reason_en: str
    rule: Rule | None = None
    at_least: str | None = None
    at_most: str | None = None
    metrics: tuple[str, ...] = ()
    """The figures that can be read so; all when empty."""


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence of a policy with everything that judging it needs."""

    id: str
    section: str
    title_zh: str
    title_en: str
    source: Source
    status: Status
    unit: str
    population: Population
    inclusive: bool
    """以上, 达到, 不超过 are inclusive; 超过, 高于 are strict."""
    rounding: Literal["exact", "indicator"]
    """exact: figures as they are; indicator: compared after rounding as the indicator states."""
    effective_from: str
    effective_to: str
    """Last day in force, included."""
    metrics: tuple[Metric, ...]
    readings: tuple[Reading, ...] = ()
    conditions: tuple[Condition, ...] = ()
    min_coverage: str | None = None
    """None: the minimum of the indicator's version."""
    note: str = ""

    def metric(self, identifier: str) -> Metric:
        """The figure with this id; KeyError where there is none."""
        return next(metric for metric in self.metrics if metric.id == identifier)


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A worked case of one figure of one clause: exact values in decimal text → outcome."""

    name: str
    clause: str
    metric: str
    expect: str
    before: str | None = None
    after: str | None = None
    as_of: str | None = None
    """None: the clause's last day in force."""
    reading: str | None = None
    population: Population = Population.WORKSHOP
    """Whose figure is given."""


class PackHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document that a pack encodes."""

    id: str
    version: int
    title_zh: str
    title_en: str
    issuer: str
    document: str
    issued: str
    effective_from: str
    effective_to: str
    scope: str
    note: str = ""


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy document as clauses and cases. Its digest is what a verifier accepts or refuses."""

    pack: PackHead
    clauses: tuple[Clause, ...]
    cases: tuple[Case, ...]

    @property
    def id(self) -> str:
        """The pack's id, which is its folder's name."""
        return self.pack.id

    @property
    def canonical(self) -> bytes:
        """RFC 8785 JSON with defaults filled in: what a bundle carries."""
        return canonical_json(self)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of `canonical`."""
        return sha256_hex(self.canonical)

    def clause(self, identifier: str) -> Clause | None:
        """The clause with this id, or None."""
        return next((clause for clause in self.clauses if clause.id == identifier), None)


class _PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pack: PackHead
    clauses: tuple[Clause, ...] = ()


class _CasesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cases: tuple[Case, ...] = ()


def parse_pack(pack_toml: bytes | str, cases_toml: bytes | str, name: str) -> Pack:
    """The pack from the texts of its two files.

    Args:
        name: the folder's name; the pack's id must be the same.
    Raises:
        ConfigError: not TOML of this shape, or a rule of `check_pack`.
    """
    try:
        head = msgspec.toml.decode(pack_toml, type=_PackFile)
        cases = msgspec.toml.decode(cases_toml, type=_CasesFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"pack '{name}': {error}") from error
    pack = Pack(head.pack, head.clauses, cases.cases)
    if pack.id != name:
        raise ConfigError(f"pack '{name}': its id is '{pack.id}'; folder and id must be the same")
    check_pack(pack)
    return pack


def check_pack(pack: Pack) -> None:
    """Refuses a pack that would pass anything or contradicts itself.

    Raises:
        ConfigError: no clauses, no cases, a clause without figures or without a case, an id that stands twice, a wrong date, bound, span or digest.
    """
    where = f"pack '{pack.id}'"
    if not pack.clauses:
        raise ConfigError(f"{where} has no clauses: it would pass anything")
    if not pack.cases:
        raise ConfigError(f"{where} has no cases: nobody can tell whether it does what the text says; add cases.toml")
    check_dates(where, pack.pack.effective_from, pack.pack.effective_to, pack.pack.issued)
    _check_unique(where, "clause", [clause.id for clause in pack.clauses])
    for clause in pack.clauses:
        _check_clause(f"{where}: clause '{clause.id}'", clause)
        if not any(case.clause == clause.id for case in pack.cases):
            raise ConfigError(f"{where}: clause '{clause.id}' has no case")
    for case in pack.cases:
        known = pack.clause(case.clause)
        if known is None or case.metric not in {metric.id for metric in known.metrics}:
            raise ConfigError(f"{where}: case '{case.name}': no figure '{case.metric}' in a clause '{case.clause}'")
        if case.reading is not None and case.reading not in {reading.id for reading in known.readings}:
            raise ConfigError(f"{where}: case '{case.name}': clause '{case.clause}' has no reading '{case.reading}'")
        for text in (case.before, case.after):
            if text is not None:
                decimal_of(text, f"{where}: case '{case.name}'")
        if case.as_of is not None:
            check_dates(f"{where}: case '{case.name}'", case.as_of)


def _check_clause(where: str, clause: Clause) -> None:
    if not clause.metrics:
        raise ConfigError(f"{where} has no figures: it would pass anything")
    check_dates(where, clause.effective_from, clause.effective_to)
    _check_unique(where, "figure", [metric.id for metric in clause.metrics])
    _check_unique(where, "reading", [reading.id for reading in clause.readings])
    start, end = clause.source.span
    if not 0 <= start < end or not clause.source.quote or len(clause.source.sha256) != 64:
        raise ConfigError(f"{where}: its source needs a file, a sha256, a span [a, b) and the words themselves")
    for metric in clause.metrics:
        if (metric.indicator is None) is not metric.declared:
            raise ConfigError(f"{where}: figure '{metric.id}' must be either computed by an indicator or declared")
        if isinstance(metric.figure, str) and (not metric.declared or metric.figure not in CATALOGUE):
            raise ConfigError(f"{where}: figure '{metric.id}': '{metric.figure}' must be a name that can be declared, with declared = true")
        readings = [reading for reading in clause.readings if not reading.metrics or metric.id in reading.metrics]
        if metric.rule is None and (not readings or readings[0].rule is None):
            raise ConfigError(f"{where}: figure '{metric.id}': neither it nor its first reading has a rule")
    rules: list[Metric | Reading] = [*clause.metrics, *clause.readings]
    for rule in rules:
        bounds = [bound for bound in (rule.at_least, rule.at_most) if bound is not None]
        if len(bounds) != (0 if rule.rule is None else 1):
            raise ConfigError(f"{where}: '{rule.id}': a rule has either at_least or at_most")
        for bound in bounds:
            decimal_of(bound, f"{where}: '{rule.id}'")


def check_dates(where: str, *days: str) -> None:
    """Refuses what is no ISO date, and a second date before the first.

    Raises:
        ConfigError: see above.
    """
    for day in days:
        try:
            spelt = date.fromisoformat(day).isoformat()
        except ValueError as error:
            raise ConfigError(f"{where}: '{day}' is not a date such as 2024-12-31") from error
        if spelt != day:
            raise ConfigError(f"{where}: '{day}' must be spelt {spelt}")
    if len(days) > 1 and days[0] > days[1]:
        raise ConfigError(f"{where}: ends on {days[1]}, before it begins on {days[0]}")


def _check_unique(where: str, what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where}: {what} '{name}' stands twice")


def decimal_of(text: str, where: str) -> Decimal:
    """A decimal number from text in its plain spelling: digits of ASCII, a point between them; no exponent, underscore or infinity.

    Raises:
        ConfigError: anything else.
    """
    if not _PLAIN.fullmatch(text):
        raise ConfigError(f"{where}: '{text[:80]}' is not a decimal number such as 0.95")
    return Decimal(text)
