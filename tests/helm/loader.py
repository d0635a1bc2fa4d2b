"""YAML as Kubernetes reads it, where PyYAML does otherwise."""

from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """Takes a bare = for a string, and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping."""
        keys = [self.construct_object(key) for key, _ in node.value]
        if twice := {str(key) for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep)


def _text(loader: Loader, node: yaml.Node) -> Any:
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


Loader.add_constructor("tag:yaml.org,2002:value", _text)


def load(text: str) -> list[Any]:
    """The documents in the text, without empty ones."""
    return [document for document in yaml.load_all(text, Loader) if document is not None]
