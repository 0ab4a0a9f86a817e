"""Scripts in processes of their own, and the tables that they print."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["killed", "launch", "table"]

ROOT = Path(__file__).resolve().parent.parent


def launch(*commands: list[str], seconds: int = 240, **environment: str) -> list[str]:
    """What each `python -m ...` printed, all run at the same time.

    A group of each own, so that nothing a launcher has started outlives a test.  The time is ten times what a command
    takes on one idle core; it is for one that hangs.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NPROC": "1", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [
        subprocess.Popen([sys.executable, "-m", *c], cwd=ROOT, env=env, text=True, start_new_session=True, **pipes)
        for c in commands
    ]
    try:
        done = [process.communicate(timeout=seconds) for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    for process, command, (_, errors) in zip(running, commands, done, strict=True):
        assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}:\n{errors[-4000:]}"
    return [output for output, _ in done]


def killed(*command: str, last: str, **environment: str) -> list[str]:
    """Runs `python -m ...` until it prints the line `last`, and kills it then; what it printed before."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NPROC": "1", **environment}
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        printed = list(itertools.takewhile(lambda line: line != last, map(str.strip, lines)))
        assert process.poll() is None, f"{' '.join(command)} ended before {last!r}"
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    return printed


def table(output: str, first: str) -> dict[str, dict[str, str]]:
    """The rows of the Markdown table whose first column is called so: name -> column -> cell."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in output.splitlines() if line[:1] == "|"]
    start = next(i for i, row in enumerate(rows) if row[0] == first)
    found = {}
    for row in rows[start + 2 :]:
        if len(row) != len(rows[start]):
            break
        found[row[0]] = dict(zip(rows[start][1:], row[1:], strict=True))
    return found
