"""A training whose process is killed goes on in another, bit for bit."""

import importlib

from tests.launch import killed, launch


def test_a_killed_training_resumes(adapter, tmp_path):
    program, folder = f"tests.{adapter.name}.resume", str(tmp_path)
    # of another order of its sets, NumPyro's losses differ in their last digits from process to process
    order = {"PYTHONHASHSEED": "0"}
    whole = killed(program, folder, "killed", last="done", **order)  # it went on before it was killed
    (resumed,) = launch([program, folder, "resumed"], **order)
    names = importlib.import_module(program).GUIDES
    for name, losses, expected in zip(names, resumed.splitlines()[:-1], whole, strict=True):
        assert losses == expected and len(set(losses.split())) == 4, name
