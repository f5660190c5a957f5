"""Every word that people see can be translated, and is in German."""

import gettext
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.project.catalogue import ROOT, TEMPLATES, Entry, read, wanted

FOLDER = ROOT / "captions/locale/de/LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}|\b[A-Z]{3,6}\b(?= |\.|$)|</?\w+[^>]*>")
OURS = {"NUMBER", "DONE", "ALL", "PACE"}
# Names, units and keys are the same in every language.
SAME = {
    "Caption Desk",
    "| Caption Desk",
    "API · Caption Desk",
    "SHA-256",
    "×",
    "s",
    "%",
    "MB",
    "px",
    "en",
    "+",
    "…",
    "/",
}
SAID = re.compile(r"aria-label|title|placeholder|alt|data-label|label|data-says-.*|data-undo-.*")
SILENT = {"script", "style", "code", "kbd", "pre"}


@pytest.fixture(scope="module")
def german() -> list[Entry]:
    return [entry for entry in read(FOLDER / "django.po") if entry.key != ("",)]


def test_it_has_german_for_every_word(german: list[Entry]) -> None:
    kept = {entry.key for entry in german}
    assert sorted(wanted() - kept) == [], "missing: see docs/desk.md, Languages"
    assert sorted(kept - wanted()) == [], "no longer said by any page"
    assert [entry.key for entry in german if not all(entry.words)] == []
    assert [entry.key for entry in german if entry.is_fuzzy] == []


def test_it_keeps_what_is_filled_in(german: list[Entry]) -> None:
    def filled(words: str) -> set[str]:
        found = set(PLACEHOLDER.findall(words))
        return {one for one in found if not one.isupper() or one in OURS}

    for entry in german:
        for original, words in zip(entry.key, entry.words, strict=True):
            assert filled(words) == filled(original), entry.key


def test_it_ships_the_catalogue_compiled(german: list[Entry]) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # the words, which it has no name for
    expected: dict[object, str] = {}
    for entry in german:
        if len(entry.key) == 1:
            expected[entry.key[0]] = entry.words[0]
        else:
            expected |= {(entry.key[0], number): words for number, words in enumerate(entry.words)}
    compiled.pop("")
    assert compiled == expected, "compile it again: see docs/desk.md, Languages"


# --- Nothing slips past the catalogue --------------------------------------------------------------------------------


class Bare(HTMLParser):
    """Collects the words of a template that stand outside its translate tags."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent.append(tag)
        self.found += [value or "" for name, value in attrs if SAID.fullmatch(name)]
        if ("name", "description") in attrs:
            self.found += [value or "" for name, value in attrs if name == "content"]

    def handle_endtag(self, tag: str) -> None:
        if self._silent and self._silent[-1] == tag:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def bare(source: str) -> list[str]:
    """Give the words of a template's source that are not translated."""
    source = re.sub(r"{%\s*blocktranslate\b.*?{%\s*endblocktranslate\s*%}", "\0", source, flags=re.DOTALL)
    source = re.sub(r"{%\s*block body_class\s*%}\w*{%", "{%", source)
    tags = re.findall(r"{[%{].*?[%}]}", source, flags=re.DOTALL)
    inside = [
        words for tag in tags if not re.match(r"{%\s*(translate|load|extends|url)\b", tag) for words in given(tag)
    ]
    source = re.sub(r"{[%{#].*?[%}#]}", "\0", source, flags=re.DOTALL)
    parser = Bare()
    parser.feed(re.sub(r"<[a-zA-Z/][^>]*>", lambda tag: tag[0].replace("\0", " "), source))
    parser.close()
    outside = [part.strip() for words in parser.found for part in words.split("\0")]
    return [one for one in outside if re.search(r"[A-Za-z]", one) and one not in SAME] + inside


def given(tag: str) -> list[str]:
    """Give the words that a tag hands on as they are: labels, and texts of several words."""
    tag = re.sub(r"\binclude \"[^\"]*\"", "", tag)
    texts = re.findall(r"""(_\(|label=|in )?(?:"([^"]*)"|'([^']*)')""", tag)
    words = [(before, one or other) for before, one, other in texts if before not in ("_(", "in ")]
    return [text for before, text in words if before == "label=" or re.search(r"\w [a-z]", text)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ('<p>{% translate "Hello" %} <kbd>Esc</kbd> <code>GET</code></p>', []),
        ('<a title="Go on" href="/{% url "x" %}">{{ name }}</a>', ["Go on"]),
        ("{% blocktranslate %}Hello {{ name }}{% endblocktranslate %} {{ name }} there", ["there"]),
        ('{{ name|default:"Nobody at all" }}', ["Nobody at all"]),
        ('{{ name|default:_("Nobody at all") }}', []),
        ('{% include "parts/field.html" with label="Password" %}', ["Password"]),
    ],
)
def test_it_would_find_a_word_outside(source: str, words: list[str]) -> None:
    assert bare(source) == words


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_it_says_nothing_outside_the_catalogue(path: Path) -> None:
    assert bare(path.read_text()) == []


def test_its_scripts_say_nothing_of_their_own() -> None:
    scripts = (ROOT / "captions/static/captions").glob("*.js")
    sentence = re.compile(r"""["`](?:[A-Z][a-z]+ (?:\$\{|[a-z])[^"`]*|[A-Z][a-z]+\.)["`]""")
    found = [
        f"{script.name}: {words}"
        for script in scripts
        for line in script.read_text().splitlines()
        for words in sentence.findall(re.sub(r"^\s*//.*| // .*$", "", line))
    ]
    assert found == []
