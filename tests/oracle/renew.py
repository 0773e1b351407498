"""Asks Tornado anew: python3 tests/oracle/renew.py

Runs every program of this folder, and `tests/python/programs.py`, in a virtual environment with Tornado, which it makes
in `target/tmp` with pip where it is not there yet, and writes what each prints beside it, as JSON.
"""

import pathlib
import subprocess
import sys
import venv

VERSION = "6.6.1"
HERE = pathlib.Path(__file__).resolve().parent
PLACE = HERE.parents[1] / "target" / "tmp" / ("tornado-%s-python-%d.%d" % (VERSION, *sys.version_info[:2]))
# Not programs that record.
HELPERS = {"record", "renew"}


def environment():
    """The Python of the virtual environment."""
    python = PLACE / "bin" / "python"
    # Last of all, so that an environment without it is one that was not finished.
    finished = PLACE / "finished"
    if not finished.exists():
        venv.create(PLACE, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "tornado==" + VERSION], check=True)
        finished.touch()
    return python


def main():
    if sys.version_info < (3, 11):
        sys.exit("Tornado %s needs Python 3.11 or later, and this is %s" % (VERSION, sys.version.split()[0]))
    python = environment()
    programs = sorted(path for path in HERE.glob("*.py") if path.stem not in HELPERS)
    programs.append(HERE.parent / "python" / "programs.py")
    # All of them, before the first file is touched.
    records = [subprocess.run([python, "-B", path], check=True, stdout=subprocess.PIPE).stdout for path in programs]
    for path, record in zip(programs, records):
        file = path.with_suffix(".json")
        same = file.exists() and file.read_bytes() == record
        file.write_bytes(record)
        print("%s: %d lines, %s" % (file.name, record.count(b"\n"), "as before" if same else "changed"))


if __name__ == "__main__":
    main()
