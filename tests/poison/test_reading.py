"""What a submission's text says about it, and the sentence where it says it in another way than the referee reads."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lnbench.characters import first_unseen
from lnbench.errors import LnbenchError, ProtocolError, SubmissionError
from lnbench.poison.reading import Details
from lnbench.poison.submission import Submission
from walk import ROOT, name_of

POISON = "    def poison(self, problem):\n        return problem.labels\n"


def submission(
    body: str, /, before: str = "import lnbench", base: str = "lnbench.Poisoner", **given: Any
) -> Submission:
    text = f"{before}\n\nclass Attack({base}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n{POISON}"
    return Submission.from_bytes("a.py", text.encode(), given)


def refused(body: str, **options: Any) -> str:
    with pytest.raises(SubmissionError) as caught:
        _ = submission(body, **options).details
    assert str(caught.value).startswith("a.py: ") and str(caught.value).endswith(".")
    return str(caught.value).removeprefix("a.py: ")


def test_words_and_parameters() -> None:
    made = submission(
        '''
        """ First  line.

        Second line.
        """
        author = "Zoë"
        paper: str = "arXiv:2101.00001"
        license: ClassVar[str] = "M" "IT"
        skip: int = -3
        rate: float = 1
        fast: bool = False
        name: str = "x"
        near: "Literal['a', 'b']" = "a"
        most: Optional[int] = 7
        own: typing.ClassVar[list] = []
        table: "ClassVar[dict]" = {}
        plain = 3
        '''
    )
    assert made.details == Details(
        "First line.",
        "Zoë",
        "arXiv:2101.00001",
        "MIT",
        {"skip": -3, "rate": 1.0, "fast": False, "name": "x", "near": "a", "most": 7},
    )
    assert type(made.details.defaults["rate"]) is float
    assert made.values == made.details.defaults and made.overrides == {}


def test_lines_of_a_docstring_say_what_fields_do_not() -> None:
    body = '"""Flip.\n\nAuthor: In the class\nLicence:   MIT\n"""'
    made = submission(body, before='"""A file.\n\nauthor: In the file\nPaper: Here, 2021\n"""\nimport lnbench').details
    assert (made.author, made.paper, made.license) == ("In the class", "Here, 2021", "MIT")
    assert submission(body + '\nauthor = "In a field"').details.author == "In a field"


def test_the_last_word_counts_as_in_python() -> None:
    made = submission('author = "A"\nauthor = "B"\nskip: int = 1\nskip = 2').details
    assert made.author == "B" and made.defaults == {"skip": 2}


@pytest.mark.parametrize(
    ("before", "base"),
    [
        ("from lnbench import Poisoner", "Poisoner"),
        ("from lnbench import Poisoner as P", "P"),
        ("import lnbench as lb", "lb.Poisoner"),
        ("import lnbench\nclass Mixin:\n    skip: int = 0", "Mixin, lnbench.Poisoner"),
    ],
)
def test_ways_to_extend(before: str, base: str) -> None:
    assert submission("skip: int = 1", before=before, base=base).details.defaults == {"skip": 1}


@pytest.mark.parametrize(
    ("before", "base", "found"),
    [
        ("import lnbench", "object", "found none; write `class Name(lnbench.Poisoner):` there"),
        ("import lnbench\nclass Base(lnbench.Poisoner): pass", "Base", "found Base, Attack; keep one to a file"),
        ("import lnbench\nclass Attack(lnbench.Poisoner): pass", "lnbench.Poisoner", "found Attack, Attack"),
    ],
)
def test_one_class_to_a_file(before: str, base: str, found: str) -> None:
    assert found in refused("skip: int = 1", before=before, base=base)


ONE = "a parameter is one int, float, bool or str"
ADVICE = "write text such as"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("layers: list = [64, 64]", f"parameter layers in line 4 has a default of type list; {ONE}, so {ADVICE}"),
        ("layers: tuple = (1, 2)", "has a default of type tuple"),
        ("options: dict = {'a': 1}", "has a default of type dict"),
        ("layers: list = field(default_factory=list)", f"is made by field(); {ONE}, so {ADVICE}"),
        ("k: int = dataclasses.field(default=3)", "is made by field()"),
        ("k: int | None = None", "has the default None"),
        ("eps: float = 8 / 255", "has a default that is computed; write its value"),
        ("eps: float = np.float32(0.1)", "has a default that is computed"),
        ("name: str = f'{1}'", "has a default that is computed"),
        ("k: int = OTHER", "has a default that is computed"),
        ("k: int", "parameter k has no default; write one, as in `k: int = 0`"),
        ("k: int = 1.5", "is annotated int and has the default 1.5; write a default of type int"),
        ("k: int = True", "is annotated int and has the default True"),
        ("fast: bool = 0", "is annotated bool and has the default 0"),
        ("name: str = 3", "is annotated str and has the default 3"),
        ("name: 'str' = b'x'", "has a default of type bytes"),
        ("k: complex = 1j", "has a default of type complex"),
        ("k = ...\nk: object = ...", "has a default of type ellipsis"),
        ("k: int = 9223372036854775808", "write a finite number of at most 63 bits"),
        ("rate: float = 1e999", "has the default inf; write a finite number"),
        ("rate: float = " + "9" * 400, "has the default inf"),
        ("name: str = '\\u202e'", "has U+202E RIGHT-TO-LEFT OVERRIDE in its default; write text that can be seen"),
        ("name: str = " + repr("x" * 201), "has a default of 201 characters; write at most 200"),
        ("parameters: int = 3", "a parameter cannot be called 'parameters'"),
        ("poison: int = 3", "a parameter cannot be called 'poison'"),
        ("__k: int = 3", "a parameter cannot be called '__k'"),
        ("author = name()", 'expected author in line 4 as text, author = "…"; write out what it is to say'),
        ("license = ['MIT']", "expected license in line 4 as text"),
        ("paper: str = 3", "expected paper in line 4 as text"),
        ("author = 'a\\u200bb'", "the author holds U+200B ZERO WIDTH SPACE, which a reader does not see; remove it"),
        ("'''Flip \\u2066.'''", "the description holds U+2066"),
        (
            "def __init__(self, lr=0.1, n=3): pass",
            "remove it and write its arguments as fields of the class, `lr: float = 0.1`",
        ),
        ("def __init__(self, a, *, b, c='x'): pass", "as fields of the class, `c: str = 'x'`"),
        ("def __init__(self): pass", "as fields of the class, `rate: float = 0.1`"),
        ("\n".join(f"k{i}: int = 0" for i in range(65)), "expected at most 64 parameters, got 65"),
    ],
)  # fmt: skip
def test_what_is_not_written_out_is_refused(field: str, words: str) -> None:
    assert words in refused(field)


FIELDS = "skip: int = 0\nrate: float = 1\nfast: bool = False\nname: str = 'x'"


def test_what_is_given_takes_the_parameters_type() -> None:
    made = submission(FIELDS, skip="1", rate="2e-1", fast="true", name="7")
    assert made.values == made.overrides == {"skip": 1, "rate": 0.2, "fast": True, "name": "7"}
    assert submission(FIELDS, rate=1, skip="0", fast="no").overrides == {}
    assert submission(FIELDS, rate="0.5").overrides == {"rate": 0.5}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"skipp": 1}, "a.py: no parameter is called 'skipp'; did you mean 'skip'?"),
        ({"zzzzzzzz": 1}, "a.py: no parameter is called 'zzzzzzzz'; it has skip, rate, fast, name."),
        ({"skip": "1.5"}, "a.py: parameter skip is of type int (default 0), got '1.5'."),
        ({"skip": 1.0}, "a.py: parameter skip is of type int (default 0), got 1.0."),
        ({"skip": True}, "a.py: parameter skip is of type int (default 0), got True."),
        ({"skip": 2**63}, "a.py: parameter skip is of type int (default 0), got 9223372036854775808."),
        ({"rate": "nan"}, "a.py: parameter rate is of type float (default 1.0), got nan."),
        ({"rate": 10**400}, "a.py: parameter rate is of type float (default 1.0), got inf."),
        ({"fast": "maybe"}, "a.py: parameter fast is of type bool (default False), got 'maybe'."),
        ({"fast": 1}, "a.py: parameter fast is of type bool (default False), got 1."),
        ({"name": 3}, "a.py: parameter name is of type str (default 'x'), got 3."),
    ],
)
def test_what_is_given_wrongly_is_the_users_fault(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        _ = submission(FIELDS, **given).values
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "path", sorted(p for folder in ("attacks", "submissions") for p in (ROOT / folder).glob("*.py")), ids=name_of
)
def test_every_bundled_file_says_what_its_class_has(path: Any) -> None:
    import importlib.util

    import lnbench

    spec = importlib.util.spec_from_file_location(f"bundled_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (kind,) = (
        v
        for v in vars(module).values()
        if isinstance(v, type) and v.__module__ == module.__name__ and issubclass(v, lnbench.Poisoner)
    )
    read = Submission.from_file(path).details
    assert read.defaults == kind.parameters() and list(read.defaults) == list(kind.parameters())
    assert all(type(read.defaults[k]) is type(v) for k, v in kind.parameters().items())
    assert (read.author, read.paper, read.license) == (kind.author, kind.paper, kind.license)
    assert read.description == (kind.__doc__ or "").strip().partition("\n")[0]


_pieces = st.sampled_from(
    [
        "import lnbench\n",
        "class A(lnbench.Poisoner):\n",
        "    k: int = ",
        "3\n",
        "    author = ",
        "'x'\n",
        "-",
        "(",
        ")",
        "[",
        "]",
        "    '''d'''\n",
        "    def poison(self, p): return 1\n",
        "    def __init__(self, a=1): pass\n",
        "\ufeff",
        "\x0c",
        "é",
        "# coding: ",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(_pieces, max_size=14).map("".join) | st.text(max_size=60))
@example("import lnbench\nclass A(lnbench.Poisoner):\n    k: int = 3\n")
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        read = Submission.from_bytes("a.py", text.encode("utf-8", "replace")).details
    except LnbenchError as error:
        assert str(error).startswith("a.py: ") and first_unseen(str(error)) is None and len(str(error)) < 600
    else:
        assert all(first_unseen(word) is None for word in (read.description, read.author, read.paper, read.license))
