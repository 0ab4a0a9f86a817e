"""Run the notebooks: `make tutorials` with SMOKE=1, to see that they work, or --write, to renew what they show.

    python tutorials/run.py                    every notebook, outputs thrown away
    python tutorials/run.py --write quickstart   one, in place: outputs, and the thumbnail of the gallery

The thumbnail is the picture of the cell with the tag "thumbnail".
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from PIL import Image

HERE = Path(__file__).resolve().parent
THUMBNAILS = HERE / "thumbnails"
WIDTH = 480  # pixels of a thumbnail
SECONDS = 900  # of one cell; a notebook takes less than 180 on 2 free cores


def main() -> None:
    arguments = parse()
    names = arguments.names or sorted(path.stem for path in HERE.glob("*.ipynb"))
    unknown = [name for name in names if not (HERE / f"{name}.ipynb").exists()]
    if unknown:
        sys.exit(f"There is no notebook {', '.join(unknown)} in {HERE.name}/")
    if os.environ.get("SMOKE", "0") not in ("", "0"):
        sys.path.insert(0, str(HERE.parent))
        from tests.quick_xla import compile_quickly

        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # a short run is mostly XLA's compilation
        compile_quickly()
    if arguments.write:
        os.environ["TQDM_DISABLE"] = "1"  # progress bars are for whoever runs a notebook, not for its reader
    with ThreadPoolExecutor(arguments.jobs) as pool:
        failed = [name for name, ok in zip(names, pool.map(lambda name: run(name, arguments.write), names)) if not ok]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


def run(name: str, write: bool) -> bool:
    """Execute a notebook from top to bottom; whether it got there."""
    path = HERE / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # no word on how the kernel listens, on this machine alone
        resources={"metadata": {"path": str(HERE)}},
    )
    start = perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        print(f"{name}: failed after {perf_counter() - start:.0f} s\n{error}", flush=True)
        return False
    if write:
        hide_folders(notebook)
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(notebook, path)
        thumbnail(notebook, THUMBNAILS / f"{name}.png")
    print(f"{name}: {perf_counter() - start:.0f} s", flush=True)
    return True


def hide_folders(notebook: nbformat.NotebookNode) -> None:
    """A warning names the file that it comes from: without the folders of the machine that ran the notebook."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        if "text" in output:
            output.text = output.text.replace(f"{HERE.parent}/", "")


def thumbnail(notebook: nbformat.NotebookNode, path: Path) -> None:
    for cell in notebook.cells:
        if "thumbnail" in cell.metadata.get("tags", ()):
            pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", ())]
            picture = Image.open(io.BytesIO(base64.b64decode(pictures[-1]))).convert("RGB")
            path.parent.mkdir(exist_ok=True)
            picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.LANCZOS).save(path)
            return
    raise ValueError(f'{path.stem}: no cell has the tag "thumbnail"')


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="notebooks without .ipynb; all if none is named")
    parser.add_argument("--write", action="store_true", help="keep the outputs, and make the thumbnails")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks at a time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
