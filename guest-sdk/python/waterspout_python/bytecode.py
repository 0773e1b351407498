"""Compiles an app's modules, in an instance that runs nothing of the app. So what its own instances import is what the
compiler has made of these files, whatever has become of the instance in which the app runs.
"""

import importlib._bootstrap_external
import importlib.util
import os


def compile_folder(folder, entry):
    """Compiles all modules whose bytecode is not there yet, except the file that is run."""
    for below, folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(below, name)
            if name.endswith(".py") and path != entry:
                _compile(path, importlib.util.cache_from_source(path))


def _compile(path, place):
    if os.path.exists(place):
        return
    with open(path, "rb") as file:
        source = file.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        # Who imports it is told.
        return
    # Known by the hash of its source, and valid without a look at it: the host has chosen it by the source.
    data = importlib._bootstrap_external._code_to_hash_pyc(code, importlib.util.source_hash(source), False)
    parent = os.path.dirname(place)
    # Nothing is there above the granted folder, so it is not to be made.
    if not os.path.isdir(parent):
        os.makedirs(parent)
    with open(place, "wb") as file:
        file.write(data)
