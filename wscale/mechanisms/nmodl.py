"""Text of NMODL: what a file declares, and what the compilers said about it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

__all__ = [
    "MAKE_ERROR",
    "compiler_command",
    "draws_random",
    "explain_failure",
    "failed_files",
    "failure_head",
    "function_tables",
    "listed",
    "mechanism_names",
    "pointers",
]

# NMODL, as found in .mod files and in compiled libraries, which hold the text of theirs
_COMMENT = re.compile(rb"\bCOMMENT\b.*?\bENDCOMMENT\b|[:?][^\n]*", re.DOTALL)
_NAME = re.compile(rb"\bNEURON\s*\{[^}]*?\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")
_POINTER = re.compile(rb"\bPOINTER\s+(\w+(?:\s*,\s*\w+)*)")
_DECLARING = re.compile(rb"\b(?:NEURON|ASSIGNED|PARAMETER)\s*\{[^}]*\}")
_POINTING = re.compile(rb"\bnrn_pointing\s*\(\s*(\w+)")
_FUNCTION_TABLE = re.compile(rb"\bFUNCTION_TABLE\s+(\w+)")
_WORD = re.compile(rb"\w+")
# How NMODL draws random numbers: its own statement, NEURON's streams, and those of C
_DRAWS = re.compile(
    rb"\bRANDOM\b|\brandom_\w+|\bnrnran123_|\bnrn_random_|\bscop_random|\bexprand|\bnormrand|\berand"
)
# What nocmodl, the C++ compiler and make say about a file
_NMODL_ERROR = re.compile(r"(.*)\bat line (\d+) in file (\S+)")
_CXX_ERROR = re.compile(r"(.+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$")
MAKE_ERROR = re.compile(r"^make.*\*\*\* \[(?:.*: )?(?:\./)?(.+)\.(?:cpp|o)\] Error", re.MULTILINE)


def mechanism_names(data: bytes) -> list[str]:
    """Return the names of the mechanisms in a .mod file or in a compiled library."""
    texts = (_COMMENT.sub(b"", text) for text in data.split(b"\0") if b"NEURON" in text)
    names = [match[1].decode() for text in texts if (match := _NAME.search(text))]
    return [name for name in names if name != "nothing"]  # SUFFIX nothing: functions only


def pointers(data: bytes) -> list[str]:
    """Return the POINTER variables of a .mod file that its code takes the value of.

    Not those that are tested: by ``nrn_pointing``, or in C, which takes their address (``_p_rng``).

    Examples
    --------
    >>> pointers(b"NEURON { SUFFIX a POINTER x, y } ASSIGNED { x y } BREAKPOINT { i = x }")
    ['x']
    """
    text = _COMMENT.sub(b"", data)
    used = set(_WORD.findall(_DECLARING.sub(b"", text)))
    declared = [name for names in _POINTER.findall(text) for name in _WORD.findall(names)]
    tested = _POINTING.findall(text)
    return [name.decode() for name in declared if name in used and name not in tested]


def function_tables(data: bytes) -> list[str]:
    """Return the FUNCTION_TABLEs of a .mod file.

    Examples
    --------
    >>> function_tables(b"NEURON { SUFFIX a } FUNCTION_TABLE tau(v (mV)) (ms)")
    ['tau']
    """
    return [name.decode() for name in _FUNCTION_TABLE.findall(_COMMENT.sub(b"", data))]


def draws_random(data: bytes) -> bool:
    """Whether a .mod file may draw random numbers.

    Examples
    --------
    >>> draws_random(b"BREAKPOINT { i = normrand(0, 1) }")
    True
    """
    return _DRAWS.search(data) is not None


def listed(names: Iterable[str]) -> str:
    """Name the first few of many, in order, for a message."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return ", ".join(ordered[:8]) + more


def compiler_command() -> list[str]:
    """Return the C++ compiler that nrnivmodl runs, with its options."""
    return shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")


def failure_head(folder: Path) -> str:
    """Return how a message about a folder that does not compile begins."""
    return f"Cannot compile the mechanisms in {folder}"


def explain_failure(folder: Path, sources: Mapping[str, bytes], output: str) -> str:
    """Say what nrnivmodl failed on: files and lines, or the tools that are missing."""
    head = failure_head(folder)
    texts = {name: data.decode("latin-1").splitlines() for name, data in sources.items()}
    problems = []
    for name, line, reason in _problems(texts, output.splitlines()):
        code = texts[name][line - 1].strip() if 0 < line <= len(texts[name]) else ""
        problems.append(name + (f", line {line}" if line else "") + f": {reason}")
        problems[-1] += f"\n      {code}" if code else ""
    if problems:
        guide = re.search(r"error: .*(https://\S+porting_mechanisms\S+)", output, re.DOTALL)
        note = [f"If these files work with NEURON 8, see {guide[1]}"] if guide else []
        return "\n  ".join([f"{head}:", *dict.fromkeys(problems), *note])
    missing = [
        tool
        for tool in (compiler_command()[0], "make", "bash", "perl")
        if shutil.which(tool) is None
    ]
    remedy = (
        "Needed are a C++ compiler, make, bash and perl (Debian/Ubuntu: apt install g++ make; "
        "macOS: xcode-select --install; conda: conda install cxx-compiler make)."
    )
    if missing:
        return f"{head}: {listed(missing)} not found. {remedy}"
    return f"{head}. {remedy} nrnivmodl said:\n{output[-3000:]}"


def failed_files(sources: Mapping[str, bytes], output: str) -> dict[str, str]:
    """Return the .mod files that nrnivmodl failed on, each with the first reason."""
    texts = {name: data.decode("latin-1").splitlines() for name, data in sources.items()}
    files: dict[str, str] = {}
    for name, line, reason in _problems(texts, output.splitlines()):
        if name.endswith(".mod"):
            files.setdefault(name, f"line {line}: {reason}" if line else reason)
    return files


def _problems(
    texts: Mapping[str, Sequence[str]], said: Sequence[str]
) -> Iterator[tuple[str, int, str]]:
    """Yield file, line (0: not known) and reason of what nocmodl and the C++ compiler said."""
    files = set()
    for index, message in enumerate(said):
        if (match := _NMODL_ERROR.match(message)) and match[3] in texts:
            name, line, reason = match[3], int(match[2]), match[1].strip()
            for before in reversed(said[:index]):  # "syntax error:", "Illegal expression:", ...
                if reason and not before.endswith(":"):
                    break
                reason = f"{before.strip()} {reason}".strip()
            if "Non-Ascii" in reason:  # nocmodl gives a line before it
                rest = enumerate(texts[name][line:], line + 1)
                line = next((number for number, code in rest if not code.isascii()), line)
        elif (match := _CXX_ERROR.match(message)) and Path(match[1]).name in texts:  # a header
            name, line, reason = Path(match[1]).name, int(match[2]), match[3]
        elif match and f"{Path(match[1]).stem}.mod" in texts:
            name, reason = f"{Path(match[1]).stem}.mod", match[3]
            line = _origin(texts[name], said[index + 1 : index + 2], reason)
        else:
            continue
        files.add(name)
        yield name, line, reason
    for stem in MAKE_ERROR.findall("\n".join(said)) if not files else []:
        name = f"{stem}.mod"
        reason = next((text for text in said if re.search(r"\berror:", text, re.IGNORECASE)), "")
        if name in texts and reason:
            yield name, _origin(texts[name], [], f"'{reason.split()[-1]}'"), reason


def _origin(lines: Sequence[str], generated: Sequence[str], reason: str) -> int:
    """Return the line of a .mod file that a line of C++, or a quoted name, comes from (else 0)."""
    for echo in generated:
        code = re.sub(r"^\s*\d+ \||[\s;]", "", echo)
        for number, line in enumerate(lines, 1):
            if code and re.sub(r"[\s;]", "", line) == code:
                return number
    for name in re.findall(r"'([\w.]+)'", reason):
        for number, line in enumerate(lines, 1):
            if re.search(rf"\b{re.escape(name)}\b", re.split(r"[:?]", line)[0]):
                return number
    return 0
