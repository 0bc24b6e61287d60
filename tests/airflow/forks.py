"""Run ``airflow`` commands in forks of a process that has imported Airflow, which takes most of their CPU time."""

import multiprocessing
import os
import sys

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.airflow.preloaded"])


class AirflowFork:
    """A running ``airflow`` command, whose output goes to a file."""

    def __init__(self, arguments, *, environment, output):
        self._output = output
        self._process = _forks.Process(target=_run, args=(arguments, environment, output))
        self._process.start()

    @property
    def is_running(self):
        return self._process.is_alive()

    def terminate(self):
        self._process.terminate()

    def kill(self):
        self._process.kill()
        self._process.join()

    def output(self, *, timeout=300):
        """Wait until the command ends, and return its output."""
        self._process.join(timeout)
        assert not self.is_running, self._output.read_text()
        return self._output.read_text()


def _run(arguments, environment, output):
    os.environ.clear()
    os.environ.update(environment)
    with output.open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.argv = ["airflow", *arguments]
    from airflow.__main__ import main

    main()
