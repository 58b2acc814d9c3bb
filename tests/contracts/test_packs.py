"""Every pack in policies/, also one that is added tomorrow: its cases, its sources, and what a pack may not be."""

from hashlib import sha256
from pathlib import Path

import pytest

from evidence.clauses import run_case
from evidence.packs import check_cases, load_pack, load_packs, pack_names
from evidence.policy import Case, Pack, Population, parse_pack
from evidence.verdict import Outcome
from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY.parent / "shared/policies"
CASES = [(name, case) for name in pack_names() for case in load_pack(name).cases]


def texts(name: str) -> tuple[str, str]:
    folder = REPOSITORY / "policies" / name
    return (folder / "pack.toml").read_text(encoding="utf-8"), (folder / "cases.toml").read_text(encoding="utf-8")


def test_every_folder_is_a_pack() -> None:
    folders = sorted(path.name for path in (REPOSITORY / "policies").iterdir() if path.is_dir() and not path.name.startswith("__"))
    assert list(load_packs()) == pack_names() == folders and folders


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case.name}" for name, case in CASES])
def test_every_case_comes_out_as_the_pack_says(name: str, case: Case) -> None:
    finding = run_case(load_pack(name), case)
    assert finding.outcome == case.expect, finding.reason
    assert finding.reason and finding.reason_zh


@pytest.mark.parametrize("name", pack_names())
@pytest.mark.skipif(not SOURCES.is_dir(), reason="../shared/policies with the policy documents is not here")
def test_every_quote_stands_in_its_source_where_the_span_says(name: str) -> None:
    for clause in load_pack(name).clauses:
        data = (SOURCES / clause.source.file).read_bytes()
        assert sha256(data).hexdigest() == clause.source.sha256
        start, end = clause.source.span
        text = data.decode("utf-8")
        assert text[start:end] == clause.source.quote and text.count(clause.source.quote) == 1


@pytest.mark.parametrize("name", pack_names())
def test_the_digest_is_that_of_the_canonical_json(name: str) -> None:
    pack = load_pack(name)
    assert pack.digest == sha256_hex(canonical_json(pack)) == parse_pack(*texts(name), name).digest


@pytest.mark.parametrize("name", pack_names())
def test_a_clause_is_in_force_within_its_pack_and_its_first_reading_has_a_reason(name: str) -> None:
    pack = load_pack(name)
    for clause in pack.clauses:
        assert pack.pack.effective_from <= clause.effective_from <= clause.effective_to <= pack.pack.effective_to
        assert all(reading.reason_zh and reading.reason_en for reading in clause.readings)


@pytest.mark.parametrize("name", pack_names())
@pytest.mark.parametrize(("cut", "says"), [("clauses", "no clauses"), ("cases", "no cases")])
def test_a_pack_that_would_pass_anything_is_refused(name: str, cut: str, says: str) -> None:
    pack, cases = texts(name)
    pack = pack.partition("[[clauses]]")[0] if cut == "clauses" else pack
    with pytest.raises(ConfigError, match=says):
        parse_pack(pack, "" if cut == "cases" else cases, name)


PACK, WORKED = texts("changsha-2015")


@pytest.mark.parametrize(("old", "new", "says"), [
    ('id = "changsha-2015"', 'id = "paris"', "folder and id"),
    ('scope = "长沙市"', 'scope = "长沙市"\ncolour = "red"', "colour"),
    ('effective_to = "2018-12-31"', 'effective_to = "2018-02-30"', "not a date"),
    ('effective_to = "2018-12-31"', 'effective_to = "2014-12-31"', "before it begins"),
    ('at_most = "0.70"', 'at_most = "less"', "not a decimal"),
    ('at_most = "0.70"', 'at_most = "0.70"\nat_least = "0.10"', "either at_least or at_most"),
    ('rule = "ratio"\nat_most = "0.70"', "", "has a rule"),
    ('indicator = "defect_rate"', "", "either computed by an indicator or declared"),
    ("span = [1285, 1322]", "span = [1322, 1285]", "source needs"),
    ('id = "production_cycle"', 'id = "operating_cost"', "twice"),
    ("inclusive = true", "", "inclusive"),
    ('status = "target"', 'status = "fine"', "status"),
    ('indicator = "operating_cost"', 'declared = true\nfigure = "operating_cast"', "must be a name that can be declared"),
    ('indicator = "operating_cost"', 'indicator = "operating_cost"\nfigure = "labour_cost"', "must be a name that can be declared"),
])
def test_a_wrong_pack_is_refused_with_the_reason(old: str, new: str, says: str) -> None:
    assert old in PACK
    with pytest.raises(ConfigError, match=says):
        parse_pack(PACK.replace(old, new, 1), WORKED, "changsha-2015")


@pytest.mark.parametrize(("old", "new", "says"), [
    ('clause = "CS-T1"', 'clause = "CS-T9"', "no figure"),
    ('metric = "defect_rate"', 'metric = "speed"', "no figure"),
    ('reading = "percentage-points"', 'reading = "none"', "no reading"),
    ('after = "0.014"', 'after = "x"', "not a decimal"),
    ('as_of = "2015-07-28"', 'as_of = "soon"', "not a date"),
])
def test_a_wrong_case_is_refused_with_the_reason(old: str, new: str, says: str) -> None:
    assert old in WORKED
    with pytest.raises(ConfigError, match=says):
        parse_pack(PACK, WORKED.replace(old, new, 1), "changsha-2015")


def test_a_pack_whose_case_comes_out_otherwise_does_not_load() -> None:
    pack: Pack = parse_pack(PACK, WORKED.replace('expect = "confirmed"', 'expect = "refuted"', 1), "changsha-2015")
    with pytest.raises(ConfigError, match="expected refuted, got confirmed"):
        check_cases(pack)


def test_an_unknown_pack_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="there are changsha-2015, yancheng-2022"):
        load_pack("paris")


def test_one_workshop_never_meets_a_target_of_many() -> None:
    for pack in load_packs().values():
        for clause in pack.clauses:
            if clause.population is not Population.WORKSHOP:
                case = Case("x", clause.id, clause.metrics[0].id, "", after="1000000")
                assert run_case(pack, case).outcome is Outcome.NOT_APPLICABLE


def test_a_metric_without_a_declared_figure_is_written_as_before() -> None:
    data = load_pack("changsha-2015").canonical
    assert b'"figure"' not in data and load_pack("yancheng-2022").canonical.count(b'"figure"') == 3
