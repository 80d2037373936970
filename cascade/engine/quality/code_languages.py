"""Which language is a block of code in? By its fence's tag, else by signs that hardly another language has."""

import re

__all__ = ["TITLES", "guess_language", "tagged_language"]

TITLES = {
    "python": "Python", "javascript": "JavaScript", "typescript": "TypeScript", "java": "Java", "go": "Go", "c": "C", "cpp": "C++",
    "csharp": "C#", "rust": "Rust", "bash": "shell", "ruby": "Ruby", "php": "PHP", "css": "CSS", "swift": "Swift", "kotlin": "Kotlin",
    "scala": "Scala",
}  # fmt: skip
"""The languages that are judged, as people write them."""
_TAGS = {
    **{name: name for name in TITLES},
    "py": "python", "python3": "python", "js": "javascript", "jsx": "javascript", "mjs": "javascript", "node": "javascript",
    "nodejs": "javascript", "ts": "typescript", "tsx": "typescript", "golang": "go", "h": "c", "c++": "cpp", "cc": "cpp", "cxx": "cpp",
    "hpp": "cpp", "cs": "csharp", "c#": "csharp", "dotnet": "csharp", "rs": "rust", "sh": "bash", "shell": "bash", "zsh": "bash", "rb": "ruby",
    "kt": "kotlin",
}  # fmt: skip
HEAD_CHARS = 2_000
_SIGNS = tuple(
    (language, re.compile(sign, re.MULTILINE))
    for language, sign in (
        ("php", r"^<\?php\b"),
        ("bash", r"\A\s{0,9}#! ?/(?:usr/)?bin/(?:env )?(?:ba|z)?sh\b"),
        ("cpp", r"^#include <(?:iostream|vector|string|map|memory|algorithm|cmath)>|^using namespace std;"),
        ("c", r"^#include <\w{1,20}\.h>"),
        ("csharp", r"^using System[;.]|\bConsole\.Write(?:Line)?\("),
        ("java", r"^import java[x.]|\bSystem\.out\.print|\bpublic static void main\(String"),
        ("go", r"^package [a-z]\w{0,30}$|\bfmt\.(?:Print|Sprint|Errorf)"),
        ("rust", r"^ *let mut \w|^ *(?:pub )?fn \w{1,60}\([^)\n]{0,200}\) -> [^;\n]{1,80} \{$|\bprintln!\("),
        ("typescript", r"^(?:export )?interface \w{1,60} \{$|^ *(?:const|let) \w{1,60}: (?:string|number|boolean)\b"),
        ("javascript", r"\bconsole\.log\(|^(?:const|let|var) \w{1,60} = [^\n]{1,120};$|^(?:async )?function \w{1,60}\([^)\n]{0,200}\) \{$"),
        ("python", r"^(?:async )?def \w{1,60}\([^\n]{0,200}:$|^class \w{1,60}(?:\([\w., ]{0,80}\))?:$|^from [\w.]{1,80} import \w"),
        ("ruby", r"^def \w{1,60}[?!]?(?:\([^)\n]{0,200}\))?\n(?:[^\n]*\n){1,40}?end$"),
    )
)


def tagged_language(tag: str) -> str:
    """Return the key of TITLES that a fence's tag (in lower case) names, "" when none. Worked example: "c++" is "cpp"."""
    return _TAGS.get(tag, "")


def guess_language(source: str) -> str:
    """Return the key of TITLES whose sign the first 2,000 characters bear, "" when none does: plain text, output and tables have none."""
    head = source[:HEAD_CHARS]
    return next((language for language, sign in _SIGNS if sign.search(head)), "")
