"""kill_at_roll.py PID DIRECTORY SECONDS: kill -9 of PID as soon as a new .log file appears below DIRECTORY."""

import os
import signal
import sys
import time


def segments(top):
    found = set()
    for entry in os.scandir(top):
        if entry.is_dir() and not entry.name.startswith("__"):
            try:
                found.update((entry.name, name) for name in os.listdir(entry.path) if name.endswith(".log"))
            except FileNotFoundError:
                pass
    return found


def main(pid, directory, seconds):
    before = segments(directory)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if new := segments(directory) - before:
            os.kill(pid, signal.SIGKILL)
            print("killed as", "/".join(min(new)), "appeared", file=sys.stderr)
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
