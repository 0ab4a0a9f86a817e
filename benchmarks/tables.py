"""The generated tables of README and docs: each lies between two marks and is replaced as a whole."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Collection

ROOT = pathlib.Path(__file__).resolve().parent.parent


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, its columns aligned in the source too."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * w for w in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines
    )


def page_of(name: str) -> pathlib.Path:
    """The one page that has the marks of the table."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    (page,) = (page for page in pages if f"<!-- {name} -->" in page.read_text(encoding="utf-8"))
    return page


def published(name: str) -> str:
    """The table as it stands on its page."""
    text = page_of(name).read_text(encoding="utf-8")
    return text.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]


def command_line(about: str | None = None, rows: Collection[str] = ()) -> argparse.ArgumentParser:
    """Of a script that writes tables: --write, and --rows where some may be chosen."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/ and README")
    if rows:
        parser.add_argument("--rows", nargs="*", default=list(rows), choices=rows)
    return parser


def publish(name: str, table: str, write: bool | None = None) -> None:
    """Print the table; to write it is to put it between `<!-- name -->` and `<!-- /name -->` on the page that has them.

    :param write: by default, whether the command line says --write.
    """
    print(table)
    if write is None:
        write = command_line().parse_args().write
    if write:
        page = page_of(name)
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = page.read_text(encoding="utf-8").split(start)
        _, after = rest.split(end)
        page.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")
