"""Components called from Python as objects: what the tests of components have in common."""

from functools import partial

import run_wasmtime
import wasmtime
from wasmtime import component

PROGRAMS = {}

OPTIONS = [
    "page-size", "block-size", "autoflush", "autocheckpoint", "automerge", "autowork", "durability",
    "use-log", "cache-size", "memory-limit", "read-only", "create", "create-new", "busy-timeout",
    "codec",
]


def options(**given):
    """The record `options` of siltstone:kv; what is not given has its default."""
    record = component.Record()
    for name in OPTIONS:
        setattr(record, name, given.pop(name, None))
    assert not given, given
    return record


def bound(kind="unbounded", key=None):
    return component.Variant(kind, key)


change = component.Variant


class Failed(Exception):
    """An error of siltstone:kv."""

    def __init__(self, error):
        super().__init__(error.message)
        for field in ("kind", "name", "code", "message", "path"):
            setattr(self, field, getattr(error, field))


class Component:
    """An instance. Directories are (host, guest, writable)."""

    def __init__(self, path, interface, directories):
        program = PROGRAMS.get(path) or PROGRAMS.setdefault(path, run_wasmtime.Program(path))
        self.store = program.store(directories=directories)
        self.instance = program.linker.instantiate(self.store, program.code)
        self.interface = interface

    def function(self, name, interface=None):
        outer = self.instance.get_export_index(self.store, interface or self.interface)
        assert outer is not None, interface or self.interface
        index = self.instance.get_export_index(self.store, name, outer)
        assert index is not None, name
        return self.instance.get_func(self.store, index)

    def call(self, name, *arguments, interface=None):
        """The function's answer: errors of siltstone:kv raised, resources as objects."""
        arguments = [getattr(argument, "handle", argument) for argument in arguments]
        answer = self.function(name, interface)(self.store, *arguments)
        # Results whose two sides look alike are told apart by a tag.
        if isinstance(answer, component.Variant) and answer.tag in ("ok", "err"):
            answer = answer.payload
        if isinstance(answer, component.Record) and hasattr(answer, "message"):
            raise Failed(answer)
        return answer

    def static(self, resource, name, *arguments):
        return Resource(self, resource, self.call(f"[static]{resource}.{name}", *arguments))


class Resource:
    """A resource; its methods have `_` for `-`."""

    def __init__(self, owner, resource, handle):
        self.owner, self.resource, self.handle = owner, resource, handle

    def __getattr__(self, name):
        return partial(self.method, name.replace("_", "-"))

    def method(self, name, *arguments):
        answer = self.owner.call(f"[method]{self.resource}.{name}", self.handle, *arguments)
        if isinstance(answer, component.ResourceAny):
            return Resource(self.owner, "transaction" if name == "begin" else name, answer)
        return answer

    def drop(self):
        self.handle.drop(self.owner.store)


__all__ = ["Component", "Failed", "Resource", "bound", "change", "options", "wasmtime"]
