"""The page: its policy, its structure, and how it behaves in a browser where there is one."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import factories
from lnbench import record
from lnbench.board import Table, build, load
from lnbench.board import page as pages
from lnbench.board.forest import MARKS
from lnbench.board.project import PROJECT
from lnbench.record.record import Record
from lnbench.text import share

TRACK = factories.small(3, 2)
VOID = {"meta", "br", "wbr", "input", "img", "link"}
BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)


PICTURES = {
    "shape": [1, 8, 8],
    "images": [{"split": 0, "index": 3, "old": 9, "new": 0, "pixels": base64.b64encode(bytes(range(64))).decode()}],
}


def tables(page: Path) -> list[Table]:
    """What the page shows; its tracks ship no longer, once it is made."""
    board = load(page.parent / "records")
    return [*board.tables, *board.history]


class Tags(HTMLParser):
    """Checks nesting, and keeps attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository") / "leaderboard"
    other = factories.track(name="another", replication=dict(TRACK.document["replication"]))
    with pytest.MonkeyPatch.context() as patch:
        factories.ship(patch, folder.parent / "tracks", TRACK, other)
        for i, track in enumerate((TRACK, TRACK, TRACK, other)):
            shown = PICTURES if i == 2 else None
            made = factories.make(
                track, name=f"attack_{i}", effect=0.1 * i, seed=i, source=f"# {i}\n", thumbnails=shown
            )
            record.write(made, folder / "records" / track.name / made.filename)
        build(folder / "records", folder)
    return folder / "index.html"


def test_the_page_is_well_formed_and_self_contained(page: Path) -> None:
    tags = Tags(page.read_text())
    assert tags.open == []
    assert [t for t, _ in tags.seen].count("main") == 1
    assert "link" not in {t for t, _ in tags.seen}
    assert {t for t, a in tags.seen if "src" in a} == {"img"}, "pictures, which are in the page themselves"
    assert all((a["src"] or "").startswith("data:image/png;base64,") for _, a in tags.seen if "src" in a)
    assert not [a for _, a in tags.seen if "style" in a or any(name.startswith("on") for name in a)]
    assert sum(1 for t, a in tags.seen if t == "tbody") == 4
    ids = [a["id"] for _, a in tags.seen if "id" in a]
    assert len(set(ids)) == len(ids)
    own = ("#", "records/", *pages.LINKS.values())
    assert all((a.get("href") or "").startswith(own) for t, a in tags.seen if t == "a")


def test_links_to_records_lead_to_them(page: Path) -> None:
    links = [a["href"] or "" for t, a in Tags(page.read_text()).seen if t == "a"]
    records = [link for link in links if link.startswith("records/")]
    assert len(records) == 8 and len(set(records)) == 4, "in the row and in its details"
    assert all((page.parent / link).is_file() for link in records)


def test_the_policy_lets_exactly_the_own_style_and_script_through(page: Path) -> None:
    text = page.read_text()
    for tag in ("style", "script"):
        (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_in_a_browser(page: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_context(offline=True).new_page()
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(page.as_uri())
        tab.get_by_role("link", name="digits-9to0").click()
        shown = tab.locator("section.track:visible")
        names = shown.locator("tbody > tr:first-child > th")
        assert shown.count() == 1
        assert names.all_inner_texts() == ["attack_2", "attack_1", "attack_0"]
        shown.get_by_role("button", name="targeted, pp").press("Enter")
        assert names.all_inner_texts() == ["attack_0", "attack_1", "attack_2"]
        assert shown.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
        shown.get_by_role("button", name="against random").click()
        assert names.all_inner_texts() == ["attack_2", "attack_1", "attack_0"], "the best first"
        switch = shown.get_by_label("columns")
        assert shown.locator("thead th:visible").count() == 7
        switch.check()
        assert shown.locator("thead th:visible").count() == shown.locator("thead th").count() > 7
        switch.uncheck()
        assert tab.locator(".more:visible").count() == 0
        shown.locator("tbody > tr:first-child > td:visible").first.click()
        assert shown.locator(".more:visible").count() == 1, "the whole row opens its details"
        shown.locator("summary").first.click()
        assert shown.locator(".more:visible").count() == 0
        shown.get_by_label("Filter rows").fill("attack_1")
        assert names.filter(visible=True).all_inner_texts() == ["attack_1"]
        assert shown.get_by_role("status").inner_text() == "1 of 3 rows"
        assert said == []
        still = browser.new_context(java_script_enabled=False).new_page()
        still.goto(page.as_uri())
        assert still.locator("tbody:visible").count() == 4
        assert still.locator(".filter:visible").count() == 0
        assert still.locator("section:first-of-type thead th:visible").count() == 7
        still.get_by_label("columns").first.check()
        assert still.locator("section:first-of-type thead th:visible").count() > 7
        still.locator("summary").first.click()
        assert still.locator(".more dl:visible").count() == 1, "the switches need no script"
        browser.close()


def test_the_page_explains_its_columns_and_shows_flags(page: Path) -> None:
    text = page.read_text()
    reading = text[text.index('<h2 id="reading">') : text.index("<script>")]
    for column in (
        "rank",
        "targeted",
        "damage",
        "beats random",
        "worst architecture",
        "memorised",
        "flags",
        "trainings",
        "trust",
    ):
        assert f"<em>{column}</em>" in reading
    assert "<code>1–3</code>" in reading and "*" not in reading and "`" not in reading
    assert re.search(r'<th scope="col"[^>]*>flags</th>', text)


def test_the_first_columns_say_who_wins_and_the_arms_are_said_once(page: Path) -> None:
    table = tables(page)[0]
    assert pages.columns(table)[:5] == ["rank", "poisoner", "against random flips, pp", "targeted, pp", "95 % interval"]
    text = page.read_text()
    arms = table.rows[0].record.arms
    said = f"targeted AA {share(arms['clean']['adv_acc'])} clean, {share(arms['random']['adv_acc'])} random"
    assert text.count(f"The same for every row, in %: {said}") == len(tables(page))
    assert "targeted AA, %" in pages.columns(table) and not [name for name in pages.columns(table) if " r / p" in name]
    assert text.count('class="figure strip"') == 4 + 2, "one a row, and one an axis"
    for kind, mark in MARKS.items():
        assert re.search(f'class="{kind}"><span aria-hidden="true">{mark}</span>', text)


def test_arms_that_differ_between_rows_stay_in_the_rows(page: Path) -> None:
    table = max(tables(page), key=lambda table: len(table.rows))
    first = table.rows[0].record
    arms = first.document["arms"]
    document = {**first.document, "arms": {**arms, "random": {**arms["random"], "adv_acc": 0.123}}}
    other = replace(table.rows[0], record=Record(document, first.track))
    names = pages.columns(replace(table, rows=(other, *table.rows[1:])))
    assert "targeted AA c / r / p, %" in names and "untargeted AA, %" in names


def test_the_page_leads_to_the_project(page: Path) -> None:
    links = {a["href"] for t, a in Tags(page.read_text()).seen if t == "a"}
    assert set(pages.LINKS.values()) <= links
    root = Path(__file__).resolve().parents[2]
    assert f"repository-code: {PROJECT}\n" in (root / "CITATION.cff").read_text()
    assert f'"{PROJECT}"' in (root / "pyproject.toml").read_text()
    for address in pages.LINKS.values():
        local = address.removeprefix(f"{PROJECT}/blob/main/")
        assert address == PROJECT or (root / local).is_file() or (root / "leaderboard" / local).is_file(), address


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
@pytest.mark.parametrize("width", [390, 1440])
def test_long_names_leave_the_page_as_wide_as_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    made = factories.make(TRACK, name="a" * 40, parameters={"b" * 40: "c" * 40})
    record.write(made, tmp_path / "leaderboard" / "records" / TRACK.name / made.filename)
    build(tmp_path / "leaderboard" / "records", tmp_path / "leaderboard")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_context(offline=True, viewport={"width": width, "height": 800}).new_page()
        tab.goto((tmp_path / "leaderboard" / "index.html").as_uri())
        tab.locator("summary:visible").first.click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator(".more dl").first.bounding_box()["width"] <= width
        assert tab.locator("tbody th").first.bounding_box()["width"] < 400
        assert tab.locator("thead th:visible").count() == (4 if width == 390 else 7)
        scroll = "document.querySelector('.scroll').scrollIntoView(); scrollBy(0, 60)"
        tab.evaluate(f"document.body.style.minHeight = '3000px'; {scroll}")
        assert tab.locator("thead th").first.bounding_box()["y"] == 0, "the head stays in sight"
        tab.locator(".all").check()
        tab.evaluate("document.querySelector('.scroll').scrollTo(200, 0)")
        box, name = tab.locator(".scroll").bounding_box(), tab.locator("tbody th").first.bounding_box()
        assert abs(name["x"] - box["x"]) <= 1, "and the name"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()


def axe() -> str:
    """The source of axe-core: the file LNBENCH_AXE names, or the one that axe-playwright-python brings."""
    if path := os.environ.get("LNBENCH_AXE"):
        return Path(path).read_text(encoding="utf-8")
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    (source,) = Path(package.__file__).parent.rglob("axe.min.js")
    return source.read_text(encoding="utf-8")


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_violation_of_accessibility(page: Path, scheme: str) -> None:
    """axe-core on every tab with a row's details open, in both colour schemes."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    script = axe()
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_context(offline=True, bypass_csp=True, color_scheme=scheme).new_page()
        tab.goto(page.as_uri())
        tab.add_script_tag(content=script)
        links = tab.get_by_role("navigation").get_by_role("link")
        for i in range(links.count()):
            links.nth(i).click()
            links.nth(i).and_(tab.locator("[aria-current]")).wait_for()
            tab.locator("summary:visible").first.click()
            tab.locator(".all:visible").first.check()
            found = tab.evaluate("axe.run()")
            assert [violation["id"] for violation in found["violations"]] == []
            assert len(found["passes"]) > 10
        tab.evaluate("document.querySelector('h1').innerHTML = '<img src=x>'")
        assert "image-alt" in [violation["id"] for violation in tab.evaluate("axe.run()")["violations"]]
        browser.close()
