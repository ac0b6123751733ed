"""Documentation that is found and can be read: every page has a way to it, decisions are in a row."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WIDTH = 100
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def links_of(page: Path) -> list[Path]:
    """Return the files that a page links to."""
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


def test_every_link_between_pages_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    broken = [f"{page.name}: {target}" for page in pages for target in links_of(page) if not target.exists()]
    assert not broken


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page.suffix == ".md" and page not in reached and page.exists():
            reached.add(page)
            todo += links_of(page)
    assert set(DOCS.rglob("*.md")) - reached == set()


def test_decisions_are_numbered_in_a_row_and_listed_with_a_status() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d+)\. [^\]]+\]\(([^)]+)\) \| (.+) \|$", listed, re.MULTILINE)
    pages = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [name for _, name, _ in rows] == pages
    numbers = [int(number) for number, _, _ in rows]
    assert numbers == list(range(1, len(pages) + 1)) == [int(name[:4]) for name in pages]
    assert all(
        re.match(rf"# {int(name[:4])}\. ", (DOCS / "decisions" / name).read_text(encoding="utf-8"))
        for name in pages
    )
    assert all(re.fullmatch(r"in force|replaced by \d+", status) for _, _, status in rows)


def test_prose_is_wrapped_so_that_it_can_be_read_and_compared() -> None:
    wide = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
        if not page.read_text(encoding="utf-8").startswith("<!-- made by docs/make_reference.py")
        for number, line in enumerate(prose_of(page), start=1)
        if len(line) > WIDTH
    ]
    assert wide == []


def test_every_row_of_a_table_stands_under_its_head() -> None:
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        lines = page.read_text(encoding="utf-8").splitlines()
        heads = [
            n for n, line in enumerate(lines) if line.startswith("|") and not lines[n - 1].startswith("|")
        ]
        broken = [n + 1 for n in heads if not re.fullmatch(r"[|: -]+", [*lines, ""][n + 1])]
        assert broken == [], f"{page.relative_to(ROOT)}: a row without a head at lines {broken}"


def prose_of(page: Path) -> list[str]:
    """Return the lines of a page; empty where they are code, a table's row or a picture, which cannot be wrapped."""
    lines: list[str] = []
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.lstrip().startswith("```")
        bare = fenced or fence or line.startswith(("|", "![", "    "))
        lines.append("" if bare else line)
        fenced ^= fence
    return lines
