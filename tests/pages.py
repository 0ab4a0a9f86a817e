"""The examples of README and docs, taken out of their pages."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def blocks(page: Path, language: str = "python") -> list[tuple[int, str]]:
    """(line, code) of each fenced block of the language."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)
    return [(text[: match.start(1)].count("\n") + 1, match[1]) for match in found]
