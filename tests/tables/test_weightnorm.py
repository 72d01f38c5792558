"""The weightNorm table: NetPyNE's read-out rule, what is filled in or refused, and its files."""

from __future__ import annotations

import json
import math
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wscale.errors import ConfigError, TableError
from wscale.measurement.solution import Solution
from wscale.model.model import Model
from wscale.model.sites import Site
from wscale.tables.weightnorm import WeightNormTable, read_out_index, read_out_loc


def model_of(secs):
    """Return a model of some sections with one synapse, as far as tables need it."""
    net = {
        "cellParams": {"PV": {"secs": secs}},
        "stimTargetParams": {"NetStim1->PV": {"source": "NetStim1", "synMech": "exc"}},
        "synMechParams": {"exc": {"mod": "Exp2Syn"}},
    }
    return Model("PV", net, {})


MODEL = model_of({"soma": {}, "dend": {"geom": {"nseg": 3}}, "axon": {}})
SOMA = Solution("ok", 0.5, 1e-4, 0.5001, 0.9, "", 1)
DEND = Solution("ok", 0.5, 3e-4, 0.4999, 0.8, "", 2)
UNREACHABLE = Solution("unreachable", 0.5, None, None, 0.3, "it saturates", 3)


def site(sec, segment=0, nseg=1):
    return Site(sec, (segment + 0.5) / nseg, segment, 0.0)


def dend(segment):
    return site("dend", segment, 3)


@pytest.fixture
def table():
    solutions = [(site("soma"), SOMA), (dend(0), DEND), (dend(1), UNREACHABLE), (dend(2), DEND)]
    return WeightNormTable.from_solutions(MODEL, solutions, {"command": "wscale grid ."})


def given_table(**weight_norm):
    status = {sec: ["ok" if x else "spike" for x in row] for sec, row in weight_norm.items()}
    return WeightNormTable("PV", weight_norm, status)


# ---------------------------------------------------------------------- NetPyNE's read-out

every_nseg = pytest.mark.parametrize("nseg", range(1, 26))


@every_nseg
def test_read_out_is_that_of_netpyne(nseg):
    for loc in (number / 1000 for number in range(1, 1000)):
        assert read_out_index(loc, nseg) == int(round(loc * nseg)) - 1  # noqa: RUF046


@pytest.mark.parametrize(
    ("nseg", "read"), [(1, [-1]), (3, [-1, 1, 1]), (5, [-1, 1, 1, 3, 3]), (2, [-1, 1])]
)
def test_segment_centres_read_other_entries(nseg, read):
    assert [read_out_index((i + 0.5) / nseg, nseg) for i in range(nseg)] == read


def test_rule_is_still_in_the_installed_netpyne():
    from netpyne.cell import compartCell

    rule = "self.secs[sec]['weightNorm'][int(round(loc * nseg)) - 1]"
    assert rule in Path(compartCell.__file__).read_text()


@every_nseg
def test_read_out_loc_reads_the_entry_of_its_own_segment(nseg):
    entries = list(range(nseg))
    assert [entries[read_out_index(read_out_loc(i, nseg), nseg)] for i in entries] == entries


@every_nseg
def test_read_out_loc_is_in_its_segment(nseg):
    assert [int(read_out_loc(i, nseg) * nseg) for i in range(nseg)] == list(range(nseg))


# ---------------------------------------------------------------------- from solutions


def test_entries_are_those_of_the_solutions(table):
    assert table.weight_norm == {"soma": [2e-4], "dend": [6e-4, None, 6e-4]}
    assert table.status == {"soma": ["ok"], "dend": ["ok", "unreachable", "ok"]}


def test_entries_carry_their_evidence(table):
    assert table.epsp_mV["dend"] == [0.4999, None, 0.4999]
    assert table.residual["dend"] == [DEND.residual, None, DEND.residual]
    assert table.largest_epsp_mV["dend"] == [0.8, 0.3, 0.8]
    assert table.reason["dend"] == ["", "it saturates", ""]
    assert table.target_mV["dend"] == [0.5, 0.5, 0.5]


def test_segments_without_a_site_are_not_measured():
    table = WeightNormTable.from_solutions(MODEL, [(dend(1), DEND)])
    assert table.weight_norm == {"dend": [None, 6e-4, None]}
    assert table.status == {"dend": ["not_measured", "ok", "not_measured"]}
    assert table.target_mV == {"dend": [None, 0.5, None]}


def test_first_site_of_a_segment_stands_for_it():
    table = WeightNormTable.from_solutions(MODEL, [(site("soma"), SOMA), (site("soma"), DEND)])
    assert table.weight_norm == {"soma": [2e-4]}


def test_weight_that_misses_its_target_is_no_entry():
    inexact = replace(SOMA, status="inexact")
    table = WeightNormTable.from_solutions(MODEL, [(site("soma"), inexact)])
    assert (table.weight_norm, table.status) == ({"soma": [None]}, {"soma": ["inexact"]})


def test_ipsp_entries_are_positive():
    ipsp = replace(SOMA, target_mV=-0.5, epsp_mV=-0.5)
    assert WeightNormTable.from_solutions(MODEL, [(site("soma"), ipsp)]).cap == 2e-4


def test_counts_are_by_status(table):
    assert table.counts == {"ok": 3, "unreachable": 1}


def test_entries_are_listed_with_segment_and_status(table):
    assert list(table.entries())[:3] == [
        ("soma", 0, 2e-4, "ok"),
        ("dend", 0, 6e-4, "ok"),
        ("dend", 1, None, "unreachable"),
    ]


# ---------------------------------------------------------------------- capped


def test_gaps_hold_the_largest_calibrated_entry():
    table = given_table(soma=[2e-4], dend=[None, 9e-4], apic=[5e-4, None])
    assert table.cap == 9e-4
    assert table.for_netpyne() == {"soma": [2e-4], "dend": [9e-4, 9e-4], "apic": [5e-4, 9e-4]}


def test_capping_leaves_the_table_as_it_is(table):
    table.for_netpyne()
    assert table.weight_norm["dend"][1] is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param(given_table(dend=[1e-3]), "section that starts with 'soma'", id="no soma"),
        pytest.param(given_table(soma=[None]), "no entry is calibrated", id="nothing calibrated"),
        pytest.param(given_table(), "no entry is calibrated", id="no entries"),
        pytest.param(
            WeightNormTable.from_solutions(MODEL, [(site("soma"), SOMA), (dend(1), DEND)]),
            "2 segments were not measured",
            id="not measured",
        ),
    ],
)
def test_table_that_netpyne_could_not_use_is_refused(table, message, tmp_path):
    with pytest.raises(TableError, match=message):
        table.write_pickle(tmp_path / "a.pkl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("soma", ["soma", "soma_0"])
def test_section_that_starts_with_soma_is_enough(soma):
    assert given_table(**{soma: [1e-3]}).for_netpyne() == {soma: [1e-3]}


# ---------------------------------------------------------------------- round trips


def refuse(constant):
    raise AssertionError(f"{constant} in JSON")


def test_json_round_trip_keeps_everything(table, tmp_path):
    table.write_json(tmp_path / "a.json")
    assert WeightNormTable.read(tmp_path / "a.json") == table


def test_json_round_trip_keeps_what_was_not_measured(tmp_path):
    table = WeightNormTable.from_solutions(MODEL, [(site("soma"), SOMA), (dend(1), DEND)])
    table.write_json(tmp_path / "a.json")
    assert WeightNormTable.read(tmp_path / "a.json") == table


def test_json_round_trip_keeps_targets_that_differ(tmp_path):
    solutions = [(site("soma"), SOMA), (site("axon"), replace(DEND, target_mV=1.0))]
    table = WeightNormTable.from_solutions(MODEL, solutions)
    table.write_json(tmp_path / "a.json")
    assert WeightNormTable.read(tmp_path / "a.json") == table


def test_json_has_the_units_and_the_cap(table, tmp_path):
    table.write_json(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse)
    assert (content["units"]["weightNorm"], content["cap"]) == ("uS/mV", 6e-4)


def test_json_without_any_weight_is_written(tmp_path):
    given_table(soma=[None]).write_json(tmp_path / "a.json")
    assert WeightNormTable.read(tmp_path / "a.json").weight_norm == {"soma": [None]}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_never_holds_what_is_not_finite(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        given_table(soma=[value]).write_json(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


weights = st.floats(min_value=5e-324, allow_nan=False, allow_infinity=False)
rows = st.lists(weights, min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(soma=rows, dend=rows)
def test_files_keep_weights_bit_for_bit(tmp_path_factory, soma, dend):
    folder = tmp_path_factory.mktemp("bits")
    table = given_table(soma=soma, dend=dend)
    table.write_json(folder / "a.json")
    table.write_pickle(folder / "a.pkl")
    for name in ("a.json", "a.pkl"):
        read = WeightNormTable.read(folder / name).weight_norm
        assert [[x.hex() for x in row] for row in read.values()] == [
            [x.hex() for x in row] for row in (soma, dend)
        ]


def test_pickle_holds_a_plain_dict_of_lists_of_floats(table, tmp_path):
    table.write_pickle(tmp_path / "a.pkl")
    content = pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert content == {"soma": [2e-4], "dend": [6e-4, 6e-4, 6e-4]}
    assert type(content) is dict
    assert {type(row) for row in content.values()} == {list}
    assert {type(entry) for row in content.values() for entry in row} == {float}


def test_pickle_is_read_as_given(table, tmp_path):
    table.write_pickle(tmp_path / "PV_weightNorm.pkl")
    read = WeightNormTable.read(tmp_path / "PV_weightNorm.pkl")
    assert (read.cell, read.counts) == ("PV", {"given": 4})


@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_folder_that_does_not_exist_is_an_error(table, tmp_path, suffix):
    write = {"json": table.write_json, "pkl": table.write_pickle}[suffix]
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "missing" / f"a.{suffix}")


# ---------------------------------------------------------------------- files of others


@pytest.fixture
def read(tmp_path):
    """Write a file's content and read it as a table."""

    def read(content, name="a.pkl"):
        path = tmp_path / name
        if not isinstance(content, bytes):
            as_json = path.suffix == ".json"
            content = json.dumps(content).encode() if as_json else pickle.dumps(content)
        path.write_bytes(content)
        return WeightNormTable.read(path)

    return read


both = pytest.mark.parametrize("name", ["a.pkl", "a.json"])


@both
def test_entries_that_are_not_finite_are_no_weights(read, name):
    table = read({"soma": [1e-4], "dend": [math.inf, 2e-4, math.nan, -math.inf]}, name)
    assert table.weight_norm == {"soma": [1e-4], "dend": [None, 2e-4, None, None]}
    assert table.status["dend"] == ["not_finite", "given", "not_finite", "not_finite"]


@both
def test_entries_that_are_not_finite_get_the_cap(read, name):
    assert read({"soma": [1e-4], "dend": [math.inf, 2e-4]}, name).for_netpyne()["dend"] == [
        2e-4,
        2e-4,
    ]


@both
def test_whole_numbers_become_floats(read, name):
    [entry] = read({"soma": [1]}, name).weight_norm["soma"]
    assert type(entry) is float


@both
@pytest.mark.parametrize(
    "content",
    [
        pytest.param([1.0], id="list"),
        pytest.param(1.0, id="number"),
        pytest.param("status", id="text"),
        pytest.param(None, id="nothing"),
        pytest.param({}, id="empty"),
        pytest.param({"soma": 1.0}, id="number for a section"),
        pytest.param({"soma": "1.0"}, id="text for a section"),
        pytest.param({"soma": ["1.0"]}, id="text entry"),
        pytest.param({"soma": [[1.0]]}, id="nested entry"),
        pytest.param({"soma": [True]}, id="truth value"),
        pytest.param({"soma": {"0": 1.0}}, id="dictionary for a section"),
        pytest.param({"weightNorm": [1.0], "status": {}}, id="own file of the wrong shape"),
    ],
)
def test_content_of_the_wrong_shape_is_refused(read, name, content):
    with pytest.raises(TableError, match=r"is not a weightNorm table: it must hold \{section: \["):
        read(content, name)


def test_python_2_pickle_is_read(read):
    assert read(b"(dp0\nS'soma'\np1\n(lp2\nF0.5\naF0.25\nas.").weight_norm == {"soma": [0.5, 0.25]}


@pytest.mark.parametrize(
    ("name", "cell", "label"),
    [
        ("PV_weightNorm.pkl", None, "PV"),
        ("IT2_reduced.pkl", None, "IT2_reduced"),
        ("PV_weightNorm.pkl", "IT2", "IT2"),
    ],
)
def test_file_without_a_cell_is_named_by_the_caller_or_the_file(tmp_path, name, cell, label):
    (tmp_path / name).write_bytes(pickle.dumps({"soma": [1e-4]}))
    assert WeightNormTable.read(tmp_path / name, cell).cell == label


def test_own_file_keeps_its_cell(table, tmp_path):
    table.write_json(tmp_path / "other.json")
    assert WeightNormTable.read(tmp_path / "other.json").cell == "PV"


@both
def test_missing_file_is_an_error(tmp_path, name):
    with pytest.raises(TableError, match=rf"there is no table .*{name}"):
        WeightNormTable.read(tmp_path / name)


def test_folder_is_no_table(tmp_path):
    with pytest.raises(TableError):
        WeightNormTable.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("residual", {"soma": [math.inf], "dend": [0.0, 0.0, 0.0]}),
        ("epsp_mV", {"soma": [True], "dend": [0.5, 0.5, 0.5]}),
        ("status", {"soma": [1], "dend": ["ok", "ok", "ok"]}),
        ("target_mV", math.nan),
        ("target_mV", True),
        ("provenance", 3),
        ("provenance", {"sha256": "abc"}),
    ],
)
def test_own_file_with_a_field_of_another_kind_is_an_error(read, table, name, value):
    with pytest.raises(TableError, match=rf"'?{name}'? (does not fit|must be)"):
        read(table.as_json() | {name: value}, "a.json")


@pytest.mark.parametrize("missing", ["cell", "target_mV"])
def test_own_file_that_lacks_a_field_is_an_error(read, table, missing):
    content = {key: value for key, value in table.as_json().items() if key != missing}
    with pytest.raises(TableError):
        read(content, "a.json")


@pytest.mark.parametrize("status", [{}, {"soma": [], "dend": []}], ids=["sections", "segments"])
def test_own_file_with_statuses_of_another_shape_is_an_error(read, table, status):
    with pytest.raises(TableError):
        read(table.as_json() | {"status": status}, "a.json")


def test_own_file_with_nan_does_not_reach_netpyne(read, table):
    content = table.as_json() | {"weightNorm": {"soma": [math.nan], "dend": [1.0, 1.0, 1.0]}}
    try:
        entries = read(content, "a.json").for_netpyne()["soma"]
    except TableError:
        return
    assert math.isfinite(entries[0])


@st.composite
def whole_tables(draw):
    """Any table that a search can make: by section and segment, a solution or none."""
    nsegs = {
        "soma": draw(st.integers(1, 4)),
        **draw(st.dictionaries(st.sampled_from(["dend", "apic[0]", "b c"]), st.integers(1, 4))),
    }
    sections = {sec: {"geom": {"nseg": nseg}} for sec, nseg in nsegs.items()}
    number = st.floats(-1e6, 1e6)
    found = []
    for sec, nseg in nsegs.items():
        for segment in range(nseg):
            status = draw(st.sampled_from(["ok", "above_grid", "spike", "failed"]))
            epsp = draw(number | st.none()) if status != "ok" else 0.5
            weight = draw(weights.filter(lambda w: w < 1e300)) if status == "ok" else None
            solution = Solution(status, 0.5, weight, epsp, draw(number), draw(st.text()), 1)
            found.append((site(sec, segment, nseg), solution))
    kept = draw(st.lists(st.sampled_from(found), min_size=1, unique_by=lambda pair: pair[0]))
    return WeightNormTable.from_solutions(model_of(sections), kept)


@settings(deadline=None)
@given(table=whole_tables())
def test_any_table_survives_its_files(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("tables")
    table.write_json(folder / "a.json")
    assert WeightNormTable.read(folder / "a.json") == table
    try:
        table.write_pickle(folder / "a.pkl")
    except TableError:
        assert (
            "soma" not in table.weight_norm or table.cap is None or ("not_measured" in table.counts)
        )
        return
    loaded = pickle.loads((folder / "a.pkl").read_bytes())
    assert loaded == WeightNormTable.read(folder / "a.pkl").weight_norm
    for sec, segment, value, _ in table.entries():
        stand_in = table.stand_in[sec][segment]
        assert loaded[sec][segment] == next(
            v for v in (value, stand_in, table.cap) if v is not None
        )


# ---------------------------------------------------------------------- broken and malicious files


@settings(max_examples=50, deadline=None)
@given(cut=st.floats(0.0, 1.0, exclude_max=True), protocol=st.sampled_from([0, 2, 4]))
def test_truncated_pickle_is_refused(tmp_path_factory, cut, protocol):
    content = pickle.dumps({"soma": [1e-4], "dend": [2e-4, 3e-4]}, protocol)
    path = tmp_path_factory.mktemp("cut") / "a.pkl"
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(TableError, match=r"a.pkl cannot be read as a weightNorm table"):
        WeightNormTable.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"soma": [1e-4', b"soma: 1", b"\xff\xfe"])
def test_broken_json_is_refused(read, content):
    with pytest.raises(TableError, match=r"a.json cannot be read as a weightNorm table"):
        read(content, "a.json")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"K\x01K\x02a.", id="append to a number"),
        pytest.param(b"}]]s.", id="list as a key"),
        pytest.param(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", id="enormous length"),
        pytest.param(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.", id="enormous frame"),
    ],
)
def test_damaged_pickle_is_refused(read, content):
    with pytest.raises(TableError):
        read(content)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [list, np.array], ids=["numpy numbers", "array"])
def test_numpy_numbers_of_published_tables_are_read(read, kind, protocol):
    values = {
        "soma": kind([np.float64(1e-3)]),
        "dend": kind([np.float64(2e-3), np.float64(np.inf)]),
    }
    table = read(pickle.dumps(values, protocol))
    assert table.weight_norm == {"soma": [1e-3], "dend": [2e-3, None]}
    assert table.status == {"soma": ["given"], "dend": ["given", "not_finite"]}


def test_numpy_1_names_are_read(read):
    content = pickle.dumps({"soma": [np.float64(1e-3)]}, 2)
    old = content.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    assert old != content
    assert read(old).weight_norm == {"soma": [1e-3]}


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, call, *arguments):
        self.call = (call, arguments)

    def __reduce__(self):
        return self.call


ATTACKS = {
    "open": lambda path: Malicious(open, str(path), "w"),
    "os.system": lambda path: Malicious(os.system, f"touch {path}"),
    "eval": lambda path: Malicious(eval, f"open({str(path)!r}, 'w')"),
    "pathlib": lambda path: Malicious(Path.touch, Path(path)),
}
attacks = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)


@attacks
@pytest.mark.parametrize("protocol", [0, 2, 4], ids="protocol {}".format)
@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(lambda attack: attack, id="itself"),
        pytest.param(lambda attack: {"soma": [1e-4], "dend": [attack]}, id="as an entry"),
        pytest.param(lambda attack: {"soma": attack}, id="as a section"),
    ],
)
def test_pickle_that_runs_code_is_refused_and_does_nothing(tmp_path, attack, protocol, hide):
    evidence = tmp_path / "evidence"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(hide(attack(evidence)), protocol))
    with pytest.raises(TableError, match=r"holds an object of .*; only plain lists and numbers"):
        WeightNormTable.read(tmp_path / "a.pkl")
    assert not evidence.exists()


@attacks
def test_attack_would_have_made_its_file(tmp_path, attack):
    pickle.loads(pickle.dumps(attack(tmp_path / "evidence")))
    assert (tmp_path / "evidence").exists()


# ---------------------------------------------------------------------- files that are not there


def test_a_folder_is_no_table_and_its_tables_are_named(table, tmp_path):
    with pytest.raises(TableError, match=r"a table is a file: give a \.json or \.pkl file"):
        WeightNormTable.read(tmp_path)
    (tmp_path / "weightNorm").mkdir()
    for label in "abcdef":
        table.write_json(tmp_path / "weightNorm" / f"{label}_weightNorm.json")
    with pytest.raises(TableError, match=r"one of .*a_weightNorm\.json, .*\.\.\. \(6 in all\)"):
        WeightNormTable.read(tmp_path)


def test_a_pickle_that_was_not_written_leads_to_the_reason(tmp_path):
    given_table(soma=[None]).write_json(tmp_path / "a_weightNorm.json")
    with pytest.raises(TableError, match=r"there is no table .*results\.json \(no_pkl_because\)"):
        WeightNormTable.read(tmp_path / "a_weightNorm.pkl")
