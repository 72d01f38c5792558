"""Which files of a folder a cell needs, from what the files declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from wscale.mechanisms.nmodl import draws_random, mechanism_names

__all__ = [
    "BUILT_IN",
    "RandomStreams",
    "declared_names",
    "declared_weight",
    "mentioned_names",
    "needed_files",
    "random_streams",
]

# The mechanisms of NEURON itself; a test compares them with NEURON's own list
BUILT_IN = frozenset(
    (
        "morphology",
        "capacitance",
        "pas",
        "extracellular",
        "fastpas",
        "na_ion",
        "k_ion",
        "hh",
        "IClamp",
        "AlphaSynapse",
        "ExpSyn",
        "Exp2Syn",
        "SEClamp",
        "VClamp",
        "OClamp",
        "APCount",
        "NetStim",
        "IntFire1",
        "IntFire2",
        "IntFire4",
        "PointProcessMark",
        "PatternStim",
    )
)

_COMMENT_BLOCK = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b", re.DOTALL)
_LINE_COMMENT = re.compile(r"[:?][^\n]*")
_VERBATIM = re.compile(r"\bVERBATIM\b(.*?)\bENDVERBATIM\b", re.DOTALL)
_C_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_INCLUDE = re.compile(r"\binclude\s*[\"<]([^\"<>\n]+)[\">]", re.IGNORECASE)
_NET_RECEIVE = re.compile(r"\bNET_RECEIVE\s*\(\s*\w+\s*\(([^()]*)\)")
_RANDOM = re.compile(r"\bRANDOM\s+(\w+(?:\s*,\s*\w+)*)")
_BLOCK = re.compile(r"\b(?:PROCEDURE|FUNCTION)\s+(\w+)")
_NEW_STREAM = re.compile(r"\bnrnran123_newstream(3?)\b")
_NEURON = re.compile(r"\bNEURON\s*\{([^}]*)\}")
_ION = re.compile(r"\bUSEION\s+(\w+)(.*?)(?=\bUSEION\b|$)", re.DOTALL)
_EXTERNAL = re.compile(r"\bEXTERNAL\s+(\w+(?:\s*,\s*\w+)*)")
_CALLABLE = re.compile(r"\b(?:FUNCTION|PROCEDURE|FUNCTION_TABLE)\s+(\w+)")
_C_FUNCTION = re.compile(r"^([^\n;{}#]*?)\b(\w+)\s*\([^;{}()]*\)\s*\{", re.M)
_C_VARIABLE = re.compile(
    r"^(?!\s*(?:static|extern|return|typedef)\b)[\w \t*]+?\b(\w+)[ \t]*(?:=[^;]*|\[[^;]*)?;", re.M
)
_WORD = re.compile(r"[A-Za-z_]\w*")

# Files that code of a cell may read
_CODE = (".py", ".hoc", ".tem", ".ses", ".nrn", ".oc", ".inc", ".json", ".csv", ".txt", ".dat")
_PATH = re.compile(rf"[\w./-]+(?:{'|'.join(map(re.escape, _CODE))})\b")
_MAX_BYTES = 10**7


@dataclass(frozen=True)
class _Declared:
    """What a .mod file, with what it includes, declares and refers to."""

    names: frozenset[str]  # its mechanism; functions for hoc if it has none (SUFFIX nothing)
    ions: frozenset[str]
    valences: frozenset[str]  # ions whose valence it gives
    includes: frozenset[str]
    defines: frozenset[str]  # C functions and variables
    refers: frozenset[str]  # words of its C code


def declared_names(sources: Mapping[str, bytes]) -> frozenset[str]:
    """Return the mechanisms that files declare, with the ions (``hi_ion``) that they use.

    Examples
    --------
    >>> sorted(declared_names({"a.mod": b"NEURON { SUFFIX kd USEION k READ ek }"}))
    ['k_ion', 'kd']
    """
    found = _read(sources).values()
    names = {name for data in sources.values() for name in mechanism_names(data)}
    return frozenset(names | {f"{ion}_ion" for file in found for ion in file.ions})


def declared_weight(sources: Mapping[str, bytes], mechanism: str) -> str:
    """Return the unit of the weight that a mechanism's NET_RECEIVE declares; empty if none.

    Examples
    --------
    >>> file = b"NEURON { POINT_PROCESS syn } NET_RECEIVE (w (uS)) { g = g + w }"
    >>> declared_weight({"syn.mod": file}, "syn")
    'uS'
    """
    for data in sources.values():
        if mechanism in mechanism_names(data):
            text = _COMMENT_BLOCK.sub("", data.decode("latin-1"))
            found = _NET_RECEIVE.search(_LINE_COMMENT.sub("", _VERBATIM.sub("", text)))
            return found[1].strip() if found else ""
    return ""


@dataclass(frozen=True)
class RandomStreams:
    """How the random streams of a mechanism that draws random numbers are set.

    Parameters
    ----------
    variables : tuple of str
        Its RANDOM variables.
    setter : str
        The procedure that makes its Random123 stream; empty if there is none.
    ids : int
        How many numbers that takes.
    """

    variables: tuple[str, ...] = ()
    setter: str = ""
    ids: int = 0


def random_streams(sources: Mapping[str, bytes], mechanism: str) -> RandomStreams | None:
    """Return the random streams of a mechanism; None if it draws no random numbers.

    Examples
    --------
    >>> file = b"NEURON { POINT_PROCESS syn RANDOM r } NET_RECEIVE (w) { random_uniform(r) }"
    >>> random_streams({"syn.mod": file}, "syn")
    RandomStreams(variables=('r',), setter='', ids=0)
    """
    for data in sources.values():
        if mechanism not in mechanism_names(data):
            continue
        text = _COMMENT_BLOCK.sub("", data.decode("latin-1"))
        nmodl = _LINE_COMMENT.sub("", _VERBATIM.sub("", text))
        if not draws_random((nmodl + _c_code(text)).encode()):
            return None
        named = _RANDOM.findall(" ".join(_NEURON.findall(nmodl)))
        variables = tuple(word for names in named for word in _WORD.findall(names))
        new = _NEW_STREAM.search(text)
        before = _BLOCK.findall(text[: new.start()]) if new else []
        if new is None or not before:
            return RandomStreams(variables)
        return RandomStreams(variables, before[-1], 3 if new[1] else 2)
    return None


def needed_files(sources: Mapping[str, bytes], needs: Iterable[str]) -> dict[str, bytes]:
    """Return the files that must be compiled to have some mechanisms.

    Parameters
    ----------
    sources : mapping
        The content of a folder's .mod, .inc and header files, by name.
    needs : iterable of str
        Names of mechanisms and ions (``hi_ion``); names that no file declares are ignored.

    Returns
    -------
    dict
        The files that declare the mechanisms, and those which these need: files that they
        include, files whose C functions or variables their VERBATIM blocks or EXTERNAL name, and
        a file with the valence of each ion. A POINTER needs no file, nor does a variable of an
        ion that another mechanism writes: the cell names whatever it inserts. All .inc and header
        files are among them.

    Examples
    --------
    >>> folder = {"kd.mod": b"NEURON { SUFFIX kd }", "na.mod": b"NEURON { SUFFIX na }"}
    >>> list(needed_files(folder, ["kd", "pas"]))
    ['kd.mod']
    """
    files, wanted = _read(sources), set(needs)
    chosen = {name for name, file in files.items() if file.names & wanted}
    while True:
        more = {part for name in chosen for part in files[name].includes if part in files}
        refers = {word for name in chosen for word in files[name].refers}
        more |= {name for name, file in files.items() if file.defines & refers}
        ions = {ion for name in chosen for ion in files[name].ions}
        ions |= {name.removesuffix("_ion") for name in wanted if name.endswith("_ion")}
        given = {ion for name in chosen for ion in files[name].valences}
        if any("ca" in files[name].ions for name in chosen):
            given |= {"ca"}  # NEURON knows its valence, and the ion is there
        for ion in sorted(ions - given - {"na", "k"}):  # which NEURON has
            with_valence = [name for name, file in files.items() if ion in file.valences]
            users = [name for name, file in files.items() if ion in file.ions]
            more.update((with_valence or users)[:1])
        if more <= chosen:
            break
        chosen |= more
    return {name: data for name, data in sources.items() if name in chosen or name not in files}


def mentioned_names(
    file: Path, sources: Mapping[str, bytes], arguments: str = ""
) -> frozenset[str]:
    """Return the names of a folder's NMODL that a cell's code mentions.

    Parameters
    ----------
    file : path
        The code. Files below its folder whose names it mentions are read too.
    sources : mapping
        The content of the .mod files, by name.
    arguments : str
        What the code is called with.
    """
    names = {name for declared in _read(sources).values() for name in declared.names}
    seen = set(_WORD.findall(arguments))
    to_read, read = [file], {file}
    while to_read:
        path = to_read.pop()
        try:
            if path.stat().st_size > _MAX_BYTES:
                continue
            text = path.read_text("latin-1")
        except OSError:
            continue
        words = set(_WORD.findall(text))
        seen |= words
        more = _mentioned_files(text, words, {file.parent, path.parent}) - read
        read |= more
        to_read += more
    endings = {word[at:] for word in seen for at in _starts(word)}  # gbar_kd mentions kd
    return frozenset(names & endings)


def _starts(word: str) -> list[int]:
    return [0, *(at + 1 for at, letter in enumerate(word) if letter == "_")]


def _mentioned_files(text: str, words: set[str], folders: set[Path]) -> set[Path]:
    """Return the files that code mentions by path, or in its folders by name, as imports do."""
    found: set[Path] = set()
    paths = _PATH.findall(text)
    for folder in folders:
        found |= {folder / path for path in paths}
        with suppress(OSError):
            for entry in folder.iterdir():
                if entry.stem in words:
                    found |= set(entry.iterdir()) if entry.is_dir() else {entry}
    return {path for path in found if path.suffix in _CODE and path.is_file()}


def _read(sources: Mapping[str, bytes]) -> dict[str, _Declared]:
    return _read_items(tuple(sources.items()))


@lru_cache(maxsize=8)
def _read_items(items: tuple[tuple[str, bytes], ...]) -> dict[str, _Declared]:
    texts = {name: data.decode("latin-1") for name, data in items}
    return {name: _declared(name, texts) for name in texts if name.endswith(".mod")}


def _declared(name: str, texts: Mapping[str, str]) -> _Declared:
    text, includes = _with_included(name, texts)
    own_c = _c_code(_COMMENT_BLOCK.sub("", texts[name]))
    c_code = _c_code(text)
    c_code += "".join(_C_COMMENT.sub("", texts[file]) for file in includes if ".h" in file)
    nmodl = _LINE_COMMENT.sub("", _VERBATIM.sub("", text))
    block = " ".join(_NEURON.findall(nmodl))
    ions = {str(match[1]): str(match[2]) for match in _ION.finditer(block)}
    own = mechanism_names(texts[name].encode("latin-1"))
    callables = _CALLABLE.findall(nmodl)
    ending = f"_{own[0]}" if own else ""
    external = {word for names in _EXTERNAL.findall(block) for word in _WORD.findall(names)}
    return _Declared(
        names=frozenset(own or callables),
        ions=frozenset(ions),
        valences=frozenset(
            ion for ion, rest in ions.items() if re.search(r"\b(?:VALENCE|CHARGE)\b", rest)
        ),
        includes=frozenset(includes),
        defines=frozenset(
            {f"{function}{ending}" for function in callables}
            | {name for before, name in _C_FUNCTION.findall(own_c) if "static" not in before}
            | set(_C_VARIABLE.findall(_outside_braces(own_c)))
        )
        - {"if", "for", "while", "switch"},
        refers=frozenset(_WORD.findall(c_code))
        - {name for _, name in _C_FUNCTION.findall(c_code)}  # its own
        | external,
    )


def _with_included(name: str, texts: Mapping[str, str]) -> tuple[str, set[str]]:
    """Return a file's text without COMMENT blocks, with that of all files that it includes."""
    parts, seen, left = [], {name}, [name]
    while left:
        text = _COMMENT_BLOCK.sub("", texts[left.pop()])
        parts.append(text)
        found = {Path(file).name for file in _INCLUDE.findall(text)} & texts.keys()
        left += found - seen
        seen |= found
    return "\n".join(parts), seen - {name}


def _c_code(text: str) -> str:
    return _C_COMMENT.sub("", "\n".join(_VERBATIM.findall(text)))


def _outside_braces(code: str) -> str:
    code = re.sub(r"(?m)^\s*#.*$", "", code)
    while (less := re.sub(r"\{[^{}]*\}", ";", code)) != code:
        code = less
    return code
