"""Grades: every submission is tested again, each in a process of its own with limits.

What a student wrote runs here as code. The process may use 60 seconds of wall time for all answers
and 15 for one, 8 GB of memory, and a folder of its own; it may not write, delete or start anything
elsewhere, nor open a connection. That is a fence against accidents, not against an attacker: grade
files of people whom you know.
"""

import concurrent.futures
import csv
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ANSWER_SECONDS, ALL_SECONDS, MEMORY = 15, 60, 8 * 2**30
# What Python reports before it happens, and the place of the path in its arguments.
CHANGES = {"os.remove": 0, "os.rename": 0, "os.rmdir": 0, "os.mkdir": 0, "os.chmod": 0}
CHANGES |= {"os.truncate": 0, "os.link": 1, "os.symlink": 1, "shutil.rmtree": 0, "shutil.move": 0}
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
CONNECTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto")


def grade(folder, workers=2):
    """Test all `submission_*.json` of a folder again, and write `grades.csv` into it.

    Returns:
        A table in words. The file has a row a submission: name, number of right answers, and for
        each exercise "right", "wrong", "open", "broken" or "stopped".
    """
    files = sorted(folder.glob("submission_*.json"))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(_grade_one, files))
    numbers = sorted({number for _, states, _ in results for number in states})
    header = ["file", "name", "right", *numbers, "note"]
    rows = []
    for file, (name, states, note) in zip(files, results):
        right = sum(state == "right" for state in states.values())
        rows.append([file.name, name, right, *[states.get(n, "") for n in numbers], note])
    with open(folder / "grades.csv", "w", newline="", encoding="utf-8") as table:
        csv.writer(table).writerows([header, *rows])
    return "\n".join(f"{row[2]:3d} right  {row[1]}  {row[-1]}".rstrip() for row in rows)


def _grade_one(file):
    """`(name, states, note)` of one submission; never raises."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        name, numbers = str(content["name"])[:60], list(content["answers"])
    except Exception as error:
        return "?", {}, f"unreadable: {type(error).__name__}"
    states = dict.fromkeys(map(str, numbers), "stopped")
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as place:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": place, "TMPDIR": place}
        environment |= {"PYTHONPATH": str(Path(__file__).parent.parent.parent)}
        environment |= {"KERAS_HOME": place, "MPLCONFIGDIR": place, "MPLBACKEND": "agg"}
        environment |= {
            k: v for k, v in os.environ.items() if k in ("GAN_UTILS_DATA", "SYSTEMROOT")
        }
        command = [sys.executable, "-m", "gan_utils.exercises", "rerun", str(file.resolve())]
        process = subprocess.Popen(
            command, cwd=place, env=environment, start_new_session=True, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        timer = threading.Timer(ALL_SECONDS, _kill, [process])
        timer.start()
        try:
            output, _ = process.communicate(token)
        finally:
            timer.cancel()
            _kill(process)
    for line in output.splitlines():
        if line.startswith(token):
            number, state = json.loads(line.removeprefix(token))
            states[number] = state
    note = "" if process.returncode == 0 else "stopped: too long, too large, or it crashed"
    return name, states, note


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
    except ProcessLookupError:
        pass


def rerun(file):
    """Test the answers of one submission in this process, and print a line for each."""
    from gan_utils.exercises import book, engine

    token, answers = sys.stdin.readline().strip(), json.loads(file.read_text())["answers"]
    report, chapters = sys.stdout, {}
    sys.stdout = sys.stderr
    for number in sorted(answers):
        begin = number.split(".")[0]
        if begin in book.chapters() and begin not in chapters:
            chapters[begin] = {}
            engine.run(book.chapter(begin).SETUP, chapters[begin])
    _fence(Path.cwd())
    for number in sorted(answers):
        state = _judge(number, answers[number]["answer"], chapters)
        print(token + json.dumps([number, state]), file=report, flush=True)
    os._exit(0)


def _judge(number, packed, chapters):
    from gan_utils.exercises import book, engine

    try:
        with _time_limit(ANSWER_SECONDS):
            exercise = book.find(number)
            candidate = engine.unpack(packed, chapters[number.split(".")[0]])
            return engine.judge(exercise, candidate).state
    except TooLong:
        return "stopped"
    except BaseException:  # also SystemExit of the student's code
        return "broken"


class TooLong(BaseException):
    """Not an Exception, which a student's code may catch."""


class _time_limit:
    """Raises TooLong in the main thread, where the system has alarms."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        def stop(*_):
            raise TooLong

        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, stop)
            signal.alarm(self.seconds)

    def __exit__(self, *_):
        if hasattr(signal, "SIGALRM"):
            signal.alarm(0)


def _fence(place):
    """From now on this process changes nothing outside of `place`, and uses at most MEMORY."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 2**20, 100 * 2**20))
    except (ImportError, ValueError):
        pass
    inside = str(place.resolve())

    def watch(event, arguments):
        if event in STARTS or event in CONNECTS:
            raise PermissionError(f"{event} is not allowed in an answer")
        path = arguments[CHANGES[event]] if event in CHANGES else None
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            path = arguments[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            path = os.path.realpath(os.fsdecode(path))
            if path != os.devnull and os.path.commonpath([inside, path]) != inside:
                raise PermissionError(f"an answer may not change {path}")

    sys.addaudithook(watch)
