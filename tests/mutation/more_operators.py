"""What mutmut does not do to code: conditions, statements, operands, elements and regular expressions."""

import ast
import re
from collections.abc import Iterable, Iterator

import libcst as cst
import libcst.matchers as m
from mutmut.mutation.mutators import mutation_operators, operator_string

_TRUE, _FALSE = cst.Name("True"), cst.Name("False")

# An escape, a class, a counted repetition, a group's opening, or one character.
_ITEM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[0-9]+(?:,[0-9]*)?\}|\(\?[:!=]|\(\?P<\w+>|.", re.DOTALL)
_MEMBER = re.compile(r"(?:\\x..|\\.|[^\\])-(?:\\x..|\\.|[^\\])|\\x..|\\.|.", re.DOTALL)


def words(node: cst.BaseString) -> Iterable[cst.CSTNode]:
    """What mutmut does to a string, unless it is a sentence: those are for people, and no result depends on them."""
    sentence = isinstance(node, cst.SimpleString) and not node.prefix and re.search(r"\w.* ", node.value)
    return () if sentence else operator_string(node)


def conditions(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    """A condition that never holds, and one that always does."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.BooleanOperation(left=test, operator=cst.And(), right=_FALSE))
    yield node.with_changes(test=cst.BooleanOperation(left=test, operator=cst.Or(), right=_TRUE))


def loops(node: cst.While) -> Iterator[cst.CSTNode]:
    """A loop that is not entered."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.BooleanOperation(left=test, operator=cst.And(), right=_FALSE))


def operands(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    """Each side of ``and`` and ``or`` alone."""
    for side in (node.left, node.right):
        yield side.with_changes(lpar=[*node.lpar, *side.lpar], rpar=[*side.rpar, *node.rpar])


def returns(node: cst.Return) -> Iterator[cst.CSTNode]:
    """None in place of what is returned; in place of False it would be the same to whoever asks."""
    if node.value is not None and not m.matches(node.value, m.Name("None") | m.Name("False")):
        yield cst.Return(value=cst.Name("None"))


def statements(node: cst.Expr | cst.Raise) -> Iterator[cst.CSTNode]:
    """A call that is not made, an error that is not raised."""
    if isinstance(node, cst.Raise) or isinstance(node.value, cst.Call):
        yield cst.Pass()


def elements(node: cst.Tuple | cst.List | cst.Set | cst.Dict) -> Iterator[cst.CSTNode]:
    """A collection without each of its elements; a tuple without parentheses is often none."""
    if len(node.elements) > 1 and not (isinstance(node, cst.Tuple) and not node.lpar):
        for position in range(len(node.elements)):
            rest = [*node.elements[:position], *node.elements[position + 1 :]]
            if isinstance(node, cst.Tuple) and len(rest) == 1:
                rest[0] = rest[0].with_changes(comma=cst.Comma())
            yield node.with_changes(elements=rest)


def expressions(node: cst.Call) -> Iterator[cst.CSTNode]:
    """A regular expression with one thing changed, where that still is one."""
    if not m.matches(node.func, m.Attribute(value=m.Name("re"), attr=m.Name("compile"))):
        return
    for string in m.findall(node.args[0], m.SimpleString()):
        assert isinstance(string, cst.SimpleString)
        begin = len(string.prefix) + len(string.quote)
        text = string.value[begin : -len(string.quote)]
        for changed in _changes(text):
            value = string.value[:begin] + changed + string.quote
            call = node.with_deep_changes(string, value=value)
            if _compiles(call):
                yield call


def _changes(text: str) -> Iterable[str]:
    """The text of a regular expression with one item changed or left out."""
    for item in _ITEM.finditer(text):
        before, now, after = text[: item.start()], item[0], text[item.end() :]
        match now:
            case "*":
                changes = ["+", ""]
            case "+":
                changes = ["*", ""]
            case "?" | "|" | "\\Z" | "\\A" | "^" | "$" | "\\b":
                changes = [""]
            case "(?!":
                changes = ["(?="]
            case "(?=":
                changes = ["(?!"]
            case _ if now.startswith("["):
                changes = _classes(now)
            case _ if now.startswith("{"):
                counts = re.findall("[0-9]+", now)
                changes = [now.replace(count, str(int(count) + step), 1) for count in counts for step in (1, -1)]
            case _ if now.startswith("(") or now.isspace() or now in ")#":
                changes = []
            case _:
                changes = [""]
        yield from (f"{before}{change}{after}" for change in changes)


def _classes(text: str) -> list[str]:
    """A class that is negated or not, and one without each of its members."""
    negation = "^" if text.startswith("[^") else ""
    inner = text[1 + len(negation) : -1]
    members = _MEMBER.findall(inner)
    changes = [f"[{'' if negation else '^'}{inner}]"]
    if len(members) > 1:
        for position in range(len(members)):
            rest = members[:position] + members[position + 1 :]
            changes.append(f"[{negation}{''.join(rest)}]")
    return changes


def _compiles(call: cst.Call) -> bool:
    pattern = cst.Module(body=[]).code_for_node(call.args[0].value)
    try:
        re.compile(ast.literal_eval(pattern))
    except (re.error, ValueError, SyntaxError):
        return False
    return True


OPERATORS = (
    *(operator for operator in mutation_operators if operator[1] is not operator_string),
    (cst.BaseString, words),
    (cst.If, conditions),
    (cst.CompIf, conditions),
    (cst.While, loops),
    (cst.BooleanOperation, operands),
    (cst.Return, returns),
    (cst.Expr, statements),
    (cst.Raise, statements),
    (cst.Tuple, elements),
    (cst.List, elements),
    (cst.Set, elements),
    (cst.Dict, elements),
    (cst.Call, expressions),
)
