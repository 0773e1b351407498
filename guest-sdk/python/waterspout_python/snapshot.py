"""The memory with which each instance begins, arranged so that an instance writes to little of it: what it does not
write to is shared by all instances. Runs once, while the component is made.
"""

import gc
import opcode
import struct
import sys
import types

from . import warm_up

# CPython does not count the references to an object that has this number of them, or any from 2**30 on. So it does not
# write to the object's memory whenever the object is used. It is CPython's own number where a pointer has 32 bits.
IMMORTAL = (5 << 28).to_bytes(4, "little")

# What is there only while this runs.
PASSING = (types.FrameType, types.TracebackType, types.GeneratorType, types.CoroutineType)

_filling = []


def keep():
    """Makes all that is there now the part of memory that instances share."""
    memory = _memory()
    # First, so that code is specialized for objects that are immortal.
    _make_immortal(memory)
    warm_up.serve()
    # What caches hold, and nobody else, would be given back by instances.
    sys._clear_type_cache()
    gc.collect()
    _make_immortal(memory)
    # Once more: caches then hold what is immortal. And the collector keeps no account of that from here on.
    warm_up.serve()
    gc.collect()
    _fill_holes()
    gc.freeze()


def _memory():
    """All memory of the component, as a bytearray. Python has no name for it. But CPython takes constants of a function
    without a look at how many there are, and past those of this one is a bytearray that begins at the address 0.
    """
    header = struct.calcsize("<4I")  # of bytes
    if bytes.__basicsize__ != header + 1 or bytearray.__basicsize__ != struct.calcsize("<7I"):
        raise RuntimeError("CPython's objects are not as they were")
    whole = 0x7FFFFFFF
    fake = IMMORTAL + struct.pack("<6I", id(bytearray), whole, whole, 0, 0, 0)
    address = struct.pack("<I", id(fake) + header)

    def constant():
        return None

    constants = (None,)
    first = id(constants) + tuple.__basicsize__
    number = (id(address) + header - first) // 4 & 0xFFFFFFFF
    high, *rest = number.to_bytes(4, "big")
    code = [opcode.opmap["RESUME"], 0]
    for part in (high, *rest[:2]):
        code += [opcode.opmap["EXTENDED_ARG"], part]
    code += [opcode.opmap["LOAD_CONST"], rest[2], opcode.opmap["RETURN_VALUE"], 0]
    constant.__code__ = constant.__code__.replace(co_code=bytes(code), co_consts=constants)
    memory = constant()
    probe = object()
    if memory[id(probe) : id(probe) + 8] != struct.pack("<2I", 1, id(object)):
        raise RuntimeError("CPython's objects are not as they were")
    _filling.append(fake)
    return memory


def _make_immortal(memory):
    """Every object that can be reached."""
    found = {}
    todo = gc.get_objects()
    own = {id(todo), id(found)}
    while todo:
        one = todo.pop()
        if id(one) in found or id(one) in own or isinstance(one, PASSING):
            continue
        found[id(one)] = one
        if isinstance(one, types.CodeType):
            # The collector does not ask code for what it refers to.
            todo += [getattr(one, name) for name in dir(one) if name.startswith("co_") and name != "co_lnotab"]
        else:
            todo += gc.get_referents(one)
    for address, one in found.items():
        if sys.getrefcount(one) < 1 << 30:
            memory[address : address + 4] = IMMORTAL


def _fill_holes():
    """Takes the free memory between what is there. So what an instance makes is in new memory, side by side."""
    top = id(bytes(1 << 21))
    for size in (*range(1 << 16, 1 << 12, -(1 << 12)), *range(1 << 12, 8, -8)):
        while id(piece := bytes(size)) < top:
            _filling.append(piece)
    while id(piece := object()) < top:
        _filling.append(piece)
