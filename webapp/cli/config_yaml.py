"""The configuration file as YAML: read strictly and without loss, written the way people write it."""

from __future__ import annotations

from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"

#: What looks like a number, a date or a yes to YAML, and to us is text first.
_AMBIGUOUS = ("int", "float", "bool", "timestamp")
_KEYS = {_MERGE, f"{_TAG}str", *(f"{_TAG}{kind}" for kind in _AMBIGUOUS)}


class NotReadable(ValueError):
    """The bytes are no UTF-8 or no YAML. The message says where."""


class Written(str):
    """A scalar as it stands in the file, so that the key 007 stays 007; ``meaning`` is what YAML makes of it."""

    __slots__ = ("meaning",)
    meaning: Any


class _Loader(_Base):
    """The safe loader, but a key that stands twice is a mistake, and numbers, dates and yes/no remember their text."""

    def flatten_mapping(self, node: Any) -> None:
        """The first look at every mapping, before ``<<`` is resolved: the place to see a key twice."""
        checked = self.__dict__.setdefault("checked", set())
        if id(node) not in checked:
            checked.add(id(node))
            seen = set()
            for key, _value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag not in _KEYS:
                    raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
                if key.tag != _MERGE and key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        super().flatten_mapping(node)


def _remembering(kind: str) -> Any:
    construct = yaml.SafeLoader.yaml_constructors[_TAG + kind]

    def written(loader: Any, node: Any) -> Written:
        text = Written(node.value)
        try:
            text.meaning = construct(loader, node)
        except (ValueError, KeyError, OverflowError):
            text.meaning = node.value
        return text

    return written


for _kind in _AMBIGUOUS:
    _Loader.add_constructor(_TAG + _kind, _remembering(_kind))


def read(content: bytes) -> Any:
    """The document of a file. Raises NotReadable."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable(f"is not UTF-8 text (byte {error.start})") from error
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise NotReadable(f"is not valid YAML: {where}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise NotReadable(f"is not valid YAML: {' '.join(str(error).split())}") from error
    except (RecursionError, ValueError) as error:
        raise NotReadable(f"is not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


def write(document: Any) -> str:
    """The document as YAML, its keys in the order they have."""
    return yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """The safe dumper without its anchors: the same text twice is no reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
