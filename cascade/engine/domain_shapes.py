"""Shapes that no list of words can hold: code, traces, SQL, LaTeX, citations, dosages, ICD-like codes, medical word endings.

Most shapes are plain substrings of the text's *outline*, in which every capital is A, every small letter a and every digit 0: "aA" is
camelCase, "A00.0" an ICD-like code. Substrings of bytes are found at memory speed and cannot blow up;
the few patterns start with a literal and repeat nothing inside a repetition.
"""

import re
from collections.abc import Iterable, Set
from typing import NamedTuple

__all__ = ["endings_in", "shapes_in"]

SHAPE_HEAD_CHARS, SHAPE_TAIL_CHARS = 1_500, 500
"""Shapes repeat in the text that has them: this much of its start and end shows them."""

_CAPITALS, _SMALL, _DIGITS = bytes(range(65, 91)), bytes(range(97, 123)), bytes(range(48, 58))
_OUTLINE = bytes.maketrans(_CAPITALS + _SMALL + _DIGITS, b"A" * 26 + b"a" * 26 + b"0" * 10)
_ORDINARY = b"Aa0 \n\t.,'-"


class _Shape(NamedTuple):
    name: str
    signs: tuple[bytes, ...]
    """Any of these must be in the text, as UTF-8."""
    outlines: tuple[bytes, ...]
    """Or any of these in its outline."""
    marks: frozenset[int]
    """One of these bytes must occur before anything is searched. Empty: search always."""
    word: str
    """This must be among the words before anything is searched. Empty: search always."""
    pattern: re.Pattern[bytes] | None
    """Tried after a sign was seen; None when the sign alone is enough."""
    evidence: tuple[tuple[str, float], ...]
    """Domain and nats."""


def _shape(
    name: str, signs: str = "", *, outlines: str = "", marks: str = "", word: str = "", pattern: bytes | None = None, **evidence: float
) -> _Shape:
    split = [tuple(part.encode() for part in parts.split("~") if part) for parts in (signs, outlines)]
    compiled = re.compile(pattern) if pattern else None
    return _Shape(name, split[0], split[1], frozenset(marks.encode()), word, compiled, tuple(evidence.items()))


_FILE_ENDING = rb"\.(?:py|js|ts|java|cpp|cs|rb|go|rs|php|html?|css|json|xml|ya?ml|sh|sql|dll|exe|jar|net)\b"
_LATEX = rb"\\(?:frac|sqrt|sum|int|begin|left|cdot|alpha|pi|theta|mathbb|leq|geq|times|\(|\[)"

_SHAPES = (
    _shape("code fence", "```", marks="`", code=4.0),
    _shape("Python function", "def ", word="def", pattern=rb"def \w{1,80}\(", code=6.0),
    _shape("class definition", "class ", word="class", pattern=rb"class [A-Z]\w{0,80}\s?[:({]", code=4.0),
    _shape("import line", "import ", word="import", pattern=rb"import [\w.*{]", code=2.0),
    _shape("include line", "#include~#define~#!/", marks="#", code=4.0),
    _shape("function definition", "function ", word="function", pattern=rb"function \w{0,80} ?\(", code=4.0),
    _shape("exception", "Error: ~Exception: ~Exception in ", marks=":", code=3.0),
    _shape("Python trace", "Traceback (most", word="traceback", code=4.0),
    _shape("Java trace", ".java:", word="java", code=4.0),
    _shape("operators of code", "==~!=~=>~+=~>=", marks="=", code=2.5),
    _shape("arrows and joints", "->~>>>~&&~||~::", marks=">&|", code=2.0),
    _shape("end of statement", ");~};~;\n~\";", marks=";", code=2.5),
    _shape("block of code", "{\n~ {~{ ", marks="{", code=1.5),
    _shape("call with parentheses", "()", outlines="a(a~a(0~a(\"~a('", marks="(", code=2.0),
    _shape("docstring", '"""', marks='"', code=2.0),
    _shape("comment", "/*~<!--~ // ~\n//", marks="/<", code=1.5),
    _shape("markup tag", "</~/>", outlines="<a>", marks="<", code=2.5),
    _shape("snake_case name", outlines="a_a", marks="_", code=1.5),
    _shape("camelCase name", outlines="aA", code=1.2),
    _shape("file name", outlines=".aa", pattern=_FILE_ENDING, code=2.5),
    _shape("list of literals", outlines="[0~[-0~[\"a~['a", marks="[", code=2.0),
    _shape("SQL query", "SELECT ~select * from~select count(", word="select", code=2.5, data=2.0),
    _shape("SQL statement", "INSERT INTO~CREATE TABLE~ALTER TABLE", word="table", code=2.5, data=2.0),
    _shape("LaTeX", "\\", marks="\\", pattern=_LATEX, math=4.0),
    _shape("equation", outlines="= 0~=0~= -0", marks="=", math=1.0),
    _shape("sum to work out", outlines="0 + 0~0+0~0 * 0~0*0~0/0", marks="+*/", math=1.5),
    _shape("sum in print", "\u00d7~\u00f7", marks="\u00d7\u00f7", math=1.5),
    _shape("statute", "\u00a7", marks="\u00a7", legal=4.0),
    _shape("code citation", "U.S.C~C.F.R", word="u", legal=4.0),
    _shape("reporter citation", "F.3d~F.2d~F. Supp", word="f", legal=4.0),
    _shape("case name", " v. ", word="v", legal=2.5),
    _shape("article of law", "Article ", word="article", pattern=rb"Article [0-9IVX]", legal=2.0),
    _shape("section of law", "Section ", word="section", pattern=rb"Section [0-9IVX]", legal=2.0),
    _shape("dosage", "mg~mcg", pattern=rb"mc?g\b(?<=\d.[a-z]{2}|\d[a-z]{2}.)", medical=2.0),
    _shape("ICD-like code", outlines="A00.0", medical=3.0),
)

_BY_WORD = {word: tuple(shape for shape in _SHAPES if shape.word == word) for word in {shape.word for shape in _SHAPES if shape.word}}
_BY_MARK = {
    mark: tuple(shape for shape in _SHAPES if mark in shape.marks and not shape.word)
    for mark in frozenset().union(*(shape.marks for shape in _SHAPES))
}
_SEARCHED_ALWAYS = tuple(shape for shape in _SHAPES if not shape.word and not shape.marks)
_WORDS, _MARKS = frozenset(_BY_WORD), frozenset(_BY_MARK)
_TWO_NUMBERS = re.compile(r"\d[\d.,]{0,20}\D+\d")
_ASKS_FOR_A_QUANTITY = re.compile(r"\bhow (?:many|much|long|far|old|fast|tall)\b", re.IGNORECASE)

_ENDINGS = (
    "itis", "tomy", "ostomy", "osis", "emia", "pathy", "plasty", "oscopy", "ectomy", "stomy", "nuria", "rrhea", "rrhoea",
    "algia", "openia", "cillin", "mycin", "prazole", "sartan", "tinib", "noma", "plasia", "trophy", "phagia", "cardia",
    "ptysis", "dipine", "rrhage", "genic", "lysis", "statin", "olol", "kinase", "ocyte", "cytes", "blast", "toxin",
)
_NOT_MEDICAL = frozenset({
    "sympathy", "empathy", "antipathy", "telepathy", "academia", "dichotomy", "metamorphosis", "hypnosis", "analysis",
    "catalysis", "photogenic", "paralysis",
})
_ENDINGS_BY_TAIL = {tail: tuple(e for e in _ENDINGS if e[-4:] == tail) for tail in {e[-4:] for e in _ENDINGS}}


def shapes_in(text: str, *, words: Set[str]) -> list[tuple[str, str, float]]:
    """Return (domain, shape name, nats) for each shape found in `text`, at most once each. `words` are its lower-case words."""
    if len(text) > SHAPE_HEAD_CHARS + SHAPE_TAIL_CHARS:
        text = f"{text[:SHAPE_HEAD_CHARS]}\n{text[-SHAPE_TAIL_CHARS:]}"
    raw = text.encode(errors="replace")
    outline = raw.translate(_OUTLINE)
    found: list[tuple[str, str, float]] = []
    for shape in _possible(words, set(outline.translate(None, _ORDINARY))):
        if _seen(shape, raw, outline):
            found += [(domain, shape.name, weight) for domain, weight in shape.evidence]
    if "how" in words and _ASKS_FOR_A_QUANTITY.search(text) and _TWO_NUMBERS.search(text):
        found.append(("math", "quantities and a question", 3.5))
    return found


def _possible(words: Set[str], specials: set[int]) -> Iterable[_Shape]:
    """Return the shapes whose word or mark is there: most texts have next to none, so most shapes need not be looked at."""
    possible = {shape.name: shape for mark in specials & _MARKS for shape in _BY_MARK[mark]}
    for word in _WORDS & words:
        possible.update((shape.name, shape) for shape in _BY_WORD[word])
    return (*possible.values(), *_SEARCHED_ALWAYS)


def _seen(shape: _Shape, raw: bytes, outline: bytes) -> bool:
    for sign in shape.signs:
        if sign in raw:
            return shape.pattern is None or shape.pattern.search(raw) is not None
    for form in shape.outlines:
        if form in outline:
            return shape.pattern is None or shape.pattern.search(raw) is not None
    return False


def endings_in(words: Iterable[str]) -> Iterable[tuple[str, str, float]]:
    """Yield medical evidence for words that end like diseases, procedures and drugs ("-itis", "-ectomy"), once per ending."""
    tails = {word[-4:]: word for word in words if len(word) > 6}
    for tail in tails.keys() & _ENDINGS_BY_TAIL.keys():
        word = tails[tail]
        if word.endswith(_ENDINGS_BY_TAIL[tail]) and word not in _NOT_MEDICAL:
            yield "medical", word, 2.0
