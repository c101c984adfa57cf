"""One meaning a public name: whoever has met a name once knows it everywhere."""

import ast
import importlib
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.product import FOLDERS, ROOT

SHARED = {
    # The parts of a `Rule`, which every module of a schedule rule has.
    "matches": "targets/compiler/schedules/",
    "apply": "targets/compiler/schedules/",
    # What a module does that is run as a program.
    "main": "",
}
"""Functions that several modules define on purpose, and where they lie."""

Definitions = dict[str, list[str]]
"""Name to the files that define it."""


def _modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module but those of `commands/`, whose functions and options are named as they are typed."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            if not file.startswith("blockfront/commands/"):
                yield file, ast.parse(path.read_text())


def _types() -> Definitions:
    """Public classes, and aliases such as `Field = Scalar | Dimension`."""
    found = defaultdict(list)
    for file, module in _modules():
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(file)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if not name.isupper():
                    found[name].append(file)
    return {name: files for name, files in found.items() if name[0].isupper()}


def _functions() -> Definitions:
    found = defaultdict(list)
    for file, module in _modules():
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found[node.name].append(file)
    return found


def _repeated(names: Definitions) -> Definitions:
    return {name: files for name, files in names.items() if len(files) > 1}


def test_a_class_or_type_has_the_name_of_no_other():
    types = _types()
    assert len(types) > 200
    assert _repeated(types) == {}


def test_a_function_has_the_name_of_no_other():
    functions = _functions()
    assert len(functions) > 300
    repeated = _repeated(functions)
    assert {name: files for name, files in repeated.items() if name not in SHARED} == {}
    assert set(repeated) == set(SHARED)
    for name, folder in SHARED.items():
        assert all(file.startswith(folder) for file in repeated[name])


def test_packages_export_one_thing_under_one_name():
    exported: dict[str, object] = {}
    for folder in FOLDERS:
        for init in sorted((ROOT / folder).rglob("__init__.py")):
            parts = init.parent.relative_to(ROOT).parts
            package = importlib.import_module(".".join(dict.fromkeys(["blockfront", *parts])))
            for name in getattr(package, "__all__", ()):
                thing = getattr(package, name)
                assert exported.setdefault(name, thing) is thing, f"{package.__name__}.{name}"
    assert len(exported) > 100


def test_an_option_that_several_commands_have_is_declared_once():
    declared = Counter(
        ast.unparse(argument.annotation)
        for file in sorted((ROOT / "blockfront/commands").glob("*.py"))
        for function in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef)
        for argument in function.args.args
        if argument.annotation is not None and "typer.Option" in ast.unparse(argument.annotation)
    )
    assert [option for option, times in declared.items() if times > 1] == []
