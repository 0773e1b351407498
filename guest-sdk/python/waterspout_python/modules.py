"""The modules that an app may import and that were not imported while the component was made: the rest of the standard
library and of Tornado. Their compiled code is in the snapshot, where memory that nobody reads is nobody's memory.
"""

import importlib.machinery
import marshal
import os
import sys

import tornado

# What is only there to test, to teach or to install.
LEFT_OUT = {
    "__pycache__",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}

_kept = {}  # name -> (is a package, code, path)


def keep():
    """Compiles all modules that there are. Their files are gone when the component runs."""
    # The way of the standard library while a component is made.
    _keep_folder("/python", "")
    _keep_folder(os.path.dirname(tornado.__file__), "tornado.")
    if "json.tool" not in _kept or "tornado.testing" not in _kept:
        raise ImportError("the standard library or Tornado is not where it was")


def _keep_folder(root, prefix):
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in LEFT_OUT]
        inside = os.path.relpath(folder, root)
        package = prefix if inside == "." else prefix + inside.replace("/", ".") + "."
        for name in names:
            module, extension = os.path.splitext(name)
            if extension != ".py":
                continue
            is_package = module == "__init__"
            module = package[:-1] if is_package else package + module
            if not module or module in sys.modules:
                continue
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                source = file.read()
            try:
                code = compile(source, path, "exec", dont_inherit=True, optimize=2)
            except SyntaxError:
                continue  # a template of code
            _kept[module] = (is_package, marshal.dumps(code), path)


class Finder:
    """Finds them, after all that the app has by itself."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in _kept:
            return None
        is_package, _, origin = _kept[name]
        spec = importlib.machinery.ModuleSpec(name, cls, origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    @classmethod
    def create_module(cls, spec):
        return None

    @classmethod
    def exec_module(cls, module):
        exec(cls.get_code(module.__spec__.name), module.__dict__)

    @classmethod
    def get_code(cls, name):
        return marshal.loads(_kept[name][1])

    @classmethod
    def get_source(cls, name):
        return None

    @classmethod
    def is_package(cls, name):
        return _kept[name][0]
