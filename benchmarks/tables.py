"""README's generated tables: each lies between two marks and is replaced as a whole."""

from __future__ import annotations

import argparse
import pathlib

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, its columns aligned in the source too."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * w for w in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines
    )


def publish(name: str, table: str, write: bool | None = None) -> None:
    """Print the table; to write it is to put it into README between `<!-- name -->` and `<!-- /name -->`.

    :param write: by default, whether the command line says --write.
    """
    print(table)
    if write is None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--write", action="store_true", help="replace the table in README.md")
        write = parser.parse_args().write
    if write:
        text = README.read_text()
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(start)
        _, after = rest.split(end)
        README.write_text(f"{before}{start}\n{table}\n{end}{after}")
