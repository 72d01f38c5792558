"""Sandboxes: real processes that die, hang, fail and are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.running import wait_for
from scipy.fftpack import hilbert

from wscale.parallel import sandbox as module
from wscale.parallel.sandbox import Limits, Sandbox, SandboxDied, close_all, impose, timed

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and forks")


@pytest.fixture
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


def in_a_thread(function, *args):
    """Call a function in a thread; return what it returns or raises, once it is there."""
    outcome = []

    def call():
        try:
            outcome.append(function(*args))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()

    def result():
        thread.join(60)
        assert outcome, "no outcome"
        return outcome[0]

    return result


def large(size):
    return b"x" * size


def test_large_answers_arrive_and_a_process_killed_in_the_midst_of_one_is_no_hang(sandbox):
    assert len(sandbox.call(large, 50_000_000)) == 50_000_000
    for wait_s in (0.0, 0.01, 0.05):
        pid = sandbox.call(os.getpid)
        answer = in_a_thread(sandbox.call, large, 200_000_000)
        time.sleep(wait_s)
        os.kill(pid, signal.SIGKILL)
        died = answer()
        assert isinstance(died, bytes) or "SIGKILL" in str(died)


def test_errors_come_back_as_what_they_are_and_others_in_words(sandbox):
    with pytest.raises(ValueError, match="invalid literal") as caught:
        sandbox.call(int, "x")
    assert "In a worker process:" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        sandbox.call(exit, 3)
    with pytest.raises((RuntimeError, TypeError), match="pickle"):
        sandbox.call(open, os.devnull)
    assert sandbox.call(abs, -1) == 1


def test_a_death_says_how_and_the_next_call_has_a_new_process(sandbox):
    first = sandbox.call(os.getpid)
    for end, said, code in (
        ((signal.raise_signal, signal.SIGSEGV), "segmentation fault", -signal.SIGSEGV),
        ((os._exit, 3), "exit code 3", 3),
        ((os._exit, 1), "exit code 1", 1),  # no time limit, though that ends with 1 as well
    ):
        with pytest.raises(SandboxDied, match=said) as died:
            sandbox.call(*end)
        assert died.value.code == code
    assert sandbox.call(os.getpid) != first


def test_a_sandbox_that_is_closed_ends_its_call_and_takes_no_other(sandbox):
    pid = sandbox.call(os.getpid)
    answer = in_a_thread(sandbox.call, time.sleep, 3600)
    sandbox.close()
    assert isinstance(answer(), SandboxDied)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(SandboxDied, match="stopped"):
        sandbox.call(abs, -1)


def test_sandboxes_closed_while_they_start_leave_nothing():
    for wait_s in (0.0, 0.01, 0.2):
        one = Sandbox()
        answer = in_a_thread(one.call, os.getpid)
        time.sleep(wait_s)
        one.close()
        if isinstance(pid := answer(), int):
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        else:
            assert isinstance(pid, SandboxDied)


def idle_for(seconds):
    module._IDLE_s = seconds


def test_a_process_that_has_ended_for_idleness_is_started_again(sandbox):
    sandbox.call(idle_for, 0.05)
    first = sandbox.call(os.getpid)
    for wait_s in (0.05, 0.049, 0.051):  # at the same moment as a call, too
        time.sleep(wait_s)
        sandbox.call(idle_for, 0.05)
    wait_for(lambda: not sandbox._process[0].is_alive(), "end for idleness")
    assert sandbox.call(os.getpid) != first


def test_a_fork_has_sandboxes_of_its_own_and_leaves_those_of_others(sandbox):
    pid = sandbox.call(os.getpid)
    fork = os.fork()
    if fork == 0:
        code = 1
        try:
            with Sandbox() as own:
                code = 0 if own.call(os.getpid) != pid else 2
            close_all()  # as at the end of a process
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert sandbox.call(os.getpid) == pid


def test_nested_limits_of_time_do_not_end_each_other(monkeypatch):
    with Path(os.devnull).open("wb") as nowhere:
        monkeypatch.setattr(module, "_watched", nowhere)
        impose(Limits(trial_timeout_s=100.0))
        try:
            with timed(preparation=True):
                outer = module._ends_at
                with timed():
                    assert module._ends_at < outer
                assert module._ends_at == outer
            assert module._ends_at is None
        finally:
            impose(None)


def hang():
    impose(Limits(trial_timeout_s=0.2))
    with timed():
        spin()


def test_a_trial_that_hangs_inside_neuron_is_ended(sandbox):
    with pytest.raises(SandboxDied, match="longer than `trial_timeout_s`"):
        sandbox.call(hang)


def names_of_threads(pid):
    return [task.joinpath("comm").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]


def state_of_the_start():
    before = "netpyne.sim" in sys.modules
    return before, os.getppid(), names_of_threads(os.getppid())


@linux
def test_a_sandbox_is_forked_from_a_process_with_netpyne_and_no_threads():
    script = (
        "from wscale.parallel.sandbox import Sandbox\n"
        "from test_sandbox import state_of_the_start\n"
        "with Sandbox() as one, Sandbox() as other:\n"
        "    print([one.call(state_of_the_start), other.call(state_of_the_start)])\n"
    )
    said, _ = started(script).communicate(timeout=120)
    (preloaded, server, threads), other = eval(said)
    assert preloaded
    assert len(threads) == 1
    assert other == (True, server, threads)


def what_analyses_need():
    """Call functions of libraries that NetPyNE's analyses import by name."""
    before = {name for name in ("bokeh", "pandas", "scipy.signal") if name in sys.modules}
    from netpyne.analysis import csd, tools

    transform = csd.hilbert([0.0, 1.0, 0.0, -1.0]).tolist()
    frame = tools.pd.DataFrame({"v": [1.0, 2.0]})
    import pandas

    return before, transform, isinstance(frame, pandas.DataFrame)


@linux
def test_what_only_analyses_need_is_imported_when_they_do(sandbox):
    before, transform, of_pandas = sandbox.call(what_analyses_need)
    assert before == set()
    # the Hilbert transform of a sine, in the sign that scipy.fftpack has
    assert transform == pytest.approx(hilbert([0.0, 1.0, 0.0, -1.0]))
    assert np.abs(transform) == pytest.approx([1.0, 0.0, 1.0, 0.0], abs=1e-12)
    assert of_pandas


def started(script):
    """Start Python code that can import this module."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from wscale.parallel.sandbox import Sandbox\n"
        "print('once')\n"
        "print(Sandbox().call(abs, -3))\n"
        "print(Sandbox(preloaded=False).call(abs, -4))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.split() == ["once", "3", "4"]
    assert done.stderr == ""


def the_environment():
    return os.environ.get("WSCALE_TEST"), Path.cwd()


def test_a_new_process_has_the_environment_and_folder_of_now(tmp_path, monkeypatch):
    with Sandbox() as before:
        before.call(abs, -1)  # the server is there
        monkeypatch.setenv("WSCALE_TEST", "now")
        monkeypatch.chdir(tmp_path)
        with Sandbox() as after:
            assert after.call(the_environment) == ("now", tmp_path)


def sleeper():
    return subprocess.Popen(["sleep", "3600"]).pid


def spin():
    """Hang in compiled code that holds the interpreter's lock, and never looks at signals."""
    from neuron import h

    h("proc forever() { while (1) {} }")
    h.forever()


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


ENDS_WITH_MAIN = {
    "inside NEURON": "one = Sandbox(); print(one.call(os.getpid), flush=True); one.call(spin)",
    "with what it has started": "one = Sandbox(preloaded=False)\n"
    "print(one.call(os.getpid), one.call(sleeper), flush=True); one.call(time.sleep, 3600)",
}


@linux
@pytest.mark.parametrize("case", ENDS_WITH_MAIN)
def test_a_process_ends_with_a_main_process_that_is_killed(case):
    head = (
        "import os, time\n"
        "from wscale.parallel.sandbox import Sandbox\n"
        "from test_sandbox import sleeper, spin\n"
    )
    main = started(head + ENDS_WITH_MAIN[case])
    pids = [int(word) for word in main.stdout.readline().split()]
    assert pids
    assert all(map(lives, pids))
    main.kill()
    main.wait()
    wait_for(lambda: not any(map(lives, pids)), "end of what was started", 10)
