"""A YAML file as plain data, with the line of every key and item. Safe against whatever YAML can be made to do."""

import re
from typing import Any

import yaml

from receiver.config.problems import Finding, Path

# Aliases multiply: nine lines can mean a billion values. Far above any configuration.
MOST_VALUES = 200_000
# The configuration itself needs six.
DEEPEST = 50

_TAG = "tag:yaml.org,2002:"
# Times and binaries stay the texts they are written as, and so does 9:30, which YAML 1.1 takes for 570.
_CONSTRUCTED = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float"))
_TEXTS = frozenset(_TAG + kind for kind in ("str", "timestamp", "binary", "value", "merge"))


class BadDocument(Exception):
    """A text that is no YAML, or too much of it; ``line`` counts from 1, None when there is no one place."""

    def __init__(self, line: int | None, wrong: str) -> None:
        """Say what is wrong, without quoting the file: a credential may stand there."""
        super().__init__(wrong)
        self.line = line
        self.wrong = wrong


class Document:
    """The data of a file: dicts with text keys, lists, texts, numbers, booleans and None.

    ``findings`` are the mistakes that leave the rest readable, such as duplicate keys.
    """

    def __init__(self, text: str) -> None:
        """Read the YAML ``text``; raises BadDocument."""
        self.findings: list[Finding] = []
        self._lines: dict[Path, int] = {}
        self._visited = 0
        self._constructor = yaml.constructor.SafeConstructor()
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data: Any = None if node is None else self._value(node, (), ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise BadDocument(None if mark is None else mark.line + 1, f"not YAML: {_told(error)}") from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise BadDocument(line, "not YAML: a character that YAML does not allow") from None
        except RecursionError:
            raise BadDocument(None, "nested too deeply") from None

    def line(self, path: Path) -> int:
        """The line of a key or item, from 1; of what is nearest around it when it is not in the file."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _value(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]) -> Any:
        """The node's value; ``around`` are the nodes that it is part of."""
        self._lines.setdefault(path, _line(node))
        self._visit(node, path, around)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, i), (*around, node)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _visit(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]) -> None:
        """Count the node, and refuse to go where there is no end."""
        self._visited += 1
        if self._visited > MOST_VALUES:
            raise BadDocument(None, f"too large: more than {MOST_VALUES} values, aliases counted where they are used")
        if any(node is outer for outer in around):
            raise BadDocument(_line(node), "an alias that contains itself")
        if len(path) > DEEPEST:
            raise BadDocument(_line(node), "nested too deeply")

    def _mapping(self, node: yaml.MappingNode, path: Path, around: tuple[yaml.Node, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged = []
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged.append(value)
            elif not isinstance(key, yaml.ScalarNode):
                self.findings.append(Finding((*path, "?"), "a key must be a text", line=_line(key)))
            elif key.value in values:
                wrong = f"duplicate key; the first is in line {self.line((*path, key.value))}"
                self.findings.append(Finding((*path, key.value), wrong, line=_line(key)))
            else:
                self._lines[(*path, key.value)] = _line(key)
                values[key.value] = self._value(value, (*path, key.value), around)
        for source in merged:
            self._merge(source, values, path, around)
        return values

    def _merge(self, source: yaml.Node, values: dict[str, Any], path: Path, around: tuple[yaml.Node, ...]) -> None:
        """Add the keys of ``<<`` that the mapping does not have itself."""
        for mapping in source.value if isinstance(source, yaml.SequenceNode) else [source]:
            if not isinstance(mapping, yaml.MappingNode):
                self.findings.append(Finding((*path, "<<"), "only mappings can be merged"))
                continue
            self._visit(mapping, path, around)
            own = yaml.MappingNode(
                mapping.tag,
                [(key, value) for key, value in mapping.value if not _is_among(key, values)],
                mapping.start_mark,
                mapping.end_mark,
            )
            values |= self._mapping(own, path, (*around, mapping))

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        if node.tag in _CONSTRUCTED and ":" not in node.value and len(node.value) < 100:
            try:
                value = self._constructor.construct_object(node)
            except (ValueError, LookupError):
                # "0x_" and "!!bool perhaps" look like what they are not.
                return node.value
            return int(value) if isinstance(value, float) and value.is_integer() else value
        if node.tag not in _TEXTS | _CONSTRUCTED:
            self.findings.append(Finding(path, "YAML tags (!name) have no meaning here", "quote what begins with !"))
        return node.value


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _is_among(key: yaml.Node, values: dict[str, Any]) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value in values


def _told(error: yaml.MarkedYAMLError) -> str:
    """The parser's own words, but for what it quotes from the file beyond a character."""
    words = ": ".join(part for part in (error.context, error.problem) if part)
    return re.sub(r"""(['"])(?!<)[^'"]{2,}\1""", "…", words)
