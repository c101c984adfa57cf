"""An engine in a process of its own: `python -m blockfront.engines.process ENGINE FOLDER THREADS CPUS`.

The process reads inputs from the folder, runs once, writes the outputs there and says so. Then each line that it reads
asks for samples, and each that it writes, in JSON, answers. It ends with whoever started it.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blockfront.engines import ENGINES
from blockfront.engines.timing import sample_ms
from blockfront.errors import DeviceTimeout, RunError, first_line
from blockfront.plurals import counted

if TYPE_CHECKING:
    import numpy as np

LIMIT_S = 300.0
"""How long an engine may take for an answer; what optimises a network as it loads it takes seconds."""


class EngineProcess:
    """A network in an engine of another process, which ends with this object.

    `contents` are the network's files and `input.0.npy` and so on, by name; `cpus` the cores that it may use, those of
    its parent where it names none. `outputs` are what it gave in its first inference. Raises `RunError` for a network
    that the engine does not load or run, `DeviceTimeout` where it takes longer than `LIMIT_S`.
    """

    def __init__(self, engine: str, contents: Mapping[str, bytes], threads: int, cpus: Sequence[int] = ()) -> None:
        import numpy as np

        self._engine, self._threads = engine, threads
        self.versions: Mapping[str, str] = {}
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{engine}-")
        folder = Path(self._folder.name)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        self._errors = folder / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, engine, str(folder), str(threads), ",".join(map(str, cpus))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                start_new_session=True,
            )
        self._end = weakref.finalize(self, _finish, self._process, self._folder)
        count = self._answer()["outputs"]
        self.outputs = [np.load(folder / f"output.{i}.npy", allow_pickle=False) for i in range(count)]

    def milliseconds(self, number: int, repeat: int) -> list[float]:
        """As `Loaded` has it. Raises `RunError` where more threads work than the engine was given."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([number, repeat]).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failure() from None
        answer = self._answer()
        if answer["threads"] is not None and answer["threads"] > self._threads:
            raise RunError(f"{self._engine} works with {counted(answer['threads'], 'thread')}, not {self._threads}")
        return [float(sample) for sample in answer["samples_ms"]]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        end = time.monotonic() + LIMIT_S
        while not select.select([self._process.stdout], [], [], 1.0)[0]:
            # What it forked may hold the pipe open after its end.
            if self._process.poll() is not None:
                raise self._failure()
            if time.monotonic() > end:
                self._end()
                raise DeviceTimeout(f"{self._engine} has not answered for {LIMIT_S:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RunError(f"{self._engine}: {answer['error']}")
        return answer

    def _failure(self) -> RunError:
        code = self._process.wait()
        said = self._errors.read_text(errors="replace").strip().splitlines()
        return RunError(f"{self._engine} ended with exit code {code}: {said[-1][:300] if said else 'no message'}")


def npy_bytes(array: np.ndarray) -> bytes:
    """An array as the content of a `.npy` file."""
    import numpy as np

    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    return written.getvalue()


def _finish(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    # What an engine forked has its pipes: to wait for their end would be to wait for it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    folder.cleanup()


def main() -> None:
    """The other process."""
    import numpy as np

    name, given, threads, cpus = sys.argv[1:]
    if cpus:
        os.sched_setaffinity(0, [int(cpu) for cpu in cpus.split(",")])
    folder = Path(given)
    # Engines print where they like.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**known: Any) -> None:
        answers.write(json.dumps(known) + "\n")

    try:
        paths = sorted(folder.glob("input.*.npy"), key=lambda path: int(path.name.split(".")[1]))
        infer = ENGINES[name].start(folder, [np.load(path, allow_pickle=False) for path in paths], int(threads))
        outputs = infer()
        for i, array in enumerate(outputs):
            np.save(folder / f"output.{i}.npy", array, allow_pickle=False)
        answer(outputs=len(outputs))
        for line in sys.stdin:
            number, repeat = json.loads(line)
            samples, working = sample_ms(infer, number, repeat)
            answer(samples_ms=samples, threads=working)
    except Exception as error:
        answer(error=first_line(error)[:300])


if __name__ == "__main__":
    main()
