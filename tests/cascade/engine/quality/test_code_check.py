"""Code in drafts: what parses, what does not, and what is a piece of a program."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import process_time, thread_time

import pytest
from tree_sitter import Parser

from cascade.engine.quality.code_languages import guess_language, tagged_language
from cascade.engine.quality.code_syntax import check_code
from cascade.engine.quality.draft import Draft
from cascade.engine.quality.fragments import Parsed, parse_fragment
from cascade.engine.quality.grammars import GRAMMARS, _language, load_grammars, tree_of
from tests.cascade.engine.quality.pieces import PIECES

MakeDraft = Callable[..., Draft]
ALL_PIECES = [(language, piece) for language, pieces in PIECES.items() for piece in pieces]


def fenced(source: str, language: str = "") -> str:
    return f"```{language}\n{source}```\n"


def test_broken_python_rejects_a_code_draft_and_says_where(draft: MakeDraft) -> None:
    check = check_code(draft("```python\ndef f(:\n    pass\n```", domain="code"))
    assert check.fatal
    assert check.reason == "Line 1 of the Python code: invalid syntax"
    assert not check_code(draft("```python\ndef f(:\n    pass\n```", domain="general")).fatal


@pytest.mark.parametrize(
    "text",
    [
        "```python\ndef f():\n    return 1\n```",
        "1. Do this:\n   ```python\n   x = 1\n   ```",
        "```python\nawait g()\nreturn 3\n```",
        "```python\n>>> f(\n3\n```",
        "```python\n%matplotlib inline\n```",
        "```python\n@cached\ndef f(x):\n    # your code here\n```",
        "```\nnot code at all (\n```",
        "```js\nconst s = \"(\"; // {\nf(`[`, ')');\n```",
        "```python\nr = '\\d'\n```",
        "```python\n" + "-" * 7_000 + "1\n```",
        "```cobol\nMOVE ( TO X.\n```",
        "no code",
    ],
)
def test_code_that_parses_or_is_not_meant_to_passes(draft: MakeDraft, text: str) -> None:
    assert check_code(draft(text, domain="code")).score == 1.0


@pytest.mark.parametrize(("language", "piece"), ALL_PIECES)
def test_a_piece_of_a_program_is_no_broken_program(draft: MakeDraft, language: str, piece: str) -> None:
    assert check_code(draft(fenced(piece, language), domain="code")).reason == ""


@pytest.mark.parametrize(
    ("tag", "source", "reason"),
    [
        ("java", "class A {\n    void f() {\n        g(1);\n    }\n", "Line 4 of the Java code: missing `}`"),
        ("java", "class A {\n    void f() {\n        g(1)\n        h();\n    }\n}\n", "Line 3 of the Java code: a part that cannot be read"),
        ("java", "class A {\n    void f() { g(; }\n}\n", "Line 2 of the Java code: `(` is never closed"),
        ("jsx", "function f(a {\n  return a;\n}\n", "Line 1 of the JavaScript code: missing `)`"),
        ("js", "if (a) {\n  run();\n}}\n", "Line 3 of the JavaScript code: unexpected `}`"),
        ("js", "const x = ;\nrun();\n", "Line 1 of the JavaScript code: unexpected `;`"),
        ("ts", "interface A {\n  a: ;\n}\n", "Line 2 of the TypeScript code: unexpected `:`"),
        ("golang", "func main() {\n\tx :=\n}\n", "Line 2 of the Go code: missing identifier"),
        ("c++", "#include <vector>\nint main() {\n  int x = 1\n  return x;\n}\n", "Line 3 of the C++ code: missing `;`"),
        ("c", 'int main() {\n  puts("a);\n  return 0;\n}\n', "Line 2 of the C code: `(` is never closed"),
        ("c#", "class A { int F() { return 1 } }\n", "Line 1 of the C# code: missing `;`"),
        ("rs", 'fn main() {\n    let x = 5\n    println!("{}", x);\n}\n', "Line 2 of the Rust code: unexpected integer literal"),
        ("sh", "for i in a b; do\n  echo $i\n", "Line 2 of the shell code: missing `done`"),
        ("rb", "class A\n  def f(x\n  end\nend\n", "Line 2 of the Ruby code: missing `)`"),
        ("php", "function f($a) {\n  return $a +;\n}\n", "Line 2 of the PHP code: missing name"),
        ("css", ".a { color: red;\n.b { margin: 0; }\n", "Line 2 of the CSS code: missing `}`"),
        ("swift", "func f() {\n  g(\n}\n", "Line 2 of the Swift code: `(` is never closed"),
    ],
)
def test_a_fault_is_told_with_language_and_line(draft: MakeDraft, tag: str, source: str, reason: str) -> None:
    check = check_code(draft(fenced(source, tag), domain="code"))
    assert check.reason == reason
    assert check.score < 0.5
    assert not check.fatal, "a grammar may lag behind its language: that alone rejects nothing"


@pytest.mark.parametrize("language", [language for language in PIECES if language not in ("bash", "ruby", "css")])
def test_a_bracket_too_few_is_found_in_every_piece_without_elision(draft: MakeDraft, language: str) -> None:
    for piece in PIECES[language]:
        if "..." not in piece and piece.count("\n") > 3 and "//" not in piece and piece.rstrip().endswith("}"):
            check = check_code(draft(fenced(piece.rstrip()[:-1] + "\n", language)))
            assert check.score < 1.0, piece


def test_a_block_without_a_tag_is_judged_by_its_signs_and_more_softly(draft: MakeDraft) -> None:
    broken = "#include <iostream>\nint main() {\n  std::cout << ;\n}\n"
    check = check_code(draft(fenced(broken)))
    assert check.reason == "Line 3 of the C++ code: missing identifier"
    assert check.score > check_code(draft(fenced(broken, "cpp"))).score
    assert not check_code(draft("```\ndef f(x):\n    return (\n```", domain="code")).fatal


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("def f(x):\n    return x\n", "python"),
        ("from os import path\n", "python"),
        ("def f(x)\n  x\nend\n", "ruby"),
        ("package main\n\nfunc main() {}\n", "go"),
        ("fn f(x: i32) -> i32 {\n    x\n}\n", "rust"),
        ("<?php echo 1;", "php"),
        ("#!/usr/bin/env bash\nls\n", "bash"),
        ("System.out.println(1);", "java"),
        ("using System;\n", "csharp"),
        ("#include <stdio.h>\n", "c"),
        ("console.log(1);", "javascript"),
        ("interface A {\n  a: string;\n}\n", "typescript"),
        ("5 3 0 | 0 7 0\n------+------\n", ""),
        ("The area is: 15\n", ""),
        ("let x be a number, and f(x) its square {", ""),
        ("Input: nums = [1, 1], target = 2\n", ""),
        ("Usage: tool [OPTIONS] (FILE\n", ""),
    ],
)
def test_the_language_of_a_block_without_a_tag_is_guessed_by_signs_or_not_at_all(source: str, language: str) -> None:
    assert guess_language(source) == language


def test_tags_are_read_as_people_write_them() -> None:
    tags = ("py", "jsx", "ts", "golang", "c++", "c#", "rs", "sh", "rb", "text", "")
    assert [tagged_language(tag) for tag in tags] == ["python", "javascript", "typescript", "go", "cpp", "csharp", "rust", "bash", "ruby", "", ""]


@pytest.mark.parametrize(
    ("tag", "source"),
    [
        ("css", " 9 8 3 | 7 6 5 | 2 1 4\n 4 5 2 | 6 7 8 | 1 9 3\n"),
        ("php", "extends Body\n\nvar speed = 100.0\n\nfunc _ready():\n    camera = get_node('Camera')\n\nfunc _input(event):\n    pass\n"),
        ("java", "\\documentclass[12pt,a4paper]{article}\n\\usepackage{biblatex}\n"),
        ("go", "To run it, first install the tool, then set the path,\nand do not forget to open the port for it!\n"),
    ],
)
def test_what_is_wrong_all_over_is_under_a_wrong_tag_and_not_broken(draft: MakeDraft, tag: str, source: str) -> None:
    assert check_code(draft(fenced(source, tag))).score == 1.0


def test_a_quoted_call_needs_no_semicolon_but_a_statement_before_another_does(draft: MakeDraft) -> None:
    assert check_code(draft(fenced("names.add(x)\n", "java"))).score == 1.0
    assert check_code(draft(fenced("int y = 1\nint z = 2;\nint w = 3;\n", "java"))).score < 1.0


def test_a_program_that_our_own_window_cuts_is_not_called_broken(draft: MakeDraft) -> None:
    text = "word " * 2_300 + fenced("class A {\n" + "    int x;\n" * 300 + "}\n", "java")
    assert not draft(text).code_blocks[0].closed
    assert check_code(draft(text)).score == 1.0


def test_reasons_hold_no_names_or_texts_of_the_draft(draft: MakeDraft) -> None:
    broken = {"js": "const secretName = 'top secret;\nrun();\n", "java": "class A {\n  int f() {\n    secretCall(1)\n    g();\n  }\n}\n"}
    for tag, source in broken.items():
        check = check_code(draft(fenced(source, tag)))
        assert check.reason
        assert "secret" not in check.reason


def test_python_2_is_let_through_where_the_prompt_speaks_of_it(draft: MakeDraft) -> None:
    assert check_code(draft("```python\nprint 3\n```", prompt="in Python 2", domain="code")).score == 1.0


def test_parsing_a_draft_prints_no_warning(draft: MakeDraft, recwarn: pytest.WarningsRecorder) -> None:
    check_code(draft("```python\nx = '\\d'\n```", domain="code"))
    assert len(recwarn) == 0


def test_a_parse_stops_when_its_time_is_over_and_the_next_one_is_whole() -> None:
    source = b"int f(int x) { return x + 1; }\n" * 250
    load_grammars("c")
    assert tree_of(source, grammar="c", until=thread_time()) is None
    again = tree_of(source, grammar="c", until=thread_time() + 10)
    assert again is not None
    assert not again.root_node.has_error
    assert not parse_fragment(source.decode(), language="c", until=thread_time()).is_told


def test_a_program_leaves_nothing_behind_for_the_next_one() -> None:
    """Programs share buffers, one after the other."""
    for language, piece in sorted(ALL_PIECES, key=lambda piece: -len(piece[1])):
        load_grammars(language)
        for grammar in GRAMMARS[language]:
            for source in (piece.encode(), piece[:-3].encode()):
                read, whole = tree_of(source, grammar=grammar, until=thread_time() + 10), Parser(_language(grammar)).parse(source)
                assert read is not None
                assert str(read.root_node) == str(whole.root_node)


def test_many_threads_get_the_same_verdicts() -> None:
    pieces = [(language, piece[:end]) for language, piece in ALL_PIECES for end in (None, -3)]

    def judge(piece: tuple[str, str]) -> Parsed:
        return parse_fragment(piece[1], language=piece[0], until=thread_time() + 10)

    one_by_one = [judge(piece) for piece in pieces]
    assert len({fault for _, fault in one_by_one}) > 10
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(judge, pieces * 4)) == one_by_one * 4


def test_the_engine_loads_no_parser_before_the_first_program_that_needs_one() -> None:
    script = (
        "import sys\n"
        "from cascade.engine.agent import CascadeAgent\n"
        "from cascade.engine.quality.code_syntax import check_code\n"
        "from tests.cascade.engine.quality.conftest import make_draft\n"
        "check_code(make_draft('```python\\nx = 1\\n```'))\n"
        "print([name for name in sys.modules if name.startswith('tree_sitter')])\n"
        "check_code(make_draft('```go\\nx := 1\\n```'))\n"
        "print(sorted(name for name in sys.modules if name.startswith('tree_sitter') and '.' not in name))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == ["[]", "['tree_sitter', 'tree_sitter_go']"]


UNITS = [
    "```python\n", "```\n", "(", "{[(", "/*", "/*\n", "//", '"', '"\n', "'", "'\\", "`", "`\t\n \n", "\\", "lambda:", "-", "not ", "if 1:\n ",
    "f(*", "@a\n", "a=b c,", "\x00", "\ud800", "\U0001f600", "a<", "template<", "<div ", "a::<", "${", '"${', "<<A\n", "%w(", "#{", "case 1:",
    "else ", "()=>", "0x", "1e", "new )", "a\n", "x = 1\n", "f(a)\n", "a;", "}", "f(a);\n", "...", "<?php ", "#if 1\n", "r#\"",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_pathological_code_takes_bounded_time(draft: MakeDraft, unit: str) -> None:
    for language in ("python", *GRAMMARS, "swift", ""):
        text = f"```{language}\n" + unit * (1_000_000 // len(unit))
        if language in GRAMMARS:
            load_grammars(language)
        start = process_time()
        check_code(draft(text, domain="code"))
        check_code(draft(text[:7_900] + "\n```", domain="code"))
        check_code(draft((text[:2_500] + "\n```\n") * 4, domain="code"))
        assert process_time() - start < 3, (language, unit, sys.version)  # what is not bounded takes minutes
