"""Pytrees: structures, registration, key paths, error texts."""
from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import sys
from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrax import tree
from arrax.core.pytree import broadcast_prefix, equality_errors, prefix_errors
from arrax.tree_util import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    Partial,
    PyTreeDef,
    SequenceKey,
    all_leaves,
    build_tree,
    flatten_one_level,
    is_tree_node,
    keystr,
    register_dataclass,
    register_pytree_node,
    register_pytree_with_keys_class,
    register_static,
    tree_broadcast,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_map_with_path,
    tree_reduce,
    tree_reduce_associative,
    tree_structure,
    tree_transpose,
    tree_unflatten,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
)

Point = namedtuple("Point", "x y")


class Box:
    def __init__(self, a, b, meta):
        self.a, self.b, self.meta = a, b, meta

    def __repr__(self):
        return f"Box({self.a},{self.b},{self.meta})"


register_pytree_node(Box, lambda c: ((c.a, c.b), c.meta), lambda m, ch: Box(*ch, m))


@register_pytree_with_keys_class
class Keyed:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def tree_flatten_with_keys(self):
        return ((GetAttrKey("a"), self.a), ("bee", self.b)), None

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls(*children)


@register_dataclass
@dataclasses.dataclass
class Data:
    x: int
    y: int
    label: str = tree.static(default="q")


@register_static
class Static(int):
    pass


TEXTS = [
    ({"b": 1, "a": (2, 3)}, "{'a': (*, *), 'b': *}"), ([1, None, ()], "[*, None, ()]"),
    (Point(1, 2), "CustomNode(namedtuple[Point], [*, *])"), (1, "*"), ((1,), "(*,)"), ({}, "{}"),
    (OrderedDict(b=1, a=2), "CustomNode(OrderedDict[('b', 'a')], [*, *])"),
    (defaultdict(int, b=1, a=2),
     "CustomNode(defaultdict[(<class 'int'>, ('a', 'b'))], [*, *])"),
    (Box(1, (2,), "meta"), "CustomNode(Box[meta], [*, (*,)])"),
    (Data(1, 2), "CustomNode(Data[('q',)], [*, *])"), (Static(3), "CustomNode(Static[3], [])"),
    (Partial(max, 1, k=2), "CustomNode(Partial[<built-in function max>], [(*,), {'k': *}])"),
    (deque([1]), "*"), (type("List", (list,), {})([1]), "*"),
]


@pytest.mark.parametrize("value,text", TEXTS)
def test_structure_text(value, text):
    assert repr(tree_structure(value)) == f"PyTreeDef({text})"


containers = st.recursive(
    st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    | st.builds(Point, inner, inner) | st.builds(Data, inner, inner), max_leaves=12)


@given(containers)
def test_flatten_and_back(value):
    leaves, treedef = tree_flatten(value)
    assert treedef.unflatten(leaves) == value
    assert treedef.num_leaves == len(leaves)
    assert treedef == tree_structure(value) and hash(treedef) == hash(tree_structure(value))
    assert [leaf for _, leaf in tree_leaves_with_path(value)] == leaves
    assert tree_flatten_with_path(value)[1] == treedef
    assert treedef.flatten_up_to(value) == leaves
    assert tree_map(lambda x: x, value) == value
    assert not list(equality_errors(value, value)) and not prefix_errors(value, value)
    assert pickle.loads(pickle.dumps(treedef)) == treedef == copy.deepcopy(treedef)
    assert treedef.from_node_data_and_children(
        None, treedef.node_data(), treedef.children()) == treedef


@given(containers, containers)
def test_structures_are_equal_when_there_are_no_errors(one, other):
    same = tree_structure(one) == tree_structure(other)
    assert same == (not list(equality_errors(one, other)))


def test_dicts_come_in_sorted_order():
    assert tree_leaves({"b": 1, "a": 2}) == [2, 1]
    assert list(tree_map(lambda x: x, {"b": 1, "a": 2})) == ["a", "b"]
    assert list(tree_map(lambda x: x, OrderedDict(b=1, a=2))) == ["b", "a"]
    with pytest.raises(ValueError, match="Comparator raised exception while sorting"):
        tree_leaves({1: 2, "a": 3})


UP_TO = [
    ((1, 2), (1, 2, 3), "Tuple arity mismatch: 3 != 2; tuple: (1, 2, 3)."),
    ((1, 2), [1, 2], "Expected tuple, got [1, 2]."),
    ([1, 2], [1], "List arity mismatch: 1 != 2; list: [1]."),
    ({"a": 1}, {"b": 1}, "Dict key mismatch; expected keys: ['a']; present keys: ['b']."),
    ({"a": 1}, 3, "Expected dict, got 3."), (None, 3, "Expected None, got 3."),
    (Point(1, 2), (1, 2), "Expected named tuple, got (1, 2)."),
    (Point(1, 2), namedtuple("Q", "x y")(1, 2), "Named tuple type mismatch: expected type: "),
    (Box(1, 2, "a"), Box(1, 2, "b"), "Mismatch custom node data: 'a' != 'b'; value: Box(1,2,b)."),
    (Box(1, 2, "a"), 4, "Custom node type mismatch: expected type: "),
    ({"a": 1}, OrderedDict(a=1), "Expected dict, got OrderedDict"),
]


@pytest.mark.parametrize("prefix,full,message", UP_TO)
def test_flatten_up_to_errors(prefix, full, message):
    with pytest.raises(ValueError) as error:
        tree_structure(prefix).flatten_up_to(full)
    assert str(error.value).startswith(message)
    with pytest.raises(ValueError, match="pytree structure error: different .* at key path"):
        tree_map(lambda x, y: x, prefix, full)


def test_errors_name_the_place():
    with pytest.raises(ValueError) as error:
        tree_map(lambda x, y: 0, [1, (2, 3)], [1, (2,)])
    assert str(error.value) == (
        "pytree structure error: different lengths of tuple at key path\n    tree_map tree[1]\nAt "
        "that key path, the prefix pytree tree_map tree has a subtree of type tuple of length 2, "
        "but the full pytree has a subtree of the same type but of length 1.")
    errors = [str(e("in_axes")) for e in prefix_errors((1, ({"a": 1}, None)), (1, ({"b": 1}, 3)))]
    assert "in_axes[1][0]" in errors[0] and "- ('a',)" in errors[0]
    assert "in_axes[1][1]" in errors[1] and "<class 'NoneType'>" in errors[1]


def test_unflatten_checks_the_number_of_leaves():
    treedef = tree_structure((1, 2))
    with pytest.raises(ValueError, match="Too few leaves for PyTreeDef; expected 2, got 1"):
        tree_unflatten(treedef, [1])
    with pytest.raises(ValueError, match="Too many leaves for PyTreeDef; expected 2."):
        tree_unflatten(treedef, [1, 2, 3])
    assert tree_unflatten(treedef, iter([1, 2])) == (1, 2)


MIXED = {"a": [1, (2,)], "b": Point(3, 4), "c": Box(5, 6, 7), "d": Keyed(1, 2), "e": Data(1, 2),
         "f": OrderedDict(q=1), "n": None}


def test_key_paths():
    assert [keystr(path) for path, _ in tree_leaves_with_path(MIXED)] == [
        "['a'][0]", "['a'][1][0]", "['b'].x", "['b'].y", "['c'][<flat index 0>]",
        "['c'][<flat index 1>]", "['d'].a", "['d']bee", "['e'].x", "['e'].y", "['f']['q']"]
    assert [keystr(path, simple=True, separator="/") for path, _ in tree_leaves_with_path(MIXED)][
        :5] == ["a/0", "a/1/0", "b/x", "b/y", "c/0"]
    assert repr(DictKey("a")) == "DictKey(key='a')" and SequenceKey(1).idx == 1
    assert FlattenedIndexKey(2) == FlattenedIndexKey(2) and GetAttrKey("z").name == "z"
    assert tree_map_with_path(lambda p, x, y: keystr(p) + str(x + y), {"a": 1}, {"a": 3}) == {
        "a": "['a']4"}
    assert tree_flatten_with_path({"a": (1, 2)}, lambda p, x: len(p) == 1, True)[0] == [
        ((DictKey("a"),), (1, 2))]


def test_is_leaf():
    assert tree_leaves([1, {"a": 2}], is_leaf=lambda x: isinstance(x, dict)) == [1, {"a": 2}]
    assert tree_map(lambda x: x, [None, 1], is_leaf=lambda x: x is None) == [None, 1]
    assert tree_leaves([None, 1]) == [1]
    assert all_leaves([1, 2]) and not all_leaves([1, None]) and not all_leaves([(1,)])


def test_functions():
    assert tree_reduce(lambda a, b: a + b, [1, (2, 3)]) == 6
    assert tree_reduce(lambda a, b: a + b, [], 0) == 0
    with pytest.raises(TypeError, match="empty iterable"):
        tree_reduce(lambda a, b: a + b, [])
    assert tree_reduce_associative(lambda a, b: a + b, list("abcde")) == "abcde"
    assert tree_reduce_associative(lambda a, b: a + b, [], identity=0) == 0
    assert tree.all([True, (1, 2)]) and not tree.all([True, (1, 0)])
    assert tree_transpose(tree_structure([0, 0]), None, [{"a": 1}, {"a": 2}]) == {"a": [1, 2]}
    with pytest.raises(TypeError, match="Mismatch"):
        tree_transpose(tree_structure([0, 0]), tree_structure((0, 0)), [{"a": 1}, {"a": 2}])
    assert tree_broadcast((1, 2), ((3, 4), [5])) == ((1, 1), [2])
    assert broadcast_prefix((1, None), ((3, 4), None)) == [1, 1]
    is_none = lambda x: x is None
    assert broadcast_prefix((None, 0), ((1, None), (2, 3)), is_none) == [None, 0, 0]
    assert tree_broadcast(0, (1, None), is_none) == (0, None)
    assert flatten_one_level(Point(1, 2)) == ((1, 2), Point)
    assert is_tree_node(Point) and not is_tree_node(int)


def test_treedefs():
    treedef = tree_structure((1, [2, 3]))
    assert treedef_children(treedef) == [tree_structure(1), tree_structure([2, 3])]
    assert treedef_tuple(treedef_children(treedef)) == treedef
    assert (treedef.num_leaves, treedef.num_nodes) == (3, 5)
    assert treedef_is_leaf(tree_structure(1)) and not treedef_is_leaf(treedef)
    assert repr(tree_structure((1, 2)).compose(tree_structure([1]))) == "PyTreeDef(([*], [*]))"
    assert tree_structure({"a": 1}).node_data() == (dict, ["a"])
    assert treedef.walk(lambda children, data: sum(children), None, [1, 2, 3]) == 6
    assert build_tree(treedef, [1, (2, 3)]) == (1, [2, 3])
    assert tree_structure(1) != 3 and isinstance(treedef, PyTreeDef)


def test_aux_data_that_is_not_hashable():
    class Odd:
        pass

    register_pytree_node(Odd, lambda x: ((1,), [1, 2]), lambda a, x: Odd())
    assert hash(tree_structure(Odd())) == hash(tree_structure(Odd()))
    assert tree_structure(Odd()) == tree_structure(Odd())


@pytest.mark.parametrize("result,message", [
    (3, r"should return a \(children, aux_data\) tuple, got 3"),
    ((3, 4), "where 'children' is iterable"), ((1, 2, 3), "tuple, got")])
def test_bad_flatten_functions(result, message):
    kind = type("Bad", (), {})
    register_pytree_node(kind, lambda x: result, lambda a, c: None)
    with pytest.raises(ValueError, match=message):
        tree_leaves(kind())


def test_registration_errors():
    for kind in (Box, tuple, Data):
        with pytest.raises(ValueError, match="Duplicate custom PyTreeDef type registration"):
            register_pytree_node(kind, lambda x: x, lambda a, c: c)
    make = lambda: dataclasses.make_dataclass("Fields", ["a", "b"])
    for arguments, message in [
            ((["a"], []), r"Missing fields: \{'b'\}"),
            ((["a"], ["b", "c"]), r"Unexpected fields: \{'c'\}"),
            ((["a", "b"], ["b"]), r"Overlapping fields: \{'b'\}")]:
        with pytest.raises(ValueError, match=message):
            register_dataclass(make(), *arguments)
    with pytest.raises(TypeError, match="must both be specified"):
        register_dataclass(make(), ["a"])
    with pytest.raises(TypeError, match="required when nodetype is not a dataclass"):
        register_dataclass(type("Plain", (), {}))


def test_partial():
    # Python 3.13 puts the module in front.
    assert repr(tree_map(lambda x: x + 1, Partial(max, 1, k=2))).endswith(
        "Partial(<built-in function max>, 2, k=3)")
    assert Partial(Partial(max, 5), 2).args == (2,) and Partial(Partial(max, 5), 2)() == 5
    inner = Partial(max, 1)
    assert tree_structure(Partial(inner, 2)) == tree_structure(Partial(inner, 3))


def test_arrays_are_leaves():
    x = np.ones(3)
    assert [type(leaf) for leaf in tree_leaves({"a": x, "b": (x, 1.0)})] == [
        np.ndarray, np.ndarray, float]


def test_errors_of_registered_functions_pass_through():
    class Boom:
        pass

    def fail(*_):
        raise KeyError("boom")

    register_pytree_node(Boom, fail, fail)
    with pytest.raises(KeyError, match="boom"):
        tree_leaves([1, Boom()])

    class Half:
        pass

    register_pytree_node(Half, lambda x: ((1,), None), fail)
    treedef = tree_structure({"a": Half()})
    with pytest.raises(KeyError, match="boom"):
        treedef.unflatten([1])
    assert treedef.flatten_up_to({"a": Half()}) == [1]


def test_deep_trees_raise():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        tree_leaves(deep)
    while deep:  # taken apart by hand: freeing it recursively is Python's own business
        deep = deep[0]


def test_references_are_kept_in_balance():
    leaf, box = object(), Box(1, 2, "a")
    value = {"a": [leaf, (leaf, None)], "b": Point(leaf, 1), "c": box, "d": OrderedDict(z=leaf)}
    other = {**value, "c": 3}

    def use():
        leaves, treedef = tree_flatten(value)
        treedef.unflatten(leaves)
        treedef.flatten_up_to(value)
        with pytest.raises(ValueError):
            treedef.flatten_up_to(other)
        with pytest.raises(ValueError):
            tree_leaves({1: leaf, "a": box})

    use()
    gc.collect()
    watched = (leaf, box, None, Point, "a", value)
    before = [sys.getrefcount(x) for x in watched]
    for _ in range(100):
        use()
    gc.collect()
    after = [sys.getrefcount(x) for x in watched]
    assert all(abs(a - b) < 50 for a, b in zip(after, before, strict=True))
