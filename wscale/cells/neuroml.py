"""Cells in NeuroML2, through NetPyNE's import; jNeuroML writes their channels as NMODL.

libNeuroML reads the file, in a process of its own whose folder is a temporary one; what comes back
is a plain cell rule, and the NMODL of the channels in a folder of the cache.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from wscale._util.plain import some
from wscale.cells.user_code import run_user_code
from wscale.errors import ModelError, WscaleError, closest, option
from wscale.mechanisms.folders import gather
from wscale.mechanisms.library import sources_of
from wscale.mechanisms.nmodl import mechanism_names

__all__ = ["NeuroMLCell", "import_neuroml"]

_NAMESPACE = "http://www.neuroml.org/schema/neuroml2"
_EXTRA = "pip install 'wscale[neuroml]'"
_JAVA = "Debian/Ubuntu: apt install default-jre-headless; macOS: brew install openjdk"
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# What runs in jNeuroML is a simulation of one cell, since it writes NMODL only for what is used
_LEMS = """<Lems>
  <Target component="one_run"/>
  <Include file="Cells.xml"/><Include file="Networks.xml"/><Include file="Simulation.xml"/>
  <Include file={file}/>
  <network id="one_net"><population id="one_pop" component={cell} size="1"/></network>
  <Simulation id="one_run" length="1ms" step="0.1ms" target="one_net"/>
</Lems>
"""


@dataclass(frozen=True)
class NeuroMLCell:
    """A cell of a NeuroML2 file.

    Parameters
    ----------
    name : str
        Its id in the file.
    rule : dict
        NetPyNE's cell rule, plain.
    mod : str or None
        Folder of the cache with the NMODL of its channels and concentration models; None where it
        has none, or only ``pas``, which is NEURON's own.
    notices : tuple of str
        What the user should know.
    """

    name: str
    rule: dict[str, Any]
    mod: str | None
    notices: tuple[str, ...]


def import_neuroml(file: Path, name: str | None, mod: str | Path | None = None) -> NeuroMLCell:
    """Read a cell of a NeuroML2 file and of the files that it includes.

    Parameters
    ----------
    file : path
        The file.
    name : str or None
        Id of the cell; None where there is only one.
    mod : path, optional
        Folder of NMODL that the cell will be simulated with: a channel whose name another
        mechanism has there gets the ending ``_nml2``, as jNeuroML does for NEURON's own names.

    Raises
    ------
    ModelError, MechanismError
        A package or Java is missing, or what is wrong in the file, and the remedy.
    """
    _check_root(file)
    for package, what in (("neuroml", "libNeuroML"), ("pyneuroml", "pyNeuroML")):
        if find_spec(package) is None:
            raise ModelError(f"{file}: NeuroML2 is read with {what}, which is not here: {_EXTRA}")
    request = {"file": str(file.resolve()), "name": name}
    with tempfile.TemporaryDirectory(prefix="wscale-") as scratch:
        answer = run_user_code(_answer, request, Path(scratch), file, "the cell")
    rule, notices = answer["rule"], list(answer["notices"])
    nmodl = _named(rule, answer["nmodl"], mod)
    files = {f"{mechanism}.mod": text.encode() for mechanism, text in nmodl.items()}
    folder = str(gather(files, "neuroml")) if files else None
    if folder is not None:
        made = f"{file}: jNeuroML wrote the NMODL of {some(nmodl)}"
        notices.append(f"{made}; a network takes it from {folder}")
    return NeuroMLCell(answer["name"], rule, folder, tuple(notices))


def _check_root(file: Path) -> None:
    """Refuse what is no NeuroML2, before packages are asked for."""
    try:
        with file.open("rb") as stream:
            tag = next(ElementTree.iterparse(stream, ["start"]))[1].tag
    except (ElementTree.ParseError, StopIteration, ValueError) as error:
        raise ModelError(f"{file} is not XML that can be read: {error}") from error
    if tag.split("}")[-1] == "Lems":
        raise ModelError(
            f"{file} is a LEMS simulation; give the NeuroML2 file of the cell, which it includes"
        )
    if tag != f"{{{_NAMESPACE}}}neuroml":
        raise ModelError(
            f"{file} is no NeuroML2: its root is {tag!r}, expected is <neuroml> in the namespace "
            f"{_NAMESPACE}"
        )


def _named(rule: dict[str, Any], nmodl: dict[str, str], mod: str | Path | None) -> dict[str, str]:
    """Return NMODL by the name of its mechanism, and name the mechanisms so in the rule."""
    others = sources_of(mod) if mod is not None else {}
    taken = {name for text in others.values() for name in mechanism_names(text)}
    named: dict[str, str] = {}
    for channel, text in nmodl.items():
        own = mechanism_names(text.encode())[0]
        if own in taken and others.get(f"{own}.mod") != text.encode():
            new = f"{own}_nml2"
            text = re.sub(rf"(?m)^(\s*SUFFIX\s+){own}\b", rf"\g<1>{new}", text)
            own = new
        named[own] = text
        for sec in rule["secs"].values():
            sec["mechs"] = {(own if k == channel else k): v for k, v in sec["mechs"].items()}
    return named


# ---------------------------------------------------------------------- in the child


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Child side: read the file, write its NMODL, let NetPyNE make the rule."""
    from wscale.cells.neuroml_cell import make_rule
    from wscale.cells.neuroml_channels import Carried, mechanisms_of

    file, step = request["file"], "libNeuroML cannot read it"
    try:
        document = _document(file)
        cell = _choose(file, document, request["name"])
        nmodl = _write_nmodl(file, cell.id, mechanisms_of(document, cell))
        carried = {name: Carried.of(text) for name, text in nmodl.items()}
        step = f"NetPyNE's import of cell {cell.id!r} failed"
        rule, told = make_rule(cell, carried)
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error
    except WscaleError:
        raise
    except BaseException as error:  # both libraries also leave with sys.exit()
        return {"error": f"{file}: {step}: {type(error).__name__}: {error}"}
    warm = {str(net.temperature) for net in document.networks if net.temperature}
    notices = [
        f"{file}: the temperature of its network ({some(sorted(warm))}) is not taken over; the "
        "model's cfg.hParams['celsius'] holds"
    ]
    notices = (notices if warm else []) + [f"{file}: {text}" for text in told]
    return {"name": cell.id, "rule": rule, "nmodl": nmodl, "notices": notices}


def _document(file: str) -> Any:
    """Return the content of a file and of all that it includes, of this machine only."""
    for part in _hrefs(Path(file), set()):
        if not part.is_file():
            raise ModelError(f"it includes {part}, which is no file here; put it there")
    document = importlib.import_module("neuroml.loaders").read_neuroml2_file(
        file, include_includes=True, already_included=[]
    )
    return importlib.import_module("neuroml.utils").fix_external_morphs_biophys_in_cell(document)


def _hrefs(file: Path, seen: set[Path]) -> set[Path]:
    """Return the files that a file includes, and those that they include."""
    if file.suffix in (".nml", ".xml") and file.is_file() and file not in seen:
        for _, element in ElementTree.iterparse(file):
            if element.tag == f"{{{_NAMESPACE}}}include" and (href := element.get("href")):
                part = (file.parent / href).resolve()
                seen |= {file} | _hrefs(part, seen) | {part}
    return seen


def _choose(file: str, document: Any, name: str | None) -> Any:
    """Return the cell that is meant; refuse those that have no sections."""
    neuroml = importlib.import_module("neuroml")
    parts = [getattr(document, member.get_name(), None) for member in document.member_data_items_]
    entries = [entry for part in parts if isinstance(part, list) for entry in part]
    found = {entry.id: entry for entry in entries if isinstance(entry, neuroml.BaseCell)}
    cells = {key: entry for key, entry in found.items() if type(entry) is neuroml.Cell}
    points = {key: type(entry).__name__ for key, entry in found.items() if key not in cells}
    if name is None and len(cells) > 1:
        raise ModelError(
            f"it holds {len(cells)} cells ({some(cells)}); name one: {option('cell_class')}"
        )
    if name in points or (points and not cells):
        kind = points[name] if name in points else some(dict.fromkeys(points.values()))
        raise ModelError(
            f"the cell {name or some(points)} is artificial or of another kind ({kind}): its "
            "voltage is not that of a section, so a synapse on it has no EPSP; give a <cell> with "
            "a morphology"
        )
    if not cells:
        raise ModelError("it holds no <cell>; give the file of a cell, not of its parts or network")
    chosen = next(iter(cells)) if name is None else name
    if chosen not in cells:
        raise ModelError(
            f"it has no cell {chosen!r} (it has {some(cells)}).{closest(chosen, cells)}"
        )
    return cells[chosen]


def _write_nmodl(file: str, cell: str, names: list[str]) -> dict[str, str]:
    """Let jNeuroML write the NMODL of channels and concentration models, in this folder."""
    if not names:
        return {}
    java = shutil.which("java")
    if java is None:
        raise ModelError(
            f"{some(names)} must become NMODL, which jNeuroML does, and there is no Java: {_JAVA}"
        )
    for name in (cell, *names):
        if not _IDENTIFIER.fullmatch(name):
            raise ModelError(
                f"{name!r} is no id of NeuroML2: letters, digits and _ only; rename it"
            )
    pyneuroml = importlib.import_module("pyneuroml")
    jar = importlib.import_module("pyneuroml.utils.misc").get_path_to_jnml_jar()
    memory = f"-Xmx{pyneuroml.DEFAULTS['default_java_max_memory']}"
    lems = _LEMS.format(file=quoteattr(file), cell=quoteattr(cell))
    Path("LEMS_one.xml").write_text(lems, encoding="utf-8")
    run = subprocess.run(
        [java, memory, "-Djava.awt.headless=true", "-jar", jar, "LEMS_one.xml", "-neuron"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    files = {name: Path(f"{name}.mod") for name in names}
    for name, path in files.items():
        if not path.is_file():  # a name of NEURON's own
            files[name] = Path(f"{name}_nml2.mod")
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        said = [line for line in (run.stderr + run.stdout).splitlines() if "(INFO)" not in line]
        raise ModelError(
            f"jNeuroML wrote no NMODL for {some(missing)}: the channel must be defined in the file "
            "or in one that it includes. jNeuroML said:\n" + "\n".join(said[:12])
        )
    return {name: _sound(path.read_text(encoding="utf-8")) for name, path in files.items()}


def _sound(text: str) -> str:
    """Let the current follow from the states at every step, and gates be solved exactly.

    jNeuroML's current takes the gates of the step before, from values that no saved state of NEURON
    holds; and its derivatives have names of their own, so that cnexp takes Euler's steps, which are
    unstable where a gate is faster than the time step.
    """
    if "PROCEDURE rates()" in text and "gion =" in text:
        text = re.sub(r"(?m)^(\s*)(SOLVE \w+ METHOD \w+.*)$", r"\g<1>\g<2>\n\g<1>rates()", text)
    for state in re.findall(r"(?m)^\s*(\w+)' = rate_\1\s*$", text):
        linear = rf"(?m)^\s*rate_{state} = (\(\s*\w+\s*-\s*{state}\s*\)\s*/\s*\w+)\s*(?:\?.*)?$"
        if found := re.search(linear, text):
            text = re.sub(rf"(?m)^(\s*{state}' = )rate_{state}\s*$", rf"\g<1>{found[1]}", text)
    return text
