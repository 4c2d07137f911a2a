"""A real kernel that receives its cells as from JupyterLab: an answer split in two is read whole."""

import pytest
from jupyter_client.manager import start_new_kernel

HALVES = (
    "def swapped(x):\n    return x.transpose(0, 1)",
    "%%time\ndef to_rows(x):\n    return swapped(x).flatten(1, 2)",
)
IMPORT = "from omg_lib.lessons.assignments.checks import check_answer, remember_cells\nremember_cells()"


@pytest.fixture(scope="module")
def run():
    """run(source, grade_id or None) -> the result the cell shows."""
    manager, client = start_new_kernel()

    def cell(source: str, answer: str | None) -> str:
        metadata = {"cellId": str(hash(source))} | ({"nbgrader": {"grade_id": answer}} if answer else {})
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        asked = client.session.msg("execute_request", content, metadata=metadata)
        client.shell_channel.send(asked)
        shown = ""
        while True:
            told = client.get_iopub_msg(timeout=280)
            if told["parent_header"].get("msg_id") != asked["header"]["msg_id"]:
                continue
            if told["msg_type"] == "execute_result":
                shown = told["content"]["data"]["text/plain"]
            if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                return shown

    yield cell
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_both_halves_count(run):
    run(IMPORT, "setup")
    for half in HALVES:
        run(half, "a1-rows")
    assert run("check_answer('a1-rows', to_rows)", "a1-rows-test").startswith("Right")
    run(HALVES[0].replace("transpose(0, 1)", "clone()"), "a1-rows")
    assert run("check_answer('a1-rows', to_rows)", "a1-rows-test").startswith("Not yet")
