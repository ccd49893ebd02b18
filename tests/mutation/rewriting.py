"""Rewrite a module so that mutmut can mutate more of it, and so that what it does stays the same.

mutmut leaves decorated functions and all that runs at import alone. So properties are written without a decorator,
caches are dropped (a worker is a fork of a process that ran the tests already, so its caches would answer in place of
the mutant), and a constant of a module becomes a function, wherever a function of that module reads it.
"""

import re

import libcst as cst
import libcst.matchers as m

_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
_VALUE = (
    m.Tuple()
    | m.List()
    | m.Set()
    | m.Dict()
    | m.DictComp()
    | m.SimpleString()
    | m.Integer()
    | m.BinaryOperation()
    | m.Call(func=m.Name("frozenset"))
    | m.Call(func=m.Attribute(value=m.Name("re"), attr=m.Name("compile")))
    | m.Call(func=m.Attribute(value=m.Name("bytes"), attr=m.Name("maketrans")))
)


def rewritten(text: str) -> str:
    """Return the source of a module that does the same and that mutmut can mutate."""
    module = cst.parse_module(text)
    names = frozenset(name for statement in module.body if (name := _constant(statement)) is not None)
    bodies = [function.body for function in m.findall(module, m.FunctionDef())]
    read = {name.value for body in bodies for name in m.findall(body, m.Name())}
    return module.visit(_Rewriting(names & read)).code


def _constant(statement: cst.CSTNode) -> str | None:
    """Return the name that a statement gives to a constant."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return None
    match statement.body[0]:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))], value=value):
            pass
        case cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression() as value):
            pass
        case _:
            return None
    return name if _CONSTANT.fullmatch(name) and m.matches(value, _VALUE) else None


class _Rewriting(cst.CSTTransformer):
    """Rewrites one module, of which the constants that functions read are known by name."""

    def __init__(self, constants: frozenset[str]) -> None:
        super().__init__()
        self._constants = constants
        self._depth = self._classes = 0

    def leave_SimpleStatementLine(  # noqa: N802 - as libcst calls it
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        """Give a constant a function that makes it anew; who imports the constant gets the constant."""
        name = _constant(original_node)
        if name not in self._constants or self._depth or self._classes:
            return updated_node
        value = cst.ensure_type(original_node.body[0], cst.Assign | cst.AnnAssign).value
        assert value is not None
        made = cst.parse_statement(f"def {_function(name)}():\n    return None\n")
        made = made.with_deep_changes(m.findall(made, m.Return())[0], value=value)
        return cst.FlattenSentinel([updated_node, made])

    def visit_ClassDef_body(self, node: cst.ClassDef) -> None:  # noqa: ARG002, N802 - as libcst calls it
        """Note that what follows belongs to a class."""
        self._classes += 1

    def leave_ClassDef_body(self, node: cst.ClassDef) -> None:  # noqa: ARG002, N802 - as libcst calls it
        """Note that the class ends."""
        self._classes -= 1

    def visit_FunctionDef_body(self, node: cst.FunctionDef) -> None:  # noqa: ARG002, N802 - as libcst calls it
        """Note that what follows runs when the function is called."""
        self._depth += 1

    def leave_FunctionDef_body(self, node: cst.FunctionDef) -> None:  # noqa: ARG002, N802 - as libcst calls it
        """Note that what follows runs at import again."""
        self._depth -= 1

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:  # noqa: N802 - as above
        """Read a constant through its function."""
        if self._depth and original_node.value in self._constants:
            return cst.Call(func=cst.Name(_function(original_node.value)))
        return updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802 - as above
        """Take a cache away that is put around a function elsewhere than at its definition."""
        cached = m.matches(original_node, m.Call(func=m.Call(func=m.Name("lru_cache")), args=[m.Arg()]))
        return updated_node.args[0].value if cached else updated_node

    def leave_FunctionDef(  # noqa: N802 - as libcst calls it
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        """Take decorators away that do without."""
        decorators = [decorator.decorator for decorator in original_node.decorators]
        if [m.matches(one, m.Call(func=m.Name("lru_cache"))) for one in decorators] == [True]:
            return updated_node.with_changes(decorators=())
        if [m.matches(one, m.Name("property")) for one in decorators] == [True]:
            name = original_node.name.value
            return cst.FlattenSentinel(
                [updated_node.with_changes(decorators=()), cst.parse_statement(f"{name} = property({name})")]
            )
        return updated_node


def _function(constant: str) -> str:
    return f"constant{constant.lower() if constant.startswith('_') else '_' + constant.lower()}"
