"""The user's Python files import what lies beside them, and no two folders get in each other's way."""

import pytest

from blockfront.errors import UsageError
from blockfront.python_file import import_file, load_object

LAYOUTS = {
    "beside": {"layers.py": "width = 3", "net.py": "from layers import width\ndef net(): return width"},
    "beside, as a module": {"layers.py": "width = 3", "net.py": "import layers as l\ndef net(): return l.width"},
    "when a function runs": {"layers.py": "width = 3", "net.py": "def net():\n  import layers\n  return layers.width"},
    "at second hand": {
        "sizes.py": "width = 3",
        "layers.py": "from sizes import width",
        "net.py": "from layers import width\ndef net(): return width",
    },
    "a folder's file": {"parts/one.py": "width = 3", "net.py": "import parts.one\ndef net(): return parts.one.width"},
    "relatively": {
        "pkg/__init__.py": "",
        "pkg/layers.py": "width = 3",
        "pkg/net.py": "from .layers import width\ndef net(): return width",
    },
    "from above": {
        "pkg/__init__.py": "",
        "pkg/layers.py": "width = 3",
        "pkg/in/__init__.py": "from ..layers import width",
        "pkg/in/net.py": "from . import width\nfrom .. import layers\ndef net(): return min(width, layers.width)",
    },
    "by the package's name": {
        "pkg/__init__.py": "",
        "pkg/layers.py": "width = 3",
        "pkg/net.py": "from pkg.layers import width\ndef net(): return width",
    },
    "beside, inside a package": {
        "pkg/__init__.py": "",
        "pkg/layers.py": "width = 3",
        "pkg/net.py": "from layers import width\ndef net(): return width",
    },
    "a package itself": {"pkg/__init__.py": "from .layers import net", "pkg/layers.py": "def net(): return 3"},
    "a file of an odd name": {"layers.py": "width = 3", "net-v1.2.py": "import layers\ndef net(): return layers.width"},
    "named as what it imports": {"msgspec.py": "import msgspec\ndef net(): return 3 if msgspec.json else 0"},
}


def write(folder, files):
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return file


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_imports_what_lies_beside_it_and_relatively(tmp_path, layout):
    file = write(tmp_path, LAYOUTS[layout])
    if layout == "a package itself":
        file = tmp_path / "pkg" / "__init__.py"
    assert load_object(f"{file}:net", callable, "function")() == 3
    assert import_file(file) is import_file(file)


def test_two_folders_have_modules_of_the_same_name(tmp_path):
    files = {
        "layers.py": "width = 3",
        "net.py": "from layers import width\ndef net():\n  import late\n  return width, late.x",
    }
    first = write(tmp_path / "a", {"late.py": "x = 1", **files})
    second = write(tmp_path / "b", {"late.py": "x = 2", **files, "layers.py": "width = 4"}).with_name("net.py")
    assert import_file(first).net() == (3, 1)
    assert import_file(second).net() == (4, 2)


@pytest.mark.parametrize("name", ["torch", "json"])
def test_a_file_named_as_what_is_installed_is_told(tmp_path, name):
    file = write(tmp_path, {f"{name}.py": "x = 1", "net.py": f"import {name}"})
    with pytest.raises(UsageError, match=rf"line 1\): ImportError: {name}.py beside it has the name of an installed"):
        import_file(file)
    file.write_text(f"from . import {name}\n")
    assert vars(import_file(file))[name].x == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from .missing import x", "ModuleNotFoundError: No module named 'missing'$"),
        ("import missing", "ModuleNotFoundError: No module named 'missing'$"),
        ("import broken", r"net.py does not import \(line 1\): ZeroDivisionError"),
    ],
)
def test_what_is_missing_or_fails_is_told_as_the_user_wrote_it(tmp_path, text, expected):
    file = write(tmp_path, {"broken.py": "1 / 0", "net.py": text})
    with pytest.raises(UsageError, match=expected):
        import_file(file)
