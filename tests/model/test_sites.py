"""Where synapses can be: selections, locations, segments, and distances against NEURON's."""

from __future__ import annotations

import fnmatch
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscale.errors import SelectionError
from wscale.model.model import Model
from wscale.model.sites import (
    Site,
    list_sites,
    number_of_segments,
    path_distance_um,
    select_sections,
)


def sec(L=100.0, nseg=1, at=None, child_x=0.0, **geom):
    """Return a section; ``at=("soma", 1.0)`` says where it hangs."""
    topol = {}
    if at is not None:
        topol = {"parentSec": at[0], "parentX": at[1], "childX": child_x}
    return {"geom": {"L": L, "nseg": nseg, **geom}, "topol": topol}


def cell(secs, sec_lists=None):
    rule = {"secs": secs, "secLists": sec_lists or {}}
    return Model("cell", {"cellParams": {"cell": rule}}, {})


def named(*names, sec_lists=None):
    secs = {"soma": sec()} | {name: sec(at=("soma", 1.0)) for name in names}
    return cell(secs, sec_lists)


@pytest.fixture
def tree():
    return named(
        "Adend1", "Adend2", "Bdend", "axon", sec_lists={"apical": ["Adend2", "Adend1"], "none": []}
    )


# ---------------------------------------------------------------------- sections


@pytest.mark.parametrize(
    "name",
    ["axon", "axon_0", "Axon", "apic_axon", "myelin[0]", "node[1]", "AIS", "iseg", "hillock"],
)
def test_axons_are_left_out_by_default(name):
    assert select_sections(named("dend", name)) == ["soma", "dend"]


@pytest.mark.parametrize("name", ["dend", "apic[0]", "Adend1", "denode", "basais", "myAxis"])
def test_what_is_no_axon_is_kept_by_default(name):
    assert select_sections(named(name)) == ["soma", name]


@pytest.mark.parametrize(
    ("sections", "chosen"),
    [
        pytest.param("axon", ["axon"], id="an axon by name"),
        pytest.param(["Bdend", "soma"], ["soma", "Bdend"], id="names, in the order of the rule"),
        pytest.param("apical", ["Adend1", "Adend2"], id="section list"),
        pytest.param("*dend*", ["Adend1", "Adend2", "Bdend"], id="pattern"),
        pytest.param("[AB]dend?", ["Adend1", "Adend2"], id="pattern with classes"),
        pytest.param(["soma", "*", "apical"], ["soma", "Adend1", "Adend2", "Bdend", "axon"],
                     id="overlapping, once each"),
    ],
)  # fmt: skip
def test_selection(tree, sections, chosen):
    assert select_sections(tree, sections) == chosen


def test_section_precedes_a_section_list_of_the_same_name():
    model = named("dend", "apic", sec_lists={"dend": ["apic"]})
    assert select_sections(model, "dend") == ["dend"]


@pytest.mark.parametrize(
    ("exclude", "chosen"),
    [
        pytest.param(["Bdend"], ["soma", "Adend1", "Adend2"], id="name"),
        pytest.param(["apical"], ["soma", "Bdend"], id="section list"),
        pytest.param(["?dend*", "axon"], ["soma"], id="pattern"),
    ],
)
def test_exclude_takes_names_lists_and_patterns(tree, exclude, chosen):
    assert select_sections(tree, exclude=exclude) == chosen


@pytest.mark.parametrize("where", ["sections", "exclude"])
@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        pytest.param("Adned1", r"Did you mean 'Adend1'", id="section"),
        pytest.param("apicl", r"Did you mean 'apical'", id="section list"),
        pytest.param("xyz*", r"section lists: apical, none\.$", id="nothing close"),
        pytest.param("bdend", r"Did you mean 'Bdend'", id="names have case"),
    ],
)
def test_unknown_name_is_an_error_with_the_closest_match(tree, where, entry, hint):
    with pytest.raises(SelectionError, match=rf"is no section, section list or .*{hint}"):
        select_sections(tree, **{where: [entry]})


@pytest.mark.parametrize(
    ("sections", "exclude"), [(None, ["*"]), (["soma"], ["soma"]), (["none"], []), ([], [])]
)
def test_empty_selection_is_an_error(tree, sections, exclude):
    with pytest.raises(SelectionError, match="no section selected by"):
        select_sections(tree, sections, exclude)


def test_section_list_without_existing_sections_is_an_empty_selection():
    with pytest.raises(SelectionError, match="no section selected by"):
        select_sections(named("dend", sec_lists={"lost": ["dend_7"]}), "lost")


# ---------------------------------------------------------------------- locations


def test_every_segment_has_a_site_at_its_centre():
    sites = list_sites(cell({"soma": sec(), "dend": sec(nseg=4, at=("soma", 1.0))}))
    assert [(s.sec, s.loc, s.segment) for s in sites] == [
        ("soma", 0.5, 0),
        ("dend", 0.125, 0),
        ("dend", 0.375, 1),
        ("dend", 0.625, 2),
        ("dend", 0.875, 3),
    ]


@pytest.mark.parametrize("nseg", range(1, 26))
def test_every_segment_comes_once(nseg):
    sites = list_sites(cell({"soma": sec(nseg=nseg)}))
    assert [site.segment for site in sites] == list(range(nseg))


def test_middle_is_loc_one_half_of_each_section():
    sites = list_sites(cell({"soma": sec(), "dend": sec(nseg=4, at=("soma", 1.0))}), None, "middle")
    assert [(s.sec, s.loc, s.segment) for s in sites] == [("soma", 0.5, 0), ("dend", 0.5, 2)]


@pytest.mark.parametrize("locations", [[0.9, 0.2], (0.9, 0.2), ["0.9", " 0.2"]], ids=repr)
def test_numbers_are_taken_in_their_order(locations):
    sites = list_sites(cell({"soma": sec(nseg=3)}), locations=locations)
    assert [(site.loc, site.segment) for site in sites] == [(0.9, 2), (0.2, 0)]


@pytest.mark.parametrize(
    "loc", [0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), float("inf"), "end", None]
)
def test_location_that_is_not_inside_is_an_error(tree, loc):
    with pytest.raises(SelectionError, match=rf"^location {loc!r} is not inside a section"):
        list_sites(tree, locations=[0.5, loc])


@pytest.mark.parametrize("locations", [[0.5, 0.5], [0.25, "0.25"]], ids=repr)
def test_location_given_twice_is_an_error(tree, locations):
    with pytest.raises(SelectionError, match="is given twice"):
        list_sites(tree, locations=locations)


@pytest.mark.parametrize(
    ("locations", "message"),
    [([], "locations is empty"), ("centre", "locations = 'centre'; allowed are 'every', 'middle'")],
)
def test_unusable_locations_are_an_error(tree, locations, message):
    with pytest.raises(SelectionError, match=message):
        list_sites(tree, locations=locations)


@pytest.mark.parametrize(
    ("geom", "nseg"), [({"nseg": 7}, 7), ({"nseg": 7.0}, 7), ({}, 1), (None, 1)], ids=repr
)
def test_number_of_segments_is_one_where_the_rule_does_not_say(geom, nseg):
    section = {} if geom is None else {"geom": geom}
    assert number_of_segments(cell({"soma": section}), "soma") == nseg


NAMES = st.sampled_from(["dend", "Adend1", "Adend2", "apic[0]", "apic[1]", "axon"])
ENTRIES = NAMES | st.sampled_from(["soma", "apical", "basal", "A*", "*dend*", "apic*", "x*", "?"])
INSIDE = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


@given(loc=INSIDE, nseg=st.integers(1, 200))
def test_segment_is_the_one_that_holds_the_location(loc, nseg):
    [site] = list_sites(cell({"soma": sec(nseg=nseg)}), locations=[loc])
    assert 0 <= site.segment < nseg
    assert site.segment / nseg <= loc * (1 + 1e-15)
    assert loc <= (site.segment + 1) / nseg


@pytest.mark.parametrize("nseg", [1, 2, 3, 5, 25, 999])
def test_largest_location_is_in_the_last_segment(nseg):
    [site] = list_sites(cell({"soma": sec(nseg=nseg)}), locations=[nextafter(1.0, 0.0)])
    assert site.segment == nseg - 1


@pytest.mark.parametrize(("loc", "text"), [(0.5, "d(0.5)"), (1 / 6, "d(0.166667)")])
def test_site_reads_as_section_and_location(loc, text):
    assert str(Site("d", loc, 0, 0.0)) == text


@given(nseg=st.integers(1, 300))
def test_sites_of_any_nseg_even_or_odd_are_its_segments_in_order(nseg):
    sites = list_sites(cell({"soma": sec(nseg=nseg)}))
    assert [site.segment for site in sites] == list(range(nseg))
    assert all(0 < site.loc < 1 for site in sites)


@given(
    secs=st.lists(NAMES, min_size=1, max_size=6, unique=True),
    lists=st.dictionaries(st.sampled_from(["apical", "basal"]), st.lists(NAMES, max_size=4)),
    wanted=st.lists(ENTRIES, min_size=1, max_size=4),
    exclude=st.lists(ENTRIES, max_size=2),
)
def test_selection_is_what_its_entries_name_in_the_order_of_the_rule(secs, lists, wanted, exclude):
    model = named(*secs, sec_lists=lists)
    every = ["soma", *secs]

    def meant(entry):
        if entry in every:
            return {entry}
        return set(lists[entry]) if entry in lists else set(fnmatch.filter(every, entry))

    unknown = [entry for entry in wanted + exclude if not (entry in lists or meant(entry))]
    chosen = set().union(*map(meant, wanted)) - set().union(*map(meant, exclude))
    expected = [name for name in every if name in chosen]
    if unknown or not expected:
        with pytest.raises(SelectionError, match=r"is no section|no section selected"):
            select_sections(model, wanted, exclude)
    else:
        assert select_sections(model, wanted, exclude) == expected


@given(locations=st.lists(st.floats() | st.text(max_size=5), max_size=5))
def test_locations_are_inside_or_refused(locations):
    model = cell({"soma": sec(nseg=3)})
    try:
        sites = list_sites(model, locations=locations)
    except SelectionError:
        return
    assert [site.loc for site in sites] == [float(loc) for loc in locations]
    assert all(0 < site.loc < 1 and site.segment == int(3 * site.loc) for site in sites)


# ---------------------------------------------------------------------- distance


SOMA = sec(L=20.0)
POINTS = [[0, 0, 0, 2], [3, 4, 0, 2], [3, 4, 12, 1]]  # 5 + 12 um long

# Sections, the place, and its path distance from soma(0.5), added up by hand
TREES = {
    "soma itself": ({"soma": SOMA}, "soma", 0.5, 0.0),
    "within the soma": ({"soma": sec(20.0, 5)}, "soma", 0.1, 8.0),
    "child": ({"soma": SOMA, "d": sec(100, 2, ("soma", 1.0))}, "d", 0.25, 10 + 25),
    "child at 0": ({"soma": SOMA, "d": sec(100, 2, ("soma", 0.0))}, "d", 0.25, 10 + 25),
    "parentX 0.5": ({"soma": SOMA, "d": sec(100, 2, ("soma", 0.5))}, "d", 0.25, 0 + 25),
    "childX 1": ({"soma": SOMA, "d": sec(100, 2, ("soma", 1.0), 1.0)}, "d", 0.25, 10 + 75),
    "grandchild": (
        {"soma": SOMA, "d": sec(100, 2, ("soma", 1.0)), "e": sec(50, 1, ("d", 1.0))},
        "e", 0.5, 10 + 100 + 25,
    ),
    "grandchild through childX 1": (
        {"soma": SOMA, "d": sec(100, 2, ("soma", 1.0), 1.0), "e": sec(50, 1, ("d", 0.0))},
        "e", 0.5, 10 + 100 + 25,
    ),
    "grandchild beside childX 1": (
        {"soma": SOMA, "d": sec(100, 2, ("soma", 1.0), 1.0), "e": sec(50, 1, ("d", 1.0))},
        "e", 0.5, 10 + 0 + 25,
    ),
    "grandchild at parentX 0.5": (
        {"soma": SOMA, "d": sec(100, 3, ("soma", 1.0)), "e": sec(50, 1, ("d", 0.5))},
        "e", 0.5, 10 + 50 + 25,
    ),
    "dendrite on the axon": (
        {"soma": SOMA, "axon": sec(40, 1, ("soma", 0.0)), "d": sec(100, 2, ("axon", 1.0))},
        "d", 0.25, 10 + 40 + 25,
    ),
    "dendrite in the middle of the axon": (
        {"soma": SOMA, "axon": sec(40, 1, ("soma", 0.0)), "d": sec(100, 2, ("axon", 0.5))},
        "d", 0.25, 10 + 20 + 25,
    ),
    "root that is not the soma": (
        {"trunk": sec(60), "soma": sec(20, 1, ("trunk", 1.0))}, "trunk", 0.5, 10 + 30,
    ),
    "soma with childX 1 on the root": (
        {"trunk": sec(60, 3), "soma": sec(20, 5, ("trunk", 0.0), 1.0)}, "trunk", 0.5, 10 + 30,
    ),
    "other branch of the root": (
        {"trunk": sec(60), "soma": sec(20, 1, ("trunk", 1.0)), "d": sec(50, 1, ("trunk", 0.0))},
        "d", 0.5, 10 + 60 + 25,
    ),
    "same place of the root": (
        {"trunk": sec(60), "soma": sec(20, 1, ("trunk", 1.0)), "d": sec(50, 1, ("trunk", 1.0))},
        "d", 0.5, 10 + 0 + 25,
    ),
    "below the soma of another root": (
        {"trunk": sec(60), "soma": sec(20, 1, ("trunk", 1.0)), "d": sec(50, 1, ("soma", 1.0))},
        "d", 0.5, 10 + 25,
    ),
    "pt3d instead of L": (
        {"soma": SOMA, "d": sec(999.0, 1, ("soma", 1.0), pt3d=POINTS)}, "d", 0.5, 10 + 8.5,
    ),
    "pt3d on the way": (
        {"soma": SOMA, "d": sec(9.0, 1, ("soma", 1.0), pt3d=POINTS), "e": sec(50, 1, ("d", 1.0))},
        "e", 0.5, 10 + 17 + 25,
    ),
}  # fmt: skip
over_trees = pytest.mark.parametrize(
    ("secs", "name", "loc", "distance_um"), TREES.values(), ids=TREES
)


@over_trees
def test_path_distance(secs, name, loc, distance_um):
    assert path_distance_um(cell(secs), name, loc) == pytest.approx(distance_um, abs=1e-9)


@over_trees
def test_path_distance_by_hand_is_that_of_neuron(secs, name, loc, distance_um):
    from neuron import h

    built = {key: h.Section(name=key) for key in secs}
    for key, section in secs.items():
        built[key].L, built[key].nseg = section["geom"]["L"], section["geom"]["nseg"]
        if topol := section["topol"]:
            built[key].connect(built[topol["parentSec"]](topol["parentX"]), topol["childX"])
    for key, section in secs.items():
        for point in section["geom"].get("pt3d", []):
            built[key].pt3dadd(*point)
    assert h.distance(built["soma"](0.5), built[name](loc)) == pytest.approx(distance_um, abs=1e-4)


def test_sites_carry_their_distance():
    model = cell({"soma": SOMA, "d": sec(100, 2, ("soma", 1.0))})
    assert [site.distance_um for site in list_sites(model)] == pytest.approx([0.0, 35.0, 85.0])


def test_length_is_that_of_neuron_where_the_rule_does_not_say():
    model = cell({"soma": SOMA, "d": {"topol": sec(at=("soma", 1.0))["topol"]}})
    assert path_distance_um(model, "d", 0.5) == pytest.approx(10 + 50)


def test_connection_ends_are_those_of_neuron_where_the_rule_does_not_say():
    model = cell({"soma": SOMA, "d": {"geom": {"L": 40.0}, "topol": {"parentSec": "soma"}}})
    assert path_distance_um(model, "d", 0.25) == pytest.approx(10 + 10)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        pytest.param({"d": sec(at=("lost", 1.0))}, "names parent 'lost', which is missing",
                     id="orphan"),
        pytest.param({"d": sec(at=("e", 1.0)), "e": sec(at=("d", 1.0))},
                     "section 'e' names parent 'd', which closes a loop", id="loop of two"),
        pytest.param({"d": sec(at=("d", 1.0))}, "names parent 'd', which closes a loop",
                     id="its own parent"),
        pytest.param({"d": sec()}, "section 'd' is not connected to 'soma'", id="second root"),
    ],
)  # fmt: skip
def test_section_that_does_not_reach_the_soma_is_an_error(others, message):
    with pytest.raises(SelectionError, match=message):
        path_distance_um(cell({"soma": SOMA} | others), "d", 0.5)


@given(
    lengths=st.lists(st.floats(1.0, 500.0), min_size=1, max_size=6),
    loc=st.floats(0.01, 0.99),
)
def test_distance_along_an_unbranched_dendrite_is_the_length_on_the_way(lengths, loc):
    secs, parent = {"soma": SOMA}, "soma"
    for number, length in enumerate(lengths):
        secs[f"d{number}"] = sec(length, at=(parent, 1.0))
        parent = f"d{number}"
    expected = 10.0 + sum(lengths[:-1]) + loc * lengths[-1]
    assert path_distance_um(cell(secs), parent, loc) == pytest.approx(expected, rel=1e-12)
